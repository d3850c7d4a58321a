"""`python -m secsign_gate` is the administrator's command line."""

from secsign_gate.admin.cli import main

if __name__ == "__main__":
    main()

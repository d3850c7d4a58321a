"""`python -m secsign_gate.simulator …` is `secsign-gate simulator …`."""

from secsign_gate.simulator.cli import simulator

if __name__ == "__main__":
    simulator(prog_name="python -m secsign_gate.simulator")

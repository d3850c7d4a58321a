"""What tests of all kinds share: where the modules are that they import."""

import sys
from pathlib import Path

TESTS = Path(__file__).parent

for folder in (TESTS, TESTS / "private_host"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

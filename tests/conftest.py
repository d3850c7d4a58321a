"""What tests of all kinds share: where the modules are that they import, and that parallel tests do not meet."""

import os
import socket
import sys
from pathlib import Path

import hypothesis
import pytest

TESTS = Path(__file__).parent

for folder in (TESTS, TESTS / "private_host"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from own_corner import take_own_corner  # noqa: E402 - found by the lines above

# Timings are never asserted: the machine may be busy with something else.
SLOWNESS = [hypothesis.HealthCheck.too_slow]
hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=SLOWNESS, print_blob=True)
hypothesis.settings.load_profile("patient")


def pytest_configure(config: pytest.Config) -> None:
    """Give each worker of pytest-xdist its own homes and settings, before it starts anything."""
    del config
    if "PYTEST_XDIST_WORKER" in os.environ and socket.gethostname() == "private-host":
        take_own_corner()

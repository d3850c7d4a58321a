"""Fixtures of the client tests: `make clients` runs them, on a private host that has other people's SSH clients."""

from __future__ import annotations

import shutil
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "e2e"))

pytest.register_assert_rewrite("both_ways")

from both_ways import BothWays
from gate import Gate
from running_simulator import RunningSimulator
from system_log import SystemLog

if TYPE_CHECKING:
    from collections.abc import Iterator

AT_ONCE = "0"  # seconds after which the phone answers


@pytest.fixture(scope="session", autouse=True)
def on_the_private_host() -> None:
    if socket.gethostname() != "private-host" or shutil.which("plink") is None:
        pytest.fail("these tests need a private host with clients; run them by `make clients`", pytrace=False)


@pytest.fixture(scope="session")
def accepting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    with RunningSimulator(tmp_path_factory.mktemp("accepting"), "--auto-accept", AT_ONCE) as running:
        yield running


@pytest.fixture(scope="session")
def denying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    with RunningSimulator(tmp_path_factory.mktemp("denying"), "--auto-deny", AT_ONCE) as running:
        yield running


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, accepting: RunningSimulator) -> Iterator[Gate]:
    """Two sshds for all tests of a file."""
    with SystemLog() as log:
        made = Gate(tmp_path_factory.mktemp("host"), accepting, log, 0)
        yield made
        made.close()


@pytest.fixture
def both(
    host: Gate, tmp_path_factory: pytest.TempPathFactory, accepting: RunningSimulator, denying: RunningSimulator
) -> BothWays:
    return BothWays(host, tmp_path_factory.mktemp("client") / "work", accepting, denying)

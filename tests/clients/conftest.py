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

from both_ways import BothWays  # noqa: E402 - found, and its assertions explained, by the lines above
from gate import Gate  # noqa: E402
from running_simulator import RunningSimulator  # noqa: E402
from system_log import SystemLog  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

AT_ONCE = "0"  # seconds after which the phones answer
PROGRAMS = ("plink", "dbclient", "lftp", "sshfs", "node", "ansible-playbook")

if socket.gethostname() != "private-host" or not all(map(shutil.which, PROGRAMS)):
    collect_ignore_glob = ["test_*"]  # `make test` does without them, and `make clients` complains if there is no test


@pytest.fixture(scope="session")
def accepting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    with RunningSimulator(tmp_path_factory.mktemp("accepting"), "--auto-accept", AT_ONCE) as running:
        yield running


@pytest.fixture(scope="session")
def denying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    with RunningSimulator(tmp_path_factory.mktemp("denying"), "--auto-deny", AT_ONCE) as running:
        yield running


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory, accepting: RunningSimulator) -> Iterator[Gate]:
    """Two sshds for all tests of a file."""
    with SystemLog() as log:
        made = Gate(tmp_path_factory.mktemp("gate"), accepting, log, 0)
        yield made
        made.close()


@pytest.fixture(scope="module")
def both(
    gate: Gate, tmp_path_factory: pytest.TempPathFactory, accepting: RunningSimulator, denying: RunningSimulator
) -> BothWays:
    return BothWays(gate, tmp_path_factory.mktemp("clients") / "work", accepting, denying)

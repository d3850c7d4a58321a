"""Fixtures of the end-to-end tests. They need the private host: `make test` runs pytest inside it."""

from __future__ import annotations

import itertools
import socket
from typing import TYPE_CHECKING

import drop_in
import pytest
from gate import PIN_ACCOUNT, Gate
from pam_stack import PamStack
from registered import EMBEDDED, FOR_EVERYBODY, with_registry
from running_simulator import RunningSimulator
from stranger import Stranger
from system_log import SystemLog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate import Person

NUMBERS = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def on_the_private_host() -> None:
    if socket.gethostname() != "private-host":
        pytest.fail("the end-to-end tests change accounts and homes; run them by `make test`", pytrace=False)


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    """The ID server and everybody's phone, one process for all tests."""
    with RunningSimulator(tmp_path_factory.mktemp("simulator"), "--pin-account", PIN_ACCOUNT) as running:
        yield running


@pytest.fixture(scope="session")
def system_log() -> Iterator[SystemLog]:
    """What is sent to /dev/log."""
    with SystemLog() as log:
        yield log


@pytest.fixture
def gate(
    tmp_path_factory: pytest.TempPathFactory, simulator: RunningSimulator, system_log: SystemLog
) -> Iterator[Gate]:
    """A host with the gate; see gate.py for its language."""
    system_log.forget()
    made = Gate(tmp_path_factory.mktemp("gate"), simulator, system_log, next(NUMBERS))
    yield made
    made.close()
    simulator.clear_faults()


@pytest.fixture
def pam() -> Iterator[PamStack]:
    """The files of /etc/pam.d; what a test changes there is put back after it."""
    stack = PamStack()
    yield stack
    stack.restore()


@pytest.fixture
def alice(gate: Gate) -> Person:
    return gate.user("alice", secsign_id="alice")


@pytest.fixture
def bob(gate: Gate) -> Person:
    return gate.user("bob", secsign_id="bob")


@pytest.fixture(params=["forced", "by the key"])
def shared(gate: Gate, request: pytest.FixtureRequest) -> Gate:
    """A host where deploy's keys come from the registry, in both ways to have the gate in front of them."""
    with_registry(gate)
    gate.drop_in = (drop_in.gated() if request.param == "forced" else drop_in.gated(ForceCommand="none")) + EMBEDDED
    return gate


@pytest.fixture
def by_the_key(gate: Gate) -> Gate:
    """A host where the key's line is all that starts the gate, for every account."""
    with_registry(gate)
    gate.drop_in = drop_in.gated(ForceCommand="none") + FOR_EVERYBODY
    return gate


@pytest.fixture
def stranger() -> Iterator[Stranger]:
    """A process of alice's that sshd has not started."""
    with Stranger("alice") as started:
        yield started

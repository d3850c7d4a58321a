"""Switching the gate on and off at a real sshd: the whole way, its undo, and what keeps it from starting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from activation_host import CONFIRM, ActivationHost

from secsign_gate.activation.change import Phase
from secsign_gate.core.verdict import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gate import Gate


@pytest.fixture
def host(gate: Gate, tmp_path: Path) -> Iterator[ActivationHost]:
    gate.user("alice", secsign_id="alice")
    made = ActivationHost(gate, tmp_path)
    yield made
    made.close()


def phase(host: ActivationHost) -> Phase | None:
    change = host.journal.read()
    return None if change is None else change.phase


def test_enabled_confirmed_from_a_new_login_and_disabled(host: ActivationHost) -> None:
    done = host.enable()
    assert (done.returncode, done.stderr) == (0, "")
    assert phase(host) is Phase.WAITING
    confirmed = host.ssh(CONFIRM).outcome()
    assert confirmed.status == 0, confirmed
    assert phase(host) is Phase.CONFIRMED
    alice = host.gate._people[0]
    alice.client.knows("changed", host.sshd.address, host.sshd.port)
    login = alice.run("ssh", "alice@changed", "touch proof")
    host.gate.phone("alice").deny()
    assert login.refused(Reason.DENIED_ON_PHONE)
    off = host.run("disable")
    assert (off.returncode, off.stderr) == (0, "")
    assert not host.drop_in.exists()
    assert alice.run("ssh", "alice@changed", "echo in").outcome()[:2] == (0, b"in\n")
    host.wait_until_undone()

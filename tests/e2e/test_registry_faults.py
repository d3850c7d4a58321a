"""Lines that are none, and a registry that cannot be vouched for: nobody is let in, and it is said why."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from gate import CONFIGURATION
from registered import REGISTRY, is_denied, line, person, registry, told, with_registry

from secsign_gate.core.verdict import Reason

if TYPE_CHECKING:
    from gate import Gate


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ('comand="id"', "'comand', which sshd does not know so"),
        ('command="id', "has a quote that is not closed"),
        ('command="id",command="date"', "has the option command twice"),
        ('from="127.0.0.1",expiry-time="soon"', "expiry-time has a value that sshd does not take"),
    ],
)
def test_a_line_that_is_none_lets_nobody_in_and_is_told_of(shared: Gate, options: str, says: str) -> None:
    shared.configure(policy={"exempt_accounts": "deploy"})
    alice, bob = person(shared), person(shared)
    registry(line(shared, alice, "alice", options), line(shared, bob, "bob"))
    assert is_denied(alice, "touch ~/proof")
    assert bob.ssh("echo in").outcome()[:2] == (0, b"in\n")
    last = told(shared)[-1]
    assert f"{REGISTRY} line 1: " in last
    assert says in last
    assert last.startswith("<84>"), "authpriv.warning"
    checked = check()
    assert checked.returncode == 78
    assert f"{REGISTRY} line 1: " in checked.stderr
    assert not alice.has("proof")


def test_a_key_that_is_not_where_a_key_must_be_is_told_of(shared: Gate) -> None:
    shared.configure(policy={"exempt_accounts": "deploy"})
    alice = person(shared)
    good = line(shared, alice, "alice")
    registry(good.replace("ssh-ed25519", "ssh-rsa"), f"# {good}")
    assert is_denied(alice, "touch ~/proof")
    assert {text.partition(f"{REGISTRY} ")[2].partition(";")[0] for text in told(shared)} == {
        "line 1: the key stands in it, and not behind its type"
    }
    assert not alice.has("proof")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda: REGISTRY.chmod(0o664), "can be written by its group"),
        (lambda: REGISTRY.chmod(0o600), "may not be read by secsign-gate-keys"),
        (REGISTRY.unlink, "does not exist"),
        (lambda: REGISTRY.write_bytes(REGISTRY.read_bytes()[:-5]), "may be cut off"),
        (lambda: REGISTRY.write_bytes(b""), "is empty"),
        (lambda: CONFIGURATION.chmod(0o777), "can be written by everybody"),
    ],
)
def test_a_registry_that_cannot_be_vouched_for_lets_nobody_in(shared: Gate, damage: object, says: str) -> None:
    alice = person(shared)
    registry(line(shared, alice, "alice"))
    assert callable(damage)
    damage()
    assert is_denied(alice, "touch ~/proof")
    assert told(shared)
    assert all(says in text for text in told(shared))
    shared.sshd.wait_for_log(r"AuthorizedKeysCommand .*failed, status 78")
    assert not alice.has("proof")


def test_a_broker_that_cannot_read_the_registry_refuses(gate: Gate) -> None:
    """Keys from another place: the registry is the broker's only."""
    with_registry(gate)
    alice = gate.user("alice", secsign_id="alice")
    REGISTRY.chmod(0o666)
    assert alice.ssh("touch ~/proof").refused(Reason.CONFIGURATION_ERROR)
    registry("# nobody")
    login = alice.ssh("touch ~/proof")
    gate.phone("alice").accept()
    assert login.outcome().status == 0


def check(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/opt/secsign-gate/bin/secsign-gate", "check", *options], capture_output=True, text=True, check=False
    )

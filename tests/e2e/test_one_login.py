from gate import Gate

from secsign_gate.core.verdict import Reason


def test_accepted_on_the_phone_runs_the_command(gate: Gate) -> None:
    alice = gate.user("alice", secsign_id="alice")
    login = alice.ssh("touch proof; echo done")
    gate.phone("alice").accept()
    assert login.outcome() == (0, b"done\n", b"")
    assert alice.has("proof")


def test_denied_on_the_phone_runs_nothing(gate: Gate) -> None:
    alice = gate.user("alice", secsign_id="alice")
    login = alice.ssh("touch proof")
    gate.phone("alice").deny()
    assert login.refused(Reason.DENIED_ON_PHONE)
    assert not alice.has("proof")

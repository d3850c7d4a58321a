"""The story itself: a key, a push, and then exactly what was asked for, or nothing at all."""

from gate import Gate

from secsign_gate.core.verdict import Reason


def test_accepted_on_the_phone_runs_the_command(gate: Gate) -> None:
    alice = gate.user("alice", secsign_id="alice")
    login = alice.ssh("touch proof; echo done")
    gate.phone("alice").wait()
    assert not alice.has("proof")
    gate.phone("alice").accept()
    outcome = login.outcome()
    assert (outcome.status, outcome.stdout) == (0, b"done\n")
    assert alice.has("proof")


def test_denied_on_the_phone_runs_nothing(gate: Gate) -> None:
    alice = gate.user("alice", secsign_id="alice")
    login = alice.ssh("touch proof")
    gate.phone("alice").deny()
    assert login.refused(Reason.DENIED_ON_PHONE)
    assert not alice.has("proof")


def test_accepted_on_the_phone_opens_a_shell_in_the_terminal(gate: Gate) -> None:
    alice = gate.user("alice", secsign_id="alice")
    terminal = alice.terminal()
    gate.phone("alice").accept()
    terminal.type("echo $((6*7)); exit 3\r")
    terminal.expect(r"\b42\b")
    assert terminal.wait() == 3

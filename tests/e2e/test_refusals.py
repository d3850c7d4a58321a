"""Every way in which a phone or an ID server says no, or says nothing: status, sentence, record, and nothing ran."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from by_hand import door
from processes import brokers_of, ended

from secsign_gate.core.verdict import Reason, exit_status
from secsign_gate.terminal import words

if TYPE_CHECKING:
    from gate import Gate, Login


def refused_so(gate: Gate, login: Login, reason: Reason, *, creates: int = 1) -> bool:
    """Tell whether the refusal is told, recorded and tidied up as it must be, after this many pushes were asked for."""
    outcome = login.outcome()
    (record,) = gate.records
    assert (outcome.status, outcome.stdout) == (exit_status(reason), b"")
    assert (record["event"], record["verdict"], record["reason"]) == ("verdict", "refuse", reason.value)
    sentence = outcome.stderr.decode("ascii").splitlines()[-1]
    assert sentence == words.refused(reason.value, record.get("detail", ""), record["reference"])
    assert len(outcome.stderr.splitlines()) <= 2  # one line before, one at the end
    alice = gate.id_of("alice")
    made = [entry for entry in gate.simulator.log("create") if entry["parameters"].get("secsignid") == alice]
    assert len(made) == creates
    return True


FAULTS: list[tuple[Reason, str, dict[str, Any]]] = [
    (Reason.FROZEN, "frozen", {"on": "create"}),
    (Reason.NO_SUCH_SECSIGN_ID, "error", {"on": "create", "errorcode": 20000}),
    (Reason.ID_SERVER_REFUSED, "status", {"on": "create", "status": 503}),
    (Reason.ID_SERVER_REFUSED, "redirect", {"on": "create"}),
    (Reason.ID_SERVER_NONSENSE, "captive-portal", {"on": "create"}),
    (Reason.ID_SERVER_UNREACHABLE, "reset", {"on": "create"}),
    (Reason.ID_SERVER_UNREACHABLE, "hang", {"on": "create"}),
    (Reason.EXPIRED, "expired", {"on": "state"}),
    (Reason.SUSPENDED, "suspended", {"on": "state"}),
    (Reason.INVALID, "invalid", {"on": "state"}),
    (Reason.CANCELED_AT_ID_SERVER, "state", {"on": "state", "value": "6"}),
    (Reason.ID_SERVER_NONSENSE, "wrong-authsessionid", {"on": "state"}),
]


@pytest.mark.parametrize(("reason", "fault", "details"), FAULTS, ids=str)
def test_an_id_server_that_says_no(gate: Gate, reason: Reason, fault: str, details: dict[str, Any]) -> None:
    alice = gate.user("alice", secsign_id="alice")
    gate.simulator.faults(fault, **details)
    if fault == "hang":
        gate.configure(id_server={"connect_seconds": 2, "total_seconds": 2})
    login = door(alice)
    brokers = brokers_of("alice")
    assert refused_so(gate, login, reason)
    assert not alice.has("proof")
    assert ended(brokers)
    assert all(one["disposed"] for one in gate.phone("alice").auth_sessions() if details["on"] == "state")


def test_denied_on_the_phone(gate: Gate) -> None:
    alice = gate.user("alice", secsign_id="alice")
    login = door(alice)
    gate.phone("alice").deny()
    brokers = brokers_of("alice")
    assert refused_so(gate, login, Reason.DENIED_ON_PHONE)
    assert ended(brokers)
    assert [one["disposed"] for one in gate.phone("alice").auth_sessions()] == ["release"]
    assert not alice.has("proof")


def test_the_wrong_picture_is_a_denial(gate: Gate) -> None:
    alice = gate.user("alice", secsign_id="alice")
    terminal = alice.terminal("touch ~/proof")
    request = gate.phone("alice").wait()
    assert request["access_passes"], "with a terminal there is a picture to pick"
    right = gate.phone("alice").auth_sessions()[0]["access_pass"]
    wrong = next(name for name in request["access_passes"] if name != right)
    gate.simulator.pick(gate.id_of("alice"), wrong)
    assert terminal.wait() == exit_status(Reason.DENIED_ON_PHONE)
    assert "denied on the phone, or the wrong picture" in "".join(terminal.screen())
    assert [record["reason"] for record in gate.records] == [Reason.DENIED_ON_PHONE]
    assert not alice.has("proof")


def test_nobody_answers_and_the_id_server_falls_silent(gate: Gate) -> None:
    """The time that was announced is the time that it takes, even if the server would keep us for longer."""
    gate.configure(push={"wait_seconds": 5}, id_server={"total_seconds": 100})
    alice = gate.user("alice", secsign_id="alice")
    login = door(alice)
    gate.phone("alice").wait()
    gate.simulator.faults("hang", on="state", times=None)
    login.session.outcome(seconds=30)
    assert refused_so(gate, login, Reason.NO_ANSWER)
    assert not alice.has("proof")


def test_nobody_has_a_secsign_id(gate: Gate) -> None:
    alice = gate.user("alice")
    assert refused_so(gate, door(alice), Reason.NO_SECSIGN_ID, creates=0)
    assert not alice.has("proof")


def test_an_id_server_that_is_not_there(gate: Gate) -> None:
    gate.configure(id_server={"url": "https://127.0.0.1:1"})
    alice = gate.user("alice", secsign_id="alice")
    assert refused_so(gate, door(alice), Reason.ID_SERVER_UNREACHABLE, creates=0)
    assert not alice.has("proof")


def test_a_passing_fault_does_not_cost_the_login(gate: Gate) -> None:
    alice = gate.user("alice", secsign_id="alice")
    gate.simulator.faults("reset", on="state")
    gate.simulator.faults("cut", on="state")
    login = door(alice)
    gate.phone("alice").accept()
    assert login.outcome()[:2] == (0, b"ran\n")

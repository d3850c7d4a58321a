"""Law 2: an approval that comes after the client has left runs nothing."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import drop_in
import pytest
from faulty_network import FaultyNetwork
from processes import brokers_of, doors_of, ended
from records import wait_for_record

from secsign_gate.core.verdict import REFUSED, Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate import Gate, Login, Person
    from terminal import Terminal


class Left:
    """What became of a login whose client left: to be asked once the gate's processes have been seen at work."""

    def __init__(self, gate: Gate, person: Person) -> None:
        gate.phone(person.account).wait()
        self._gate = gate
        self._person = person
        self.ours = doors_of(person.account) + brokers_of(person.account)
        assert len(self.ours) == 2

    def everything(self, reason: Reason) -> bool:
        """Wait until the gate's processes end; tell whether nothing ran, the push is withdrawn, that is on record."""
        assert ended(self.ours), "door and broker outlive a client that has left"
        (auth_session,) = self._gate.phone(self._person.account).auth_sessions()
        verdicts = [(record["event"], record["reason"]) for record in self._gate.records]
        assert (auth_session["state"], auth_session["disposed"]) == ("CANCELED", "cancel")
        assert verdicts == [("verdict", reason.value)]
        assert not self._person.has("proof")
        return True


def somebody(gate: Gate) -> Person:
    return gate.user("alice", secsign_id="alice")


def kill_client(login: Login) -> None:
    login.session.kill(signal.SIGKILL)


def press_ctrl_c_without_a_terminal(login: Login) -> None:
    login.session.kill(signal.SIGINT)


@pytest.mark.parametrize("leave", [kill_client, press_ctrl_c_without_a_terminal])
def test_a_client_without_a_terminal_that_ends_has_left(gate: Gate, leave: Callable[[Login], None]) -> None:
    alice = somebody(gate)
    login = alice.ssh("touch proof")
    left = Left(gate, alice)
    leave(login)
    assert left.everything(Reason.CLIENT_LEFT)


def kill_client_in(terminal: Terminal) -> None:
    terminal.process.send_signal(signal.SIGKILL)


def close_the_window(terminal: Terminal) -> None:
    terminal.hang_up()


@pytest.mark.parametrize("leave", [kill_client_in, close_the_window])
def test_a_client_with_a_terminal_that_ends_has_left(gate: Gate, leave: Callable[[Terminal], None]) -> None:
    alice = somebody(gate)
    terminal = alice.terminal("touch proof")
    left = Left(gate, alice)
    leave(terminal)
    assert left.everything(Reason.CLIENT_LEFT)


@pytest.mark.parametrize("key", [b"\x03", b"\x1c"], ids=["Ctrl-C", r"Ctrl-\ "])
def test_giving_up_with_a_key_ends_in_one_sentence(gate: Gate, key: bytes) -> None:
    alice = somebody(gate)
    terminal = alice.terminal("touch proof")
    left = Left(gate, alice)
    terminal.type(key)
    assert terminal.wait() == REFUSED
    sentence = "secsign-gate: interrupted before the phone answered; nothing was started; log in again"
    assert "".join(terminal.screen()).startswith(sentence)  # and ssh's own line after it
    assert left.everything(Reason.INTERRUPTED)


def test_ctrl_z_changes_nothing(gate: Gate) -> None:
    alice = somebody(gate)
    terminal = alice.terminal("touch proof; echo done")
    gate.phone("alice").wait()
    terminal.type("\x1a")
    gate.phone("alice").accept()
    terminal.expect("done")
    assert terminal.wait() == 0
    assert alice.has("proof")


def test_a_connection_that_breaks_is_leaving(gate: Gate) -> None:
    alice = somebody(gate)
    with FaultyNetwork((gate.sshd.address, gate.sshd.port)) as network:
        alice.client.knows("broken", "127.0.0.1", network.port)
        alice.run("ssh", "alice@broken", "touch proof")
        left = Left(gate, alice)
        network.cut()
        assert left.everything(Reason.CLIENT_LEFT)


@pytest.mark.parametrize("with_terminal", [False, True])
def test_a_network_that_goes_silent_is_leaving_once_sshd_has_noticed(gate: Gate, with_terminal: bool) -> None:
    gate.drop_in = drop_in.gated(ClientAliveInterval="1", ClientAliveCountMax="1")
    alice = somebody(gate)
    with FaultyNetwork((gate.sshd.address, gate.sshd.port)) as network:
        alice.client.knows("silent", "127.0.0.1", network.port)
        alice.run("ssh", *(["-tt"] if with_terminal else []), "alice@silent", "touch proof")
        left = Left(gate, alice)
        network.go_silent()
        assert left.everything(Reason.CLIENT_LEFT)


def master(person: Person) -> list[str]:
    """Return the options under which `ssh` shares one connection, after making it."""
    options = ["-o", f"ControlPath={person.client.folder}/mux"]
    gated = person.at("gated")
    command = ["ssh", "-F", person.client.configuration, "-M", "-N", "-f", *options, gated]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=60)
    return options


def end_master(person: Person, options: list[str]) -> None:
    command = ["ssh", "-F", person.client.configuration, *options, "-O", "exit", person.at("gated")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


@pytest.mark.parametrize("with_terminal", [False, True])
def test_a_killed_channel_has_left_though_its_connection_lives(gate: Gate, with_terminal: bool) -> None:
    alice = somebody(gate)
    options = master(alice)
    channel = alice.ssh("touch proof", options=[*options, *(["-tt"] if with_terminal else [])])
    left = Left(gate, alice)
    channel.session.kill()
    assert left.everything(Reason.CLIENT_LEFT)
    again = alice.ssh("touch proof", options=options)
    gate.phone("alice").accept()
    assert again.outcome().status == 0, "the connection should still be there"
    assert alice.has("proof")
    end_master(alice, options)


def test_ending_the_shared_connection_is_leaving(gate: Gate) -> None:
    alice = somebody(gate)
    options = master(alice)
    alice.ssh("touch proof", options=options)
    left = Left(gate, alice)
    end_master(alice, options)
    assert left.everything(Reason.CLIENT_LEFT)


def test_no_input_is_not_leaving(gate: Gate) -> None:
    alice = somebody(gate)
    bob = gate.user("bob", secsign_id="bob")
    from_null = alice.ssh("touch proof; cat", options=["-n"])
    half_closed = bob.ssh("touch proof; cat", stdin=b"early")  # sent, then closed, long before anybody accepts
    gate.phone("alice").accept()
    gate.phone("bob").accept()
    assert from_null.outcome()[:2] == (0, b"")
    assert half_closed.outcome()[:2] == (0, b"early")
    assert alice.has("proof")
    assert bob.has("proof")


def test_nobody_reading_the_output_is_not_leaving(gate: Gate) -> None:
    alice = somebody(gate)
    login = alice.ssh("touch proof")
    assert login.session.process.stdout is not None
    login.session.process.stdout.close()
    gate.phone("alice").accept()
    assert login.session.process.wait(60) == 0
    assert alice.has("proof")


def test_a_late_approval_runs_nothing_even_if_the_push_cannot_be_withdrawn(gate: Gate) -> None:
    alice = somebody(gate)
    gate.simulator.faults("status", on="cancel", times=None)
    login = alice.ssh("touch proof")
    left = Left(gate, alice)
    login.session.kill()
    assert ended(left.ours)
    gate.simulator.accept(gate.id_of("alice"))
    (auth_session,) = gate.phone("alice").auth_sessions()
    assert auth_session["state"] == "AUTHENTICATED"
    assert not alice.has("proof")


def test_an_approval_that_finds_nobody_there_runs_nothing(gate: Gate) -> None:
    """The sharpest case: the door is told yes before it could see that the client has gone."""
    alice = somebody(gate)
    login = alice.ssh("touch proof")
    left = Left(gate, alice)
    (door,) = doors_of("alice")
    os.kill(door, signal.SIGSTOP)
    login.session.kill()
    gate.sshd.wait_for_log(r"Connection closed by .*|Disconnected from .*|Close session.*")
    gate.phone("alice").accept()
    wait_for_record(gate, verdict="allow")
    os.kill(door, signal.SIGCONT)
    assert ended(left.ours)
    assert not alice.has("proof")
    events = [(record["event"], record.get("ground"), record.get("reason")) for record in gate.records]
    assert events == [("verdict", "approved", None), ("client_left_before_hand_over", None, "client_left")]


def test_a_client_that_leaves_while_the_push_is_being_made_leaves_none_behind(gate: Gate) -> None:
    alice = somebody(gate)
    gate.simulator.faults("late", on="create", milliseconds=700)  # the phone has it at once, the gate learns of it late
    login = alice.ssh("touch proof")
    left = Left(gate, alice)
    login.session.kill()
    assert left.everything(Reason.CLIENT_LEFT)


def test_an_id_server_that_never_answers_the_create_keeps_nothing_alive(gate: Gate) -> None:
    gate.configure(id_server={"connect_seconds": 0.7, "total_seconds": 0.7})
    alice = somebody(gate)
    gate.simulator.faults("hang", on="create")
    login = alice.ssh("touch proof")
    left = Left(gate, alice)
    login.session.kill()
    assert ended(left.ours)
    assert [record["reason"] for record in gate.records] == ["client_left"]
    assert not alice.has("proof")


def test_leaving_in_the_very_moment_of_the_approval_has_one_story(gate: Gate) -> None:
    """Whoever wins: if it ran, an approval is on record; if the record says that nobody was there, it did not run."""
    people = [gate.user(name, secsign_id=name) for name in ("alice", "bob", "zoe", "dora", "kim", "deploy")]
    logins = [person.ssh("touch proof") for person in people]
    ours = []
    for person, login in zip(people, logins, strict=True):
        phone = gate.phone(person.account)
        phone.wait()
        ours += doors_of(person.account) + brokers_of(person.account)
        phone.accept()
        login.session.kill()
    assert ended(ours)
    for person in people:
        events = [record["event"] for record in gate.records if record["account"] == person.account]
        allowed = any(record["account"] == person.account and record["verdict"] == "allow" for record in gate.records)
        assert allowed or not person.has("proof")
        assert not ("client_left_before_hand_over" in events and person.has("proof"))
        (auth_session,) = gate.phone(person.account).auth_sessions()
        assert auth_session["disposed"] is not None

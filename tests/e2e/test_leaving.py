"""Law 2: an approval that comes after the client has left runs nothing."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING

import drop_in
import pytest
from faulty_network import FaultyNetwork
from gate import master
from processes import brokers_of, doors_of, ended, parent_of
from records import wait_for_record

from secsign_gate.core.verdict import REFUSED, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gate import Gate, Person


class Left:
    """What becomes of a login whose client leaves: made once the gate's processes are at work."""

    def __init__(self, gate: Gate, person: Person) -> None:
        gate.phone(person.account).wait()
        self._gate = gate
        self._person = person
        self.ours = doors_of(person.account) + brokers_of(person.account)
        assert len(self.ours) == 2

    def everything(self, reason: Reason) -> bool:
        """Wait until the gate's processes end; tell whether nothing ran, the push is withdrawn, that is on record."""
        account = self._person.account
        assert ended(self.ours), f"door and broker of {account} outlive a client that has left"
        (auth_session,) = self._gate.phone(account).auth_sessions()
        records = [record for record in self._gate.records if record["account"] == account]
        assert (account, auth_session["state"], auth_session["disposed"]) == (account, "CANCELED", "cancel")
        assert [(record["event"], record["reason"]) for record in records] == [("verdict", reason.value)]
        assert not self._person.has("proof")
        return True


def somebody(gate: Gate) -> Person:
    return gate.user("alice", secsign_id="alice")


@pytest.fixture
def networks(gate: Gate) -> Iterator[Callable[[Person], FaultyNetwork]]:
    """Put a faulty network between a person and the server, which that person then knows as `faulty`."""
    with ExitStack() as stack:

        def between(person: Person) -> FaultyNetwork:
            person.at("gated")
            network = stack.enter_context(FaultyNetwork((gate.sshd.address, gate.sshd.port)))
            person.client.knows("faulty", "127.0.0.1", network.port)
            return network

        yield between


def end_master(person: Person, options: list[str]) -> None:
    command = ["ssh", "-F", str(person.client.configuration), *options, "-O", "exit", person.at("gated")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def test_a_client_without_a_terminal_that_goes_away_has_left(
    gate: Gate, networks: Callable[[Person], FaultyNetwork]
) -> None:
    gate.drop_in = drop_in.gated(ClientAliveInterval="1", ClientAliveCountMax="1")  # how sshd notices a silent network
    names = ("alice", "bob", "zoe", "dora", "kim", "deploy")
    alice, bob, zoe, dora, kim, deploy = (gate.user(name, secsign_id=name) for name in names)
    breaking, falling_silent = networks(zoe), networks(dora)
    shared_by_kim, shared_by_deploy = master(kim), master(deploy)
    killed, interrupted = alice.ssh("touch proof"), bob.ssh("touch proof")
    zoe.run("ssh", "zoe@faulty", "touch proof")
    dora.run("ssh", "dora@faulty", "touch proof")
    channel = kim.ssh("touch proof", options=shared_by_kim)
    deploy.ssh("touch proof", options=shared_by_deploy)
    left = [Left(gate, person) for person in (alice, bob, zoe, dora, kim, deploy)]
    falling_silent.go_silent()
    killed.session.kill(signal.SIGKILL)
    interrupted.session.kill(signal.SIGINT)  # Ctrl-C: without a terminal it ends the client, and nothing else
    breaking.cut()
    channel.session.kill()  # a channel of a connection that lives on
    end_master(deploy, shared_by_deploy)
    assert all(one.everything(Reason.CLIENT_LEFT) for one in left)
    end_master(kim, shared_by_kim)


def test_a_client_with_a_terminal_that_goes_away_has_left(gate: Gate) -> None:
    alice, bob, zoe = (gate.user(name, secsign_id=name) for name in ("alice", "bob", "zoe"))
    shared = master(zoe)
    killed, closed = alice.terminal("touch proof"), bob.terminal("touch proof")
    channel = zoe.ssh("touch proof", options=[*shared, "-tt"])
    left = [Left(gate, person) for person in (alice, bob, zoe)]
    killed.process.send_signal(signal.SIGKILL)
    closed.hang_up()
    channel.session.kill()
    assert all(one.everything(Reason.CLIENT_LEFT) for one in left)
    again = zoe.ssh("touch proof", options=shared)
    gate.phone("zoe").accept()
    assert again.outcome().status == 0, "the connection should still be there, and ask anew"
    assert zoe.has("proof")
    end_master(zoe, shared)


@pytest.mark.parametrize("key", ["\x03", "\x1c"], ids=["Ctrl-C", "Ctrl-Backslash"])
def test_giving_up_with_a_key_ends_in_one_sentence(gate: Gate, key: str) -> None:
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


def test_nothing_of_the_gate_remains_once_the_command_runs(gate: Gate) -> None:
    alice = somebody(gate)
    login = alice.ssh('read -r children < /proc/$$/task/$$/children; echo "[$children]"; sleep 600')
    gate.phone("alice").wait()
    brokers = brokers_of("alice")
    gate.phone("alice").accept()
    assert login.session.process.stdout is not None
    assert login.session.process.stdout.readline() == b"[]\n"  # no child of the gate's, not even a dead one
    assert ended(brokers)
    assert doors_of("alice") == brokers_of("alice") == []
    (auth_session,) = gate.phone("alice").auth_sessions()
    assert auth_session["disposed"] == "release"


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
    its_sshd = parent_of(door)
    os.kill(door, signal.SIGSTOP)
    login.session.kill()
    assert ended([its_sshd]), "sshd should have noticed that its client is gone"
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

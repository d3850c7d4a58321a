"""One tap per SSH connection: logins that ask a daemon, over real sshds and ControlMaster connections."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import drop_in
import pytest
from gate import grounds, master
from running_broker import SOCKET, RunningBroker
from stranger import until

from secsign_gate.broker.least_privilege import CAP_SYS_PTRACE
from secsign_gate.core.verdict import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate import Gate, Person


@pytest.fixture
def broker(gate: Gate) -> Iterator[RunningBroker]:
    """The daemon, asked by every door of this test."""
    gate.drop_in = drop_in.asking(str(SOCKET))
    with RunningBroker() as running:
        yield running


def reloaded(gate: Gate, broker: RunningBroker, *people: tuple[str, str]) -> list[Person]:
    """Return people with keys and phones, after the broker has read who they are."""
    made = [gate.user(account, secsign_id=secsign_id) for account, secsign_id in people]
    broker.reload()
    return made


def test_one_login(gate: Gate, broker: RunningBroker) -> None:
    (alice,) = reloaded(gate, broker, ("alice", "alice"))
    login = alice.ssh("echo $SSH_CONNECTION; exit 7")
    gate.phone("alice").accept()
    status, stdout, _ = login.outcome()
    assert status == 7
    assert stdout.startswith(b"127.0.0.1 ")
    assert grounds(gate) == ["approved"]
    assert "unproven" not in gate.records[0]


def test_one_tap_covers_the_channels_of_its_connection(gate: Gate, broker: RunningBroker) -> None:
    (alice,) = reloaded(gate, broker, ("alice", "alice"))
    options = master(alice)
    first = alice.ssh("echo 1", options=options)
    gate.phone("alice").accept()
    assert first.outcome().stdout == b"1\n"
    for number in range(2, 6):
        assert alice.ssh(f"echo {number}", options=options).outcome()[:2] == (0, b"%d\n" % number)
    assert grounds(gate) == ["approved", "granted", "granted", "granted", "granted"]
    assert len(gate.phone("alice").auth_sessions()) == 1
    approval = gate.records[0]["reference"]
    assert {record["rule"] for record in gate.records[1:]} == {f"approval {approval}"}


def test_channels_that_open_meanwhile_wait_for_the_one_answer(gate: Gate, broker: RunningBroker) -> None:
    (alice,) = reloaded(gate, broker, ("alice", "alice"))
    options = master(alice)
    logins = [alice.ssh(f"echo {number}", options=options) for number in range(5)]
    gate.phone("alice").wait()
    while len(broker.status()["waiting"]) < 5:
        pass
    gate.phone("alice").accept()
    assert [login.outcome()[:2] for login in logins] == [(0, b"%d\n" % number) for number in range(5)]
    assert len(gate.phone("alice").auth_sessions()) == 1


def test_each_channel_that_waits_for_the_one_answer_is_told_what_that_is_for(gate: Gate, broker: RunningBroker) -> None:
    (alice,) = reloaded(gate, broker, ("alice", "alice"))
    options = master(alice)
    terminals = {name: alice.terminal(f"echo {name} is in", options=options) for name in ("one", "two")}
    for name, terminal in terminals.items():
        terminal.expect(rf"wants +\x1b\[0mecho {name} is in")
    without = alice.ssh("echo three is in", options=options)
    until(lambda: [one["stage"] for one in broker.status()["waiting"]] in (["pushed"] * 3, ["fetched"] * 3))
    assert len(gate.phone("alice").auth_sessions()) == 1
    gate.phone("alice").accept()
    for name, terminal in terminals.items():
        terminal.expect(f"\\n{name} is in\r\n")
        assert terminal.wait() == 0
        (other,) = {*terminals} - {name}
        assert f"echo {other}".encode() not in terminal.output
    status, stdout, stderr = without.outcome()
    assert (status, stdout) == (0, b"three is in\n")
    (sentence,) = stderr.splitlines()  # one line has no room for what was typed a moment ago
    assert sentence.endswith(b"; the picture to pick cannot be shown on this terminal")


def test_if_it_is_denied_all_are_refused_and_there_is_a_pause(gate: Gate, broker: RunningBroker) -> None:
    (alice,) = reloaded(gate, broker, ("alice", "alice"))
    options = master(alice)
    logins = [alice.ssh("touch proof", options=options) for _ in range(3)]
    gate.phone("alice").wait()
    while len(broker.status()["waiting"]) < 3:
        pass
    gate.phone("alice").deny()
    assert all(login.refused(Reason.DENIED_ON_PHONE) for login in logins)
    again = alice.ssh("touch proof", options=options)
    assert again.refused(Reason.PAUSED_AFTER_DENIAL)
    assert len(gate.phone("alice").auth_sessions()) == 1
    subprocess.run(["/opt/secsign-gate/bin/secsign-gate", "unblock", "alice"], check=True)
    after = alice.ssh("touch proof", options=options)
    gate.phone("alice").accept()
    assert after.outcome().status == 0
    assert alice.has("proof")


def test_another_connection_of_the_same_person_is_asked_for_by_itself(gate: Gate, broker: RunningBroker) -> None:
    (alice,) = reloaded(gate, broker, ("alice", "alice"))
    first = alice.ssh("echo 1")
    gate.phone("alice").accept()
    assert first.outcome().stdout == b"1\n"
    second = alice.ssh("echo 2")
    gate.phone("alice").accept()
    assert second.outcome().stdout == b"2\n"
    assert grounds(gate) == ["approved", "approved"]


def test_two_people_behind_one_address_never_share(gate: Gate, broker: RunningBroker) -> None:
    alice, bob = reloaded(gate, broker, ("deploy", "alice"), ("deploy", "bob"))
    options = master(alice)
    first = alice.ssh("echo alice", options=options)
    gate.phone("alice").accept()
    assert first.outcome().stdout == b"alice\n"
    second = bob.ssh("echo bob")
    gate.phone("bob").accept()
    assert second.outcome().stdout == b"bob\n"
    assert grounds(gate) == ["approved", "approved"]


def test_a_second_connection_waits_its_turn_and_is_told_so(gate: Gate, broker: RunningBroker) -> None:
    (alice,) = reloaded(gate, broker, ("alice", "alice"))
    first = alice.ssh("echo 1")
    gate.phone("alice").wait()
    second = alice.ssh("echo 2")
    while [one["stage"] for one in broker.status()["waiting"]] not in (["pushed", "queued"], ["fetched", "queued"]):
        pass
    assert len(gate.phone("alice").auth_sessions()) == 1
    gate.phone("alice").accept()
    assert first.outcome().stdout == b"1\n"
    gate.phone("alice").accept()
    status, stdout, stderr = second.outcome()
    assert (status, stdout) == (0, b"2\n")
    assert b"another request is to be answered first" in stderr
    assert [one["state"] for one in gate.phone("alice").auth_sessions()] == ["AUTHENTICATED", "AUTHENTICATED"]


def test_whoever_is_further_behind_is_told_how_far(gate: Gate, broker: RunningBroker) -> None:
    (alice,) = reloaded(gate, broker, ("alice", "alice"))

    def is_at(place: int) -> bool:
        waiting = broker.status()["waiting"]
        return len(waiting) == place + 1 and bool(waiting[place]["stage"]) and waiting[place]["place"] == place

    logins = []
    for number in range(3):
        logins.append(alice.ssh(f"echo {number}"))
        until(partial(is_at, number))
    outcomes = []
    for login in logins:
        gate.phone("alice").accept()
        outcomes.append(login.outcome())
    assert [outcome[:2] for outcome in outcomes] == [(0, b"%d\n" % number) for number in range(3)]
    assert b"other request" not in outcomes[0].stderr
    assert outcomes[1].stderr.startswith(b"secsign-gate: another request is to be answered first; then accept alice@")
    assert outcomes[2].stderr.startswith(b"secsign-gate: 2 other requests are to be answered first; then accept alice@")


def test_who_leaves_the_line_leaves_no_push_behind(gate: Gate, broker: RunningBroker) -> None:
    (alice,) = reloaded(gate, broker, ("alice", "alice"))
    first = alice.ssh("echo 1")
    gate.phone("alice").wait()
    second = alice.ssh("touch proof")
    while len(broker.status()["waiting"]) < 2:
        pass
    third = alice.ssh("echo 3")
    while len(broker.status()["waiting"]) < 3:
        pass
    second.session.kill()
    while len(broker.status()["waiting"]) > 2:
        pass
    gate.phone("alice").accept()
    assert first.outcome().stdout == b"1\n"
    gate.phone("alice").accept()
    assert third.outcome().stdout == b"3\n"
    assert len(gate.phone("alice").auth_sessions()) == 2
    assert not alice.has("proof")


def test_the_last_who_waits_withdraws_the_push_and_no_other(gate: Gate, broker: RunningBroker) -> None:
    (alice,) = reloaded(gate, broker, ("alice", "alice"))
    options = master(alice)
    first = alice.ssh("touch proof", options=options)
    gate.phone("alice").wait()
    second = alice.ssh("echo 2", options=options)
    while len(broker.status()["waiting"]) < 2:
        pass
    first.session.kill()
    while len(broker.status()["waiting"]) > 1:
        pass
    gate.phone("alice").accept()
    assert second.outcome().stdout == b"2\n"
    assert not alice.has("proof")
    (auth_session,) = gate.phone("alice").auth_sessions()
    assert auth_session["disposed"] == "release"


def test_fifty_who_wait_are_told_when_the_broker_is_stopped(gate: Gate, broker: RunningBroker) -> None:
    _stopped(gate, broker, signal.SIGTERM, b"is being stopped or restarted")


def test_fifty_who_wait_are_told_when_the_broker_is_killed(gate: Gate, broker: RunningBroker) -> None:
    _stopped(gate, broker, signal.SIGKILL, b"does not answer")


def _stopped(gate: Gate, broker: RunningBroker, number: int, words: bytes) -> None:
    gate.more_settings = "MaxSessions 100"
    (alice,) = reloaded(gate, broker, ("alice", "alice"))
    options = master(alice)
    logins = [alice.ssh("touch proof", options=options) for _ in range(50)]
    while len(broker.status()["waiting"]) < 50:
        pass
    assert broker.kill(number) == (0 if number == signal.SIGTERM else -number)
    for login in logins:
        status, stdout, stderr = login.outcome()
        assert (status, stdout) == (75, b"")
        assert words in stderr
    assert not alice.has("proof")
    (auth_session,) = gate.phone("alice").auth_sessions()
    assert auth_session["disposed"] == ("cancel" if number == signal.SIGTERM else None)


def test_a_new_configuration_that_is_wrong_is_refused_and_the_old_one_stays(gate: Gate, broker: RunningBroker) -> None:
    (alice,) = reloaded(gate, broker, ("alice", "alice"))
    gate.configure(push={"wait_seconds": 1})
    broker.reload()
    assert "push.wait_seconds: is out of range" in broker.said
    assert "wait_seconds" in broker.status()["configuration_fault"]
    login = alice.ssh("echo still here")
    gate.phone("alice").accept()
    assert login.outcome().stdout == b"still here\n"
    gate.configure(push={"wait_seconds": 5})
    broker.reload()
    assert broker.status()["configuration_fault"] is None


def test_a_grant_is_gone_with_its_connection_and_with_the_broker(gate: Gate, broker: RunningBroker) -> None:
    (alice,) = reloaded(gate, broker, ("alice", "alice"))
    options = master(alice)
    login = alice.ssh("true", options=options)
    gate.phone("alice").accept()
    assert login.outcome().status == 0
    assert [one["account"] for one in broker.status()["grants"]] == ["alice"]
    broker.kill(signal.SIGTERM)
    broker.start()
    again = alice.ssh("true", options=options)
    gate.phone("alice").accept()
    assert again.outcome().status == 0
    assert grounds(gate) == ["approved", "approved"]
    subprocess.run(
        ["ssh", "-F", alice.client.configuration, *options, "-O", "exit", alice.at("gated")],
        check=True,
        capture_output=True,
    )
    while broker.status()["grants"]:
        pass


def test_it_runs_as_an_account_of_its_own_and_keeps_no_privilege(broker: RunningBroker) -> None:
    def of(pid: int) -> dict[str, str]:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    account = pwd.getpwnam("secsign-gate")
    serving, monitor = of(broker.pid), of(broker.monitor)
    assert serving["Uid"].split() == [str(account.pw_uid)] * 4
    assert serving["Gid"].split() == [str(account.pw_gid)] * 4
    assert (serving["CapEff"], serving["CapPrm"]) == ("0" * 16, "0" * 16)
    assert serving["NoNewPrivs"] == "1"
    assert monitor["Uid"].split() == [str(account.pw_uid)] * 4
    assert (
        str(account.pw_gid) not in monitor["Gid"].split() + monitor["Groups"].split()
    )  # files of that group are secret
    assert (monitor["CapEff"], monitor["CapBnd"]) == (f"{1 << CAP_SYS_PTRACE:016x}", "0" * 16)


def test_if_its_privileged_half_dies_no_further_connection_is_covered(gate: Gate, broker: RunningBroker) -> None:
    alice, bob = reloaded(gate, broker, ("alice", "alice"), ("bob", "bob"))
    options, others = master(alice), master(bob)
    login = alice.ssh("true", options=options)
    gate.phone("alice").accept()
    assert login.outcome().status == 0
    os.kill(broker.monitor, signal.SIGKILL)
    broker.wait_for("the monitor has ended")
    assert broker.status()["monitor"] == "ended"
    assert alice.ssh("true", options=options).outcome().status == 0  # what was proven stays proven
    for _ in range(2):
        again = bob.ssh("true", options=others)
        gate.phone("bob").accept()
        assert again.outcome().status == 0
    assert grounds(gate) == ["approved", "granted", "approved", "approved"]
    assert ["unproven" in record for record in gate.records] == [False, False, True, True]
    assert broker.said.count("the monitor has ended") == 1


def test_without_a_broker_nobody_is_let_in_and_no_other_is_started(gate: Gate, broker: RunningBroker) -> None:
    (alice,) = reloaded(gate, broker, ("alice", "alice"))
    broker.kill(signal.SIGKILL)
    status, stdout, stderr = alice.ssh("touch proof").outcome()
    assert (status, stdout) == (75, b"")
    assert b"the approval service of this host does not answer" in stderr
    assert not alice.has("proof")
    broker.start()  # over the socket that the killed one left
    login = alice.ssh("echo back")
    gate.phone("alice").accept()
    assert login.outcome().stdout == b"back\n"

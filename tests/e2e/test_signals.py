"""Signals to the gate's processes: each ends in the person's favour or in a refusal, never in a traceback."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest
from by_hand import Broker, door, door_in_a_terminal, yes_to_alice
from processes import brokers_of, doors_of, ended
from progress_sample import progress
from records import wait_for_record

from secsign_gate.core.verdict import COULD_NOT_ASK, REFUSED, Reason
from secsign_gate.wire import Left

if TYPE_CHECKING:
    from gate import Gate

YES = yes_to_alice(command=b"echo ran")
PUSHED = progress(host="private-host")
ENDING = [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM]


@pytest.mark.parametrize("number", ENDING, ids=lambda number: number.name)
def test_a_signal_to_the_waiting_door_is_giving_up(gate: Gate, number: signal.Signals) -> None:
    alice = gate.user("alice")
    with Broker() as broker:
        login = door(alice, options=broker.option)
        stream = broker.accept()
        stream.receive()
        login.session.process.send_signal(number)
        said = stream.receive()
        assert isinstance(said, Left)
        assert said.why == Reason.INTERRUPTED
        stream.send(YES)  # too late
        status, stdout, stderr = login.outcome()
    assert (status, stdout) == (REFUSED, b"")
    assert stderr.startswith(b"secsign-gate: interrupted before the phone answered")
    assert stderr.count(b"\n") == 1


def test_a_yes_and_a_signal_at_once_is_a_no(gate: Gate) -> None:
    alice = gate.user("alice")
    with Broker() as broker:
        login = door(alice, options=broker.option)
        stream = broker.accept()
        stream.receive()
        os.kill(login.session.process.pid, signal.SIGSTOP)
        stream.send(YES)
        os.kill(login.session.process.pid, signal.SIGTERM)
        os.kill(login.session.process.pid, signal.SIGCONT)
        assert login.outcome()[:2] == (REFUSED, b"")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_signals_at_any_moment_never_show_a_traceback(gate: Gate, number: signal.Signals) -> None:
    """A storm of them while the door asks, is told yes, and hands over; from then on the shell takes them."""
    alice = gate.user("alice")
    with Broker() as broker:
        for pause in range(10):
            login = door(alice, options=broker.option)
            stream = broker.accept()
            stream.send(PUSHED)
            stream.send(YES)
            time.sleep(pause * 0.0005)  # anywhere between the first look and the exec
            while login.session.running():
                login.session.process.send_signal(number)
            status, stdout, stderr = login.outcome()
            assert (status, stdout) in {(REFUSED, b""), (-number, b""), (0, b"ran\n"), (-number, b"ran\n")}
            assert b"Traceback" not in stderr


FIRST_31_SIGNALS = 0x7FFFFFFF


def test_signals_that_are_ignored_stay_ignored(gate: Gate) -> None:
    alice = gate.user("alice")
    with Broker() as broker:
        previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            login = door(alice, options=broker.option)
        finally:
            signal.signal(signal.SIGINT, previous)
        stream = broker.accept()
        stream.receive()
        login.session.process.send_signal(signal.SIGINT)
        stream.send(yes_to_alice(command=b"grep SigIgn: /proc/self/status"))
        status, stdout, _ = login.outcome()
    assert status == 0
    ignored = int(stdout.removeprefix(b"SigIgn:"), 16)
    assert ignored & FIRST_31_SIGNALS == 1 << signal.SIGINT - 1  # the C library's own begin at 32


def test_a_signal_takes_what_is_drawn_off_the_screen(gate: Gate) -> None:
    alice = gate.user("alice")
    with Broker() as broker:
        terminal = door_in_a_terminal(alice, options=broker.option)
        stream = broker.accept()
        stream.receive()
        stream.send(PUSHED)
        terminal.expect("Ctrl-C gives up")
        terminal.type("\x1c")
        assert terminal.wait() == REFUSED
    assert "".join(terminal.screen()) == (
        "secsign-gate: interrupted before the phone answered; nothing was started; log in again"
    )


def test_a_killed_door_withdraws_the_push(gate: Gate) -> None:
    alice = gate.user("alice", secsign_id="alice")
    login = door(alice)
    gate.phone("alice").wait()
    brokers = brokers_of("alice")
    (visitor,) = doors_of("alice")
    os.kill(visitor, signal.SIGKILL)
    assert login.outcome()[:2] == (-signal.SIGKILL, b"")
    assert ended(brokers)
    (auth_session,) = gate.phone("alice").auth_sessions()
    assert auth_session["disposed"] == "cancel"
    assert [record["reason"] for record in gate.records] == [Reason.CLIENT_LEFT]


def test_a_killed_broker_is_told_to_the_person(gate: Gate) -> None:
    alice = gate.user("alice", secsign_id="alice")
    login = door(alice)
    gate.phone("alice").wait()
    (broker,) = brokers_of("alice")
    os.kill(broker, signal.SIGKILL)
    status, stdout, stderr = login.session.outcome(seconds=5)
    assert (status, stdout) == (COULD_NOT_ASK, b"")
    assert stderr.splitlines()[-1] == (
        b"secsign-gate: the approval service of this host does not answer (the broker went away without an answer); "
        b"try again; if it lasts, tell your administrator"
    )
    assert not alice.has("proof")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_broker_that_is_to_end_withdraws_the_push_first(gate: Gate, number: signal.Signals) -> None:
    alice = gate.user("alice", secsign_id="alice")
    login = door(alice)
    gate.phone("alice").wait()
    (broker,) = brokers_of("alice")
    os.kill(broker, number)
    assert login.refused(Reason.INTERRUPTED)
    assert ended([broker])
    (auth_session,) = gate.phone("alice").auth_sessions()
    assert auth_session["disposed"] == "cancel"


def test_a_broker_that_is_to_end_after_its_answer_changes_no_story(gate: Gate) -> None:
    alice = gate.user("alice", secsign_id="alice")
    login = door(alice, "touch ~/proof; sleep 60")
    gate.phone("alice").wait()
    (visitor,) = doors_of("alice")
    (broker,) = brokers_of("alice")
    os.kill(visitor, signal.SIGSTOP)
    gate.phone("alice").accept()
    wait_for_record(gate, verdict="allow")
    os.kill(broker, signal.SIGTERM)
    os.kill(visitor, signal.SIGCONT)
    assert ended([broker])
    login.session.kill()
    assert [record["event"] for record in gate.records] == ["verdict"]

"""How often people are pushed, and for how much one approval counts, as an administrator sets it and sees it."""

from __future__ import annotations

import re
import signal
import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING

import drop_in
import pytest
from by_hand import asking
from gate import grounds, master
from running_broker import PROGRAM, SOCKET, RunningBroker
from stranger import Stranger, until

from secsign_gate.core.verdict import COULD_NOT_ASK, REFUSED, Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate import Gate, Person

PEOPLE = ("alice", "bob", "zoe", "dora")
EACH = 13


@pytest.fixture
def people(gate: Gate) -> list[Person]:
    return [gate.user(account, secsign_id=account) for account in PEOPLE]


@pytest.fixture
def broker(gate: Gate, people: list[Person]) -> Iterator[RunningBroker]:
    """The daemon, which knows all of `people`."""
    assert people
    gate.drop_in = drop_in.asking(str(SOCKET))
    with RunningBroker() as running:
        yield running


def status_in_words() -> str:
    return subprocess.run([PROGRAM, "status"], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("limit", ["pushes_per_account", "pushes_per_secsign_id"])
def test_who_was_pushed_often_enough_is_refused_without_a_push_until_that_is_forgotten(
    gate: Gate, broker: RunningBroker, people: list[Person], limit: str
) -> None:
    alice, bob = people[:2]
    gate.configure(limits={limit: 2})
    broker.reload()
    for _ in range(2):
        login = asking(alice)
        gate.phone("alice").accept()
        assert login.outcome().status == 0
    for _ in range(3):
        outcome = asking(alice).outcome()
        assert (outcome.status, outcome.stdout) == (REFUSED, b"")
    assert grounds(gate)[2:] == [Reason.TOO_MANY_PUSHES] * 3
    assert len(gate.phone("alice").auth_sessions()) == 2
    assert {(one["kind"], one["name"]): one["recent"] for one in broker.status()["pushes"]} == {
        ("account", "alice"): 2,
        ("secsign_id", gate.id_of("alice")): 2,
    }
    assert "account alice: 2\n" in status_in_words()
    of_bob = asking(bob)
    gate.phone("bob").accept()
    assert of_bob.outcome().status == 0
    subprocess.run([PROGRAM, "unblock", "alice"], check=True)
    assert {one["name"] for one in broker.status()["pushes"]} == {"bob", gate.id_of("bob")}
    again = asking(alice)
    gate.phone("alice").accept()
    assert again.outcome().status == 0


def test_the_pause_after_a_denial_is_shown(gate: Gate, broker: RunningBroker, people: list[Person]) -> None:
    gate.configure(limits={"pause_seconds": 600, "longest_pause_seconds": 3600})
    broker.reload()
    login = asking(people[0])
    gate.phone("alice").deny()
    assert login.refused(Reason.DENIED_ON_PHONE)
    (of_account, of_phone) = broker.status()["pushes"]
    assert (of_account["denials"], of_phone["denials"]) == (1, 1)
    assert 0 < of_account["pause_left"] <= 600
    assert "denied 1 times in a row, not pushed for another" in status_in_words()
    assert asking(people[0]).refused(Reason.PAUSED_AFTER_DENIAL)
    assert len(gate.phone("alice").auth_sessions()) == 1


def test_the_second_denial_in_a_row_is_followed_by_a_longer_pause_until_one_is_accepted(
    gate: Gate, broker: RunningBroker, people: list[Person]
) -> None:
    def denied_under(pause: int) -> None:
        """Deny a push, once the orders have been changed meanwhile."""
        login = asking(people[0])
        gate.phone("alice").wait()
        gate.configure(limits={"pause_seconds": pause, "longest_pause_seconds": 3600})
        broker.reload()
        gate.phone("alice").deny()
        assert login.refused(Reason.DENIED_ON_PHONE)

    def told() -> int:
        outcome = asking(people[0]).outcome()
        found = re.search(rb"just denied on the phone.*\(wait (\d+) s\)", outcome.stderr)
        assert found, outcome
        return int(found[1])

    denied_under(600)
    assert 0 < told() <= 600
    gate.configure(limits={"pause_seconds": 0})
    broker.reload()  # nobody has to wait for it, and the denial still counts
    denied_under(600)
    assert 600 < told() <= 1200
    assert "denied 2 times in a row" in status_in_words()
    gate.configure(limits={"pause_seconds": 0})
    broker.reload()
    accepted = asking(people[0])
    gate.phone("alice").accept()
    assert accepted.outcome().status == 0
    denied_under(600)
    assert 0 < told() <= 600
    assert len(gate.phone("alice").auth_sessions()) == 4


@pytest.mark.parametrize(
    "grants",
    [{"per": "channel"}, {"per_channel_accounts": "al*"}, {"per_channel_commands": ["echo *"]}],
    ids=["all", "account", "command"],
)
def test_an_approval_for_each_channel(
    gate: Gate, broker: RunningBroker, people: list[Person], grants: dict[str, str | list[str]]
) -> None:
    gate.configure(grants=grants)
    broker.reload()
    options = master(people[0])
    for number in range(2):
        login = people[0].ssh(f"echo {number}", options=options)
        gate.phone("alice").accept()
        assert login.outcome()[:2] == (0, b"%d\n" % number)
    assert grounds(gate) == ["approved", "approved"]
    assert broker.status()["grants"] == []


def test_an_approval_counts_for_as_long_as_was_said(gate: Gate, broker: RunningBroker, people: list[Person]) -> None:
    gate.configure(grants={"seconds": 1})
    broker.reload()
    options = master(people[0])
    for _ in range(2):
        login = people[0].ssh("true", options=options)
        gate.phone("alice").accept()
        assert login.outcome().status == 0
        until(lambda: broker.status()["grants"] == [])
    assert grounds(gate) == ["approved", "approved"]


def test_the_status_ends_with_1_while_something_is_wrong(gate: Gate, broker: RunningBroker) -> None:
    ends = []
    for wait_seconds in (5, 1, 5):  # the second is not within bounds
        gate.configure(push={"wait_seconds": wait_seconds})
        broker.reload()
        ends += [
            subprocess.run([PROGRAM, "status", *more], capture_output=True, check=False) for more in ([], ["--json"])
        ]
    assert [end.returncode for end in ends] == [0, 0, 1, 1, 0, 0]
    assert b"push.wait_seconds: is out of range" in ends[2].stdout
    broker.kill(signal.SIGTERM)
    assert subprocess.run([PROGRAM, "status"], capture_output=True, check=False).returncode == COULD_NOT_ASK


def test_all_pushes_of_fifty_who_wait_are_withdrawn_when_the_broker_is_stopped(
    gate: Gate, broker: RunningBroker, people: list[Person]
) -> None:
    """Four people with thirteen channels each, and others who have connected and say nothing."""
    gate.more_settings = "MaxSessions 100"
    logins = [person.ssh("touch proof", options=options) for person in people for options in [master(person)] * EACH]
    until(lambda: [one["stage"] in {"pushed", "fetched"} for one in broker.status()["waiting"]] == [True] * len(logins))
    with ExitStack() as strangers:
        silent = [strangers.enter_context(Stranger(person.account)).connect() for person in people]
        assert broker.kill(signal.SIGTERM) == 0
        assert [stream.answer().why for stream in silent] == [Reason.BROKER_STOPPING] * len(silent)
    for login in logins:
        status, stdout, stderr = login.outcome()
        assert (status, stdout) == (COULD_NOT_ASK, b"")
        assert b"is being stopped or restarted" in stderr
    assert not any(person.has("proof") for person in people)
    for person in people:
        assert [one["disposed"] for one in gate.phone(person.account).auth_sessions()] == ["cancel"]

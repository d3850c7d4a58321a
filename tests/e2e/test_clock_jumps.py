"""The clock on the wall is set while the daemon serves: what people notice is the time in the records, and no more.

It is set for the broker's processes alone, by libfaketime between them and the kernel. As when somebody sets a real
one, CLOCK_MONOTONIC and the times of files stay.
"""

from __future__ import annotations

import json
import subprocess
import time
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import drop_in
import pytest
from by_hand import asking
from gate import master
from running_broker import PROGRAM, SOCKET, RunningBroker
from stranger import until

from secsign_gate.core.verdict import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate import Gate, Login, Person

HOUR, DAY = 3600, 86400  # seconds
AGES = 40 * 365 * DAY
JUMPS = (DAY, -DAY, AGES, -AGES, 0)  # off the true time, one after the other
SHIFT = Path("/run/clock-of-the-broker")  # where the account of the broker can read it


def set_clock(seconds: int) -> None:
    """Set the broker's clock so far ahead of the true time, or back."""
    new = SHIFT.with_suffix(".new")
    new.write_text(f"{seconds:+d}\n")
    new.rename(SHIFT)


def broker_with_a_clock() -> RunningBroker:
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
    shifted = {"LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(SHIFT), "FAKETIME_NO_CACHE": "1"}
    return RunningBroker(environment={**shifted, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"})


@pytest.fixture
def alice(gate: Gate) -> Iterator[Person]:
    gate.drop_in = drop_in.asking(str(SOCKET))
    set_clock(0)
    yield gate.user("alice", secsign_id="alice")
    SHIFT.unlink()


@pytest.fixture
def broker(alice: Person) -> Iterator[RunningBroker]:
    """The daemon whose clock is set, and who knows `alice`. It serves until the end of the test."""
    assert alice.account
    with broker_with_a_clock() as running:
        yield running
        assert (running.status()["pid"], running.status()["monitor"]) == (running.pid, "running")


def is_let_in(login: Login) -> bool:
    return login.outcome()[:2] == (0, b"in\n")


def off_by(record: dict[str, str]) -> int:
    """Return which of JUMPS the clock was off by when `record` was made."""
    off = datetime.fromisoformat(record["time"]).timestamp() - time.time()
    (jump,) = [jump for jump in JUMPS if abs(off - jump) < HOUR]
    return jump


def looks(gate: Gate, name: str) -> int:
    """Return how often the broker has asked what became of this person's pushes."""
    return [entry["parameters"].get("secsignid") for entry in gate.simulator.log("state")].count(gate.id_of(name))


def test_a_grant_covers_its_connection_for_its_time(gate: Gate, broker: RunningBroker, alice: Person) -> None:
    gate.configure(grants={"seconds": HOUR})
    broker.reload()
    options = master(alice)
    first = alice.ssh("echo in", options=options)
    gate.phone("alice").accept()
    assert is_let_in(first)
    for jump in JUMPS:
        set_clock(jump)
        assert alice.ssh("echo in", options=options).outcome() == (0, b"in\n", b"")
        (grant,) = broker.status()["grants"]
        assert 0 < grant["seconds_left"] <= HOUR
    assert [record["ground"] for record in gate.records] == ["approved", *["granted"] * len(JUMPS)]
    assert [off_by(record) for record in gate.records] == [0, *JUMPS]
    assert len(gate.phone("alice").auth_sessions()) == 1


def test_a_push_stays_on_the_phone_and_lets_in_who_is_accepted_there_and_nobody_else(
    gate: Gate, broker: RunningBroker, alice: Person
) -> None:
    bob = gate.user("bob", secsign_id="bob")
    gate.configure(limits={"pause_seconds": 0, "pushes_per_account": 1000, "pushes_per_secsign_id": 1000})
    broker.reload()
    for jump in JUMPS:
        set_clock(0)
        accepted, denied = asking(alice), asking(bob)
        for name in ("alice", "bob"):
            gate.phone(name).wait()
        set_clock(jump)
        for name in ("alice", "bob"):  # the second look from now on follows the judgement of the first
            until(partial(lambda name, enough: looks(gate, name) >= enough, name, looks(gate, name) + 2))
        assert {one["stage"] for one in broker.status()["waiting"]} <= {"pushed", "fetched"}
        gate.phone("bob").deny()
        assert denied.refused(Reason.DENIED_ON_PHONE)
        gate.phone("alice").accept()
        assert is_let_in(accepted)
    assert [off_by(record) for record in gate.records] == [jump for jump in JUMPS for _ in range(2)]
    assert alice.has("proof")
    assert not bob.has("proof")


def test_who_waits_waits_no_longer(gate: Gate, broker: RunningBroker, alice: Person) -> None:
    gate.configure(push={"wait_seconds": 5, "queue_seconds": 3})
    broker.reload()
    first = asking(alice)
    gate.phone("alice").wait()
    second = asking(alice)
    until(lambda: [one["stage"] for one in broker.status()["waiting"]][1:] == ["queued"])
    set_clock(-DAY)
    assert second.refused(Reason.QUEUE_TOO_SLOW)
    assert first.refused(Reason.NO_ANSWER)
    until(lambda: [one["disposed"] for one in gate.phone("alice").auth_sessions()] == ["cancel"])


def test_the_pause_after_a_denial_and_the_number_of_pushes_stay(
    gate: Gate, broker: RunningBroker, alice: Person
) -> None:
    bob = gate.user("bob", secsign_id="bob")
    gate.configure(limits={"pause_seconds": 600, "longest_pause_seconds": 600, "pushes_per_account": 1})
    broker.reload()
    denied, accepted = asking(alice), asking(bob)
    gate.phone("alice").deny()
    assert denied.refused(Reason.DENIED_ON_PHONE)
    gate.phone("bob").accept()
    assert is_let_in(accepted)
    for jump in JUMPS:
        set_clock(jump)
        assert asking(alice).refused(Reason.PAUSED_AFTER_DENIAL)
        assert asking(bob).refused(Reason.TOO_MANY_PUSHES)
        pauses = [one["pause_left"] for one in broker.status()["pushes"] if one["denials"]]
        assert [0 < pause <= 600 for pause in pauses] == [True, True]
    assert len(gate.phone("alice").auth_sessions()) == len(gate.phone("bob").auth_sessions()) == 1


def shown(*command: str | Path) -> list[str]:
    return subprocess.run([PROGRAM, *command], capture_output=True, text=True, check=True).stdout.splitlines()


def test_records_have_the_time_that_was_set_and_log_and_status_show_them(
    gate: Gate, broker: RunningBroker, alice: Person, tmp_path: Path
) -> None:
    gate.configure(policy={"exempt_accounts": "alice"})
    for jump in JUMPS:
        set_clock(jump)
        broker.reload()
        assert abs(broker.status()["loaded_at"] - time.time() - jump) < HOUR
        assert is_let_in(asking(alice))
        assert shown("status")[0].startswith("broker ")
    records = gate.records
    assert [off_by(record) for record in records] == [*JUMPS]
    (tmp_path / "audit").write_text("".join(f"{json.dumps(record)}\n" for record in records))
    log = ("log", "--file", tmp_path / "audit", "--json")
    assert [json.loads(line) for line in shown(*log)] == records
    assert [json.loads(line) for line in shown(*log, "--since", "1h")] == records[::2]  # those of the future, and now
    assert [json.loads(line) for line in shown(*log, "--until", "12h")] == records[1::2]
    assert len(shown(*log[:-1])) == len(records)


@pytest.mark.parametrize(("jump", "why"), [(AGES, b"has expired"), (-AGES, b"not yet valid")], ids=["late", "early"])
def test_a_broker_that_starts_under_a_wrong_clock_asks_nobody_until_it_is_right(
    gate: Gate, alice: Person, jump: int, why: bytes
) -> None:
    """The ID server's certificate is not valid then."""
    set_clock(jump)
    with broker_with_a_clock() as broker:
        login = asking(alice)
        assert login.refused(Reason.ID_SERVER_UNREACHABLE)
        assert why in login.outcome().stderr
        assert b"check this host's clock" in login.outcome().stderr
        assert gate.phone("alice").auth_sessions() == []
        set_clock(0)
        while not gate.simulator.pending(gate.id_of("alice")):  # it tries again after the time that it has named
            if not login.session.running():
                time.sleep(0.2)  # a person's haste; each is told at once
                login = asking(alice)
        gate.phone("alice").accept()
        assert is_let_in(login)
        assert broker.status()["pid"] == broker.pid

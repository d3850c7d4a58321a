"""Verdicts on their way to a record that is slow, or that fails: together, in order, and all of them or none."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from secsign_gate.broker.audit_record import Event, Record
from secsign_gate.broker.recorder import Recorder
from secsign_gate.errors import AuditError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LONGEST_WAIT = 30.0  # seconds; a guard against hanging, never an expectation


def record(reference: str) -> Record:
    return Record(0.0, Event.VERDICT, reference, None, "force_command", "alice", 2001)


class SlowAudit:
    """Writes when the test says so. `batches` are what it was given; those with a reference in `fails` fail."""

    def __init__(self, *fails: str) -> None:
        self.fails = fails
        self.batches: list[list[str]] = []
        self.at_once = False
        self._began = threading.Semaphore(0)
        self._may_go_on = threading.Semaphore(0)

    def record_at_once(self, one: Record) -> bool:
        if self.at_once:
            self.batches.append([one.reference])
        return self.at_once

    def record_all(self, records: list[Record]) -> None:
        self.batches.append([one.reference for one in records])
        self._began.release()
        assert self._may_go_on.acquire(timeout=LONGEST_WAIT)
        if any(one.reference in self.fails for one in records):
            raise AuditError("the disk is full; make room")

    def close(self) -> None:
        """Nothing is open."""

    async def begun(self) -> None:
        await asyncio.to_thread(self._began.acquire, timeout=LONGEST_WAIT)

    def go_on(self) -> None:
        self._may_go_on.release()


def with_recorder(audit: SlowAudit, test: Callable[[Recorder], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with asyncio.timeout(LONGEST_WAIT):
            await test(Recorder(audit))

    asyncio.run(whole())


def test_those_that_come_while_it_writes_are_written_together_and_in_order() -> None:
    audit = SlowAudit()

    async def test(recorder: Recorder) -> None:
        first = asyncio.create_task(recorder.record(record("1")))
        await audit.begun()
        others = [asyncio.create_task(recorder.record(record(name))) for name in "23456"]
        await asyncio.sleep(0)
        audit.go_on()
        await first
        await audit.begun()
        assert not any(task.done() for task in others)  # nobody is told before it is on record
        audit.go_on()
        await asyncio.gather(*others)
        assert audit.batches == [["1"], ["2", "3", "4", "5", "6"]]

    with_recorder(audit, test)


def test_a_failure_is_everybodys_of_that_batch_and_nobodys_of_the_next() -> None:
    audit = SlowAudit("3")

    async def test(recorder: Recorder) -> None:
        first = asyncio.create_task(recorder.record(record("1")))
        await audit.begun()
        second = [asyncio.create_task(recorder.record(record(name))) for name in "234"]
        await asyncio.sleep(0)
        audit.go_on()
        await audit.begun()
        third = asyncio.create_task(recorder.record(record("5")))
        await asyncio.sleep(0)
        audit.go_on()
        await audit.begun()
        audit.go_on()
        ended = await asyncio.gather(first, *second, third, return_exceptions=True)
        assert [type(one) for one in ended] == [type(None), AuditError, AuditError, AuditError, type(None)]

    with_recorder(audit, test)


def test_who_stops_waiting_stops_nobody_else() -> None:
    audit = SlowAudit("2")

    async def test(recorder: Recorder) -> None:
        first = asyncio.create_task(recorder.record(record("1")))
        await audit.begun()
        leaving, staying = (asyncio.create_task(recorder.record(record(name))) for name in "23")
        await asyncio.sleep(0)
        leaving.cancel()
        audit.go_on()
        await first
        await audit.begun()
        audit.go_on()
        with pytest.raises(AuditError):
            await staying
        assert leaving.cancelled()
        assert audit.batches == [["1"], ["2", "3"]]  # what was decided is on record, whoever waited for that

    with_recorder(audit, test)


def test_what_could_be_recorded_at_once_overtakes_nothing_that_waits() -> None:
    audit = SlowAudit()

    async def test(recorder: Recorder) -> None:
        first = asyncio.create_task(recorder.record(record("1")))
        await audit.begun()
        audit.at_once = True
        second = asyncio.create_task(recorder.record(record("2")))
        await asyncio.sleep(0)
        assert not second.done()
        audit.go_on()
        await first
        await audit.begun()
        audit.go_on()
        await second
        await recorder.record(record("3"))
        assert audit.batches == [["1"], ["2"], ["3"]]

    with_recorder(audit, test)


def test_a_defect_of_the_record_is_a_failure_too() -> None:
    class Broken(SlowAudit):
        def record_all(self, records: list[Record]) -> None:
            raise ZeroDivisionError(len(records))

    async def test(recorder: Recorder) -> None:
        with pytest.raises(ZeroDivisionError):
            await recorder.record(record("1"))

    with_recorder(Broken(), test)

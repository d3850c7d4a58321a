"""Verdicts on their way to the record: those that come while the disk is busy are written together, in order."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from secsign_gate.broker.audit_record import Record


class RecordsMany(Protocol):
    """What Audit does."""

    def record_at_once(self, record: Record) -> bool:
        """Put `record` on record if nothing has to be waited for: no disk, no full log socket. Tell whether it is."""

    def record_all(self, records: list[Record]) -> None:
        """Put all of `records` on record, in order, in its own time.

        Raises AuditError if that is not certain of every one.
        """

    def close(self) -> None:
        """Let go of what is kept open."""


class Recorder:
    """Records verdicts without holding up those who wait for something else. Belongs to one event loop."""

    def __init__(self, audit: RecordsMany) -> None:
        self._audit = audit
        self._waiting: list[tuple[Record, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None
        # A thread of its own: those that asyncio shares may all be waiting for a name service that does not answer.
        self._thread = ThreadPoolExecutor(1, "audit")

    async def record(self, record: Record) -> None:
        """Return once `record` is on record. Raises AuditError if that is not certain."""
        if self._writing is None and self._audit.record_at_once(record):
            return
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((record, written))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        await written

    def close(self) -> None:
        """Let go of what is kept open; nobody may be waiting."""
        self._audit.close()

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                records = [record for record, _ in batch]
                await asyncio.get_running_loop().run_in_executor(self._thread, self._audit.record_all, records)
            except Exception as error:  # noqa: BLE001 - each who waits gets it, and refuses
                failure: Exception | None = error
            else:
                failure = None
            for _, written in batch:
                if written.done():
                    continue  # whoever waited has been stopped
                if failure is None:
                    written.set_result(None)
                else:
                    written.set_exception(failure)
        self._writing = None

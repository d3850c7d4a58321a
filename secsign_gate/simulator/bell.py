"""The bell: it rings when something may have changed, so that pages and waiting commands look again at once."""

import asyncio
import contextlib
import time
from collections.abc import Coroutine


class Bell:
    """Rings for everybody who waits, tells the time since the start, and knows when the simulator is leaving."""

    def __init__(self) -> None:
        self.rings = 0
        self._rung = asyncio.Event()
        self._leaving = asyncio.Event()
        self._start = time.monotonic()

    def now(self) -> float:
        """Seconds since the start, on a monotonic clock."""
        return time.monotonic() - self._start

    def ring(self) -> None:
        """Wake everybody who waits."""
        self.rings += 1
        self._rung.set()
        self._rung = asyncio.Event()

    async def wait(self, rings: int, seconds: float) -> None:
        """Return once it has rung more often than so many times, or after so many seconds."""
        if self.rings == rings:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._rung.wait(), seconds)

    def leave(self) -> None:
        """Tell everybody that the simulator ends."""
        self._leaving.set()
        self.ring()

    @property
    def leaving(self) -> bool:
        """Whether the simulator ends."""
        return self._leaving.is_set()

    async def until_leaving(self) -> None:
        """Return when the simulator ends."""
        await self._leaving.wait()

    async def unless_leaving(self, work: Coroutine[None, None, None]) -> bool:
        """Do the work and return True; if the simulator ends meanwhile, drop it and return False."""
        task, leaving = asyncio.ensure_future(work), asyncio.ensure_future(self._leaving.wait())
        await asyncio.wait((task, leaving), return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        if task.done():
            task.result()
            return True
        task.cancel()
        await asyncio.wait((task,))
        return False

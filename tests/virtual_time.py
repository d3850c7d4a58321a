"""An event loop whose clock jumps to the next timer instead of waiting for it: hours of waiting in no time."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Jumping(selectors.SelectSelector):
    """Never waits: the time that it was asked to wait is added to `now`."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.rounds = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.rounds += 1
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "everybody waits for ever"
            self.now += max(timeout, 0.0)
        return ready


class VirtualTime(asyncio.SelectorEventLoop):
    """`rounds` counts how often the loop went round, so that a test sees a busy loop."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now

    @property
    def rounds(self) -> int:
        return self._jumping.rounds


def run(main: Coroutine[Any, Any, T]) -> T:
    """As asyncio.run, on virtual time."""
    with asyncio.Runner(loop_factory=VirtualTime) as runner:
        return runner.run(main)

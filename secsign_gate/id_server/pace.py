"""Turns for the requests of all who wait: so many a second in all, spread fairly, over connections that have room.

The rules are in core/pacing.py. Here is the queue, and the clock of the event loop.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import Generic, NamedTuple, Protocol, TypeVar

from secsign_gate.core.pacing import Allowance, Kind, free_at, given_back, left, taken, urgency

Lane = TypeVar("Lane")


class Gate(Protocol[Lane]):
    """Where a request leaves, once it is its turn."""

    def has_room(self) -> bool:
        """Tell whether `take` may be called now."""

    def take(self) -> Lane:
        """Return what the request leaves by."""

    def give_back(self, lane: Lane, /) -> None:
        """Take back what nobody will use."""


class _Waiting(NamedTuple, Generic[Lane]):
    turn: "asyncio.Future[Lane]"
    since: float


class Pace(Generic[Lane]):
    """Lets requests go one after the other, at most `requests_per_second` in any second. Belongs to one event loop.

    Whoever makes room at a gate says so by `look_again`; whoever has had a turn, by `has_left` or `leaves_not`.
    """

    def __init__(self, requests_per_second: int) -> None:
        self._allowance = Allowance(requests_per_second)
        self._queues: dict[tuple[Gate[Lane], Kind], deque[_Waiting[Lane]]] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def turn(self, kind: Kind, gate: Gate[Lane]) -> Lane:
        """Wait for a turn at `gate` and return what the request leaves by; it is to leave soon.

        Who is cancelled meanwhile gives the place, or what was taken, back. Raises what `dismiss` was given.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting[Lane](loop.create_future(), loop.time())
        queue = self._queues.setdefault((gate, kind), deque())
        queue.append(waiting)
        self.look_again()
        try:
            return await waiting.turn
        except asyncio.CancelledError:
            if waiting in queue:
                queue.remove(waiting)
            if not waiting.turn.cancelled() and waiting.turn.exception() is None:
                self._allowance = given_back(self._allowance)
                gate.give_back(waiting.turn.result())  # it came in the same moment
            self.look_again()
            raise

    def has_left(self) -> None:
        """Note that a request that had its turn leaves at this moment."""
        self._allowance = left(self._allowance, asyncio.get_running_loop().time())
        self.look_again()

    def leaves_not(self) -> None:
        """Note that a request that had its turn will never leave."""
        self._allowance = given_back(self._allowance)
        self.look_again()

    def dismiss(self, kind: Kind, gate: Gate[Lane], fault: Callable[[], Exception]) -> None:
        """Send away everybody of this kind who waits at `gate`: each of them raises a `fault`."""
        for waiting in self._queues.pop((gate, kind), ()):
            if not waiting.turn.done():
                waiting.turn.set_exception(fault())

    def look_again(self) -> None:
        """Let go whoever may go now, and see to it that the next one is not forgotten."""
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while (found := self._next(loop.time())) is not None:
            gate, queue = found
            now, free = loop.time(), free_at(self._allowance)
            if now < free:
                if free < math.inf:  # else it is looked again once somebody leaves
                    self._timer = loop.call_at(free, self.look_again)
                return
            waiting = queue.popleft()
            if not waiting.turn.done():  # else cancelled, and not yet told
                self._allowance = taken(self._allowance, now)
                waiting.turn.set_result(gate.take())

    def _next(self, now: float) -> tuple[Gate[Lane], deque[_Waiting[Lane]]] | None:
        """Return whose turn it is: the most urgent one among those in front whose gate has room."""
        in_front = [
            (urgency(kind, queue[0].since, now), place, gate, queue)
            for place, ((gate, kind), queue) in enumerate(self._queues.items())
            if queue and gate.has_room()
        ]
        if not in_front:
            return None
        _, _, gate, queue = min(in_front)
        return gate, queue

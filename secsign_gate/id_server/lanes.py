"""The connections to one server. HTTP/1.1 carries one request at a time, so all requests share one connection by turns.

A second lane opens only when the request on every other one has been under way for LANE_PATIENCE. The length of the
queue opens none, nor does distance: a server that is 300 ms away answers three requests a second on one lane, and those
who wait take turns. What a further lane is for is a request that hangs: it must not stop everybody else.
"""

import asyncio
from collections.abc import Awaitable, Callable

from secsign_gate.id_server.network import Connection

LANE_PATIENCE = 1.0  # seconds; three round trips to the far side of the world, and an answer that is worked on
MOST_LANES = 4
KEPT_SECONDS = 330.0  # a claim within five minutes of the last one finds the connection warm
SPARE_SECONDS = 10.0

Connect = Callable[[], Awaitable[Connection]]


class Lane:
    """A place for one connection. `connection` is None until somebody has made one."""

    def __init__(self) -> None:
        self.connection: Connection | None = None
        self.busy = True
        self.late = False
        self._timer: asyncio.TimerHandle | None = None

    async def connected(self, connect: Connect) -> Connection:
        """Return a connection that is alive at this moment, if need be a new one. Raises what `connect` raises."""
        if self.connection is not None and not await self.connection.is_alive():
            self.drop()
        if self.connection is None:
            self.connection = await connect()
        return self.connection

    def drop(self) -> None:
        """Close the connection."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def later(self, seconds: float, call: Callable[["Lane"], None]) -> None:
        """Call `call` in so many seconds, unless something else is asked for before. There is one timer per lane."""
        self.at_ease()
        self._timer = asyncio.get_running_loop().call_later(seconds, call, self)

    def at_ease(self) -> None:
        """Forget the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Lanes:
    """The lanes to one server. `room_made` is called whenever `has_room` may have become true."""

    def __init__(self, room_made: Callable[[], None], *, patience: float = LANE_PATIENCE) -> None:
        self._room_made = room_made
        self._patience = patience
        self._lanes: list[Lane] = []

    def has_room(self) -> bool:
        """Tell whether a lane is idle, or a further one may open."""
        if any(not lane.busy for lane in self._lanes):
            return True
        return len(self._lanes) < MOST_LANES and all(lane.late for lane in self._lanes)

    def is_in_use(self) -> bool:
        """Tell whether somebody has a lane: a connection is there, or about to be."""
        return any(lane.busy for lane in self._lanes)

    def take(self) -> Lane:
        """Return an idle lane, the oldest one first, so that spare ones stay idle and close; or else a new one."""
        lane = next((lane for lane in self._lanes if not lane.busy), None)
        if lane is None:
            lane = Lane()
            self._lanes.append(lane)
        lane.busy = True
        lane.later(self._patience, self._is_late)
        return lane

    def give_back(self, lane: Lane) -> None:
        """Take `lane` back after a request, whatever became of it: with a connection for the next one, or without."""
        lane.busy = lane.late = False
        lane.at_ease()
        if lane.connection is not None and not lane.connection.reusable:
            lane.drop()
        if lane.connection is None:
            self._lanes.remove(lane)
        else:
            lane.later(SPARE_SECONDS, self._is_spare)
        self._room_made()

    async def aclose(self) -> None:
        """Close all connections, also those of requests that are under way."""
        connections = [lane.connection for lane in self._lanes if lane.connection is not None]
        for lane in self._lanes:
            lane.at_ease()
        self._lanes = [lane for lane in self._lanes if lane.busy]
        for connection in connections:
            await connection.aclose()

    def _is_late(self, lane: Lane) -> None:
        lane.late = True
        self._room_made()

    def _is_spare(self, lane: Lane) -> None:
        """Close an idle lane that is not the only one; the only one is kept warm for longer."""
        if len(self._lanes) > 1:
            self._close_idle(lane)
        else:
            lane.later(KEPT_SECONDS - SPARE_SECONDS, self._close_idle)

    def _close_idle(self, lane: Lane) -> None:
        lane.drop()
        self._lanes.remove(lane)

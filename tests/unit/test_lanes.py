"""How many connections there are to one server, and for how long: on virtual time, with connections that only count."""

import asyncio
from itertools import count

from virtual_time import run

from secsign_gate.id_server.lanes import KEPT_SECONDS, LANE_PATIENCE, MOST_LANES, SPARE_SECONDS, Lane, Lanes
from secsign_gate.id_server.network import Connection


class Counting(Connection):
    """A connection as the lanes see it."""

    numbers = count()

    def __init__(self) -> None:
        self.number = next(self.numbers)
        self.alive = self.goes_on = True
        self.closed = False

    @property
    def reusable(self) -> bool:
        return self.goes_on

    async def is_alive(self) -> bool:
        return self.alive

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.close()


async def connect() -> Counting:
    return Counting()


async def connected(lanes: Lanes) -> tuple[Lane, Counting]:
    lane = lanes.take()
    connection = await lane.connected(connect)
    assert isinstance(connection, Counting)
    return lane, connection


def test_there_is_room_for_one_and_not_for_a_second_before_the_first_is_late() -> None:
    async def main() -> None:
        told: list[bool] = []
        lanes = Lanes(lambda: told.append(True))
        assert lanes.has_room()
        await connected(lanes)
        await asyncio.sleep(LANE_PATIENCE - 0.01)
        assert not lanes.has_room()
        await asyncio.sleep(0.02)
        assert lanes.has_room()
        assert told

    run(main())


def test_distance_opens_no_second_lane_however_long_the_queue() -> None:
    async def main() -> None:
        lanes = Lanes(lambda: None)
        seen = set()
        for _ in range(100):  # one after the other, each three tenths of a second: half a minute of queue
            lane, connection = await connected(lanes)
            seen.add(connection.number)
            await asyncio.sleep(0.3)
            assert not lanes.has_room()
            lanes.give_back(lane)
        assert len(seen) == 1

    run(main())


def test_at_most_four_hang() -> None:
    async def main() -> None:
        lanes = Lanes(lambda: None)
        for _ in range(MOST_LANES):
            assert lanes.has_room()
            await connected(lanes)
            await asyncio.sleep(LANE_PATIENCE + 0.01)
        assert not lanes.has_room()

    run(main())


def test_spare_ones_close_soon_and_the_last_one_stays_warm_for_five_minutes() -> None:
    async def main() -> None:
        lanes = Lanes(lambda: None)
        hung, first_connection = await connected(lanes)
        await asyncio.sleep(LANE_PATIENCE + 0.01)
        second, second_connection = await connected(lanes)
        lanes.give_back(second)
        lanes.give_back(hung)
        await asyncio.sleep(SPARE_SECONDS + 0.01)
        assert [first_connection.closed, second_connection.closed].count(True) == 1
        await asyncio.sleep(300 - SPARE_SECONDS)
        lane, connection = await connected(lanes)
        assert connection in (first_connection, second_connection)
        assert not connection.closed
        lanes.give_back(lane)
        await asyncio.sleep(KEPT_SECONDS + 0.01)
        assert first_connection.closed
        assert second_connection.closed
        assert lanes.has_room()

    run(main())


def test_a_connection_that_died_is_replaced_before_a_request_is_sent() -> None:
    async def main() -> None:
        lanes = Lanes(lambda: None)
        lane, dead = await connected(lanes)
        lanes.give_back(lane)
        dead.alive = False
        _, connection = await connected(lanes)
        assert connection is not dead
        assert dead.closed

    run(main())


def test_a_connection_that_cannot_be_used_again_is_closed_at_once() -> None:
    async def main() -> None:
        told: list[bool] = []
        lanes = Lanes(lambda: told.append(True))
        lane, used_up = await connected(lanes)
        used_up.goes_on = False
        lanes.give_back(lane)
        assert used_up.closed
        assert told
        assert lanes.has_room()
        lanes.give_back(lanes.take())  # nobody connected: the place is free again
        assert lanes.has_room()

    run(main())


def test_closing_closes_all_and_the_next_one_begins_anew() -> None:
    async def main() -> None:
        lanes = Lanes(lambda: None)
        busy, connection = await connected(lanes)
        await lanes.aclose()
        assert connection.closed
        connection.goes_on = False
        lanes.give_back(busy)
        _, another = await connected(lanes)
        assert not another.closed

    run(main())

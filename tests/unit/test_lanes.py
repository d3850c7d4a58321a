"""How many connections there are to one server, and for how long: on virtual time, with connections that only count."""

import asyncio
from itertools import count

from virtual_time import run

from secsign_gate.id_server.lanes import KEPT_SECONDS, LANE_PATIENCE, MOST_LANES, SPARE_SECONDS, Lanes


class Counting:
    """A connection as the lanes see it."""

    numbers = count()

    def __init__(self):
        self.number = next(self.numbers)
        self.alive = self.reusable = True
        self.closed = False

    async def is_alive(self):
        return self.alive

    def close(self):
        self.closed = True

    async def aclose(self):
        self.close()


async def connect():
    return Counting()


async def connected(lanes):
    lane = lanes.take()
    await lane.connected(connect)
    return lane


def test_there_is_room_for_one_and_not_for_a_second_before_the_first_is_late():
    async def main():
        told = []
        lanes = Lanes(lambda: told.append(True))
        assert lanes.has_room()
        await connected(lanes)
        await asyncio.sleep(LANE_PATIENCE - 0.01)
        assert not lanes.has_room()
        await asyncio.sleep(0.02)
        assert lanes.has_room()
        assert told

    run(main())


def test_distance_opens_no_second_lane_however_long_the_queue():
    async def main():
        lanes = Lanes(lambda: None)
        seen = set()
        for _ in range(100):  # one after the other, each three tenths of a second: half a minute of queue
            lane = await connected(lanes)
            seen.add(lane.connection.number)
            await asyncio.sleep(0.3)
            assert not lanes.has_room()
            lanes.give_back(lane)
        assert len(seen) == 1

    run(main())


def test_at_most_four_hang():
    async def main():
        lanes = Lanes(lambda: None)
        for _ in range(MOST_LANES):
            assert lanes.has_room()
            await connected(lanes)
            await asyncio.sleep(LANE_PATIENCE + 0.01)
        assert not lanes.has_room()

    run(main())


def test_spare_ones_close_soon_and_the_last_one_stays_warm_for_five_minutes():
    async def main():
        lanes = Lanes(lambda: None)
        hung = await connected(lanes)
        await asyncio.sleep(LANE_PATIENCE + 0.01)
        second = await connected(lanes)
        first_connection, second_connection = hung.connection, second.connection
        lanes.give_back(second)
        lanes.give_back(hung)
        await asyncio.sleep(SPARE_SECONDS + 0.01)
        assert [first_connection.closed, second_connection.closed].count(True) == 1
        await asyncio.sleep(300 - SPARE_SECONDS)
        lane = await connected(lanes)
        assert lane.connection in (first_connection, second_connection)
        assert not lane.connection.closed
        lanes.give_back(lane)
        await asyncio.sleep(KEPT_SECONDS + 0.01)
        assert first_connection.closed
        assert second_connection.closed
        assert lanes.has_room()

    run(main())


def test_a_connection_that_died_is_replaced_before_a_request_is_sent():
    async def main():
        lanes = Lanes(lambda: None)
        lane = await connected(lanes)
        dead = lane.connection
        lanes.give_back(lane)
        dead.alive = False
        lane = await connected(lanes)
        assert lane.connection is not dead
        assert dead.closed

    run(main())


def test_a_connection_that_cannot_be_used_again_is_closed_at_once():
    async def main():
        told = []
        lanes = Lanes(lambda: told.append(True))
        lane = await connected(lanes)
        used_up = lane.connection
        used_up.reusable = False
        lanes.give_back(lane)
        assert used_up.closed
        assert told
        assert lanes.has_room()
        lanes.give_back(lanes.take())  # nobody connected: the place is free again
        assert lanes.has_room()

    run(main())


def test_closing_closes_all_and_the_next_one_begins_anew():
    async def main():
        lanes = Lanes(lambda: None)
        busy = await connected(lanes)
        await lanes.aclose()
        assert busy.connection.closed
        busy.connection.reusable = False
        lanes.give_back(busy)
        assert not (await connected(lanes)).connection.closed

    run(main())

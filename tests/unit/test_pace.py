"""The queue in front of the ID servers, on virtual time."""

import asyncio
from collections import Counter
from typing import TypeVar

import pytest
from virtual_time import VirtualTime, run

from secsign_gate.core.pacing import Kind
from secsign_gate.id_server.pace import Pace

T = TypeVar("T")


class OpenGate:
    """A gate with so many lanes; by itself none is given back."""

    def __init__(self, lanes: int = 10**9) -> None:
        self.lanes = lanes

    def has_room(self) -> bool:
        return self.lanes > 0

    def take(self) -> str:
        self.lanes -= 1
        return "a lane"

    def give_back(self, _lane: str) -> None:
        self.lanes += 1


async def everybody(pace: Pace[str], gate: OpenGate, wanted: list[tuple[T, Kind]]) -> list[tuple[T, float]]:
    """Queue up all of `wanted` in this order; return who left when, in the order of leaving."""
    left: list[tuple[T, float]] = []

    async def one(name: T, kind: Kind) -> None:
        await pace.turn(kind, gate)
        pace.has_left()
        left.append((name, asyncio.get_running_loop().time()))

    await asyncio.gather(*(one(name, kind) for name, kind in wanted))
    return left


def test_a_thousand_looks_leave_twenty_a_second_in_the_order_of_coming() -> None:
    async def crowd() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTime)
        left = await everybody(Pace[str](20), OpenGate(), [(number, Kind.LOOK) for number in range(1000)])
        assert [name for name, _ in left] == list(range(1000))
        times = [time for _, time in left]
        assert all(later - earlier >= 1 for earlier, later in zip(times, times[20:], strict=False))
        assert times[-1] - times[0] < 51.5
        assert loop.rounds < 3100  # a few rounds for each turn: nobody asks again and again

    run(crowd())


def test_creates_leave_before_looks_before_disposals() -> None:
    async def gate_opens_late() -> None:
        gate, pace = OpenGate(0), Pace[str](1000)
        kinds = [Kind.CANCEL, Kind.LOOK, Kind.CREATE] * 6
        waiting = asyncio.create_task(everybody(pace, gate, list(enumerate(kinds))))
        await asyncio.sleep(0.5)
        gate.lanes = 100
        pace.look_again()
        left = [kinds[name] for name, _ in await waiting]
        assert left == sorted(kinds)

    run(gate_opens_late())


def test_on_a_busy_day_a_disposal_waits_no_longer_than_a_second_or_three() -> None:
    async def busy() -> None:
        wanted: list[tuple[str, Kind]] = [(f"look {number}", Kind.LOOK) for number in range(400)]
        wanted[5], wanted[6] = ("cancel", Kind.CANCEL), ("release", Kind.RELEASE)
        left = dict(await everybody(Pace[str](20), OpenGate(), wanted))
        assert left["cancel"] - left["look 0"] < 1.2
        assert left["release"] - left["look 0"] < 2.7

    run(busy())


def test_who_is_cancelled_gives_the_place_to_the_next() -> None:
    async def some_leave() -> None:
        gate, pace = OpenGate(0), Pace[str](20)
        left: list[int] = []

        async def one(name: int) -> None:
            await pace.turn(Kind.LOOK, gate)
            pace.has_left()
            left.append(name)

        tasks = [asyncio.create_task(one(number)) for number in range(6)]
        await asyncio.sleep(1)
        for leaving in (0, 1, 4):
            tasks[leaving].cancel()
        gate.lanes = 3
        pace.look_again()  # before those who leave have noticed
        await asyncio.wait(tasks)
        assert left == [2, 3, 5]
        assert gate.lanes == 0

    run(some_leave())


def test_who_is_cancelled_in_the_moment_of_the_turn_gives_the_lane_back() -> None:
    async def too_late() -> None:
        gate, pace = OpenGate(0), Pace[str](20)
        task = asyncio.create_task(pace.turn(Kind.CREATE, gate))
        await asyncio.sleep(1)
        gate.lanes = 1
        pace.look_again()
        assert gate.lanes == 0
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert gate.lanes == 1

    run(too_late())


def test_who_has_a_turn_and_does_not_leave_yet_keeps_the_place_until_it_does_or_will_not() -> None:
    async def slow_to_leave() -> None:
        gate, pace, loop = OpenGate(), Pace[str](2), asyncio.get_running_loop()
        for _ in range(2):
            await pace.turn(Kind.LOOK, gate)
        late, later = (asyncio.create_task(everybody(pace, gate, [("", Kind.LOOK)])) for _ in range(2))
        await asyncio.sleep(60)
        assert not late.done()
        pace.has_left()
        left_at = loop.time()
        assert (await late)[0][1] >= left_at + 1
        await asyncio.sleep(60)
        assert (await later)[0][1] < loop.time()
        pace.leaves_not()
        await asyncio.sleep(60)
        before = loop.time()
        for _ in range(2):  # nothing is under way any more, so two may go at once
            await pace.turn(Kind.LOOK, gate)
        assert loop.time() == before

    run(slow_to_leave())


def test_who_is_cancelled_in_the_moment_of_the_turn_is_not_under_way() -> None:
    async def too_late() -> None:
        gate, pace = OpenGate(0), Pace[str](1)
        task = asyncio.create_task(pace.turn(Kind.LOOK, gate))
        await asyncio.sleep(1)
        gate.lanes = 2
        pace.look_again()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await pace.turn(Kind.LOOK, gate) == "a lane"

    run(too_late())


def test_a_gate_without_room_keeps_nobody_else_waiting() -> None:
    async def two_gates() -> None:
        pace, full, free = Pace[str](20), OpenGate(0), OpenGate()
        stuck = asyncio.create_task(pace.turn(Kind.CREATE, full))
        await asyncio.sleep(0)
        assert await pace.turn(Kind.RELEASE, free) == "a lane"
        assert not stuck.done()
        stuck.cancel()

    run(two_gates())


def test_who_is_dismissed_fails_at_once_and_the_others_stay() -> None:
    async def dismissed() -> None:
        pace, gate = Pace[str](20), OpenGate(0)
        tasks = [asyncio.create_task(pace.turn(kind, gate)) for kind in (Kind.CREATE, Kind.CREATE, Kind.LOOK)]
        await asyncio.sleep(1)
        pace.dismiss(Kind.CREATE, gate, lambda: ConnectionError("down"))
        ends = await asyncio.gather(*tasks[:2], return_exceptions=True)
        assert Counter(map(str, ends)) == {"down": 2}
        gate.lanes = 1
        pace.look_again()
        assert await tasks[2] == "a lane"

    run(dismissed())

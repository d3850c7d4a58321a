"""A door that is answered at once, and what it says or does before the broker looks whether it leaves."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import pytest
from broker_visit import QUESTION

from secsign_gate import wire
from secsign_gate.broker import door as door_module
from secsign_gate.broker.door import Door
from secsign_gate.core.verdict import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

LONGEST_WAIT = 30.0  # seconds; a guard against hanging, never an expectation
YES = wire.Answer(allowed=True, why="granted", login_shell=b"/bin/sh")


def answered_at_once(test: Callable[[Door, socket.socket], Coroutine[Any, Any, None]]) -> None:
    """Run `test` with a door that has its yes before anything else could turn, and the door's own end."""

    async def whole() -> None:
        ours, theirs = socket.socketpair()
        with ours:
            door = Door(theirs)
            ours.sendall(QUESTION.encode())
            async with asyncio.timeout(LONGEST_WAIT):
                await door.claim()
                await door.answer(YES)
                await test(door, ours)
                await door.close()
            assert ours.recv(65536) == YES.encode()

    asyncio.run(whole())


@pytest.mark.parametrize("why", [Reason.CLIENT_LEFT, Reason.NO_SHELL])
def test_what_it_says_at_once_is_heard(why: Reason) -> None:
    async def test(door: Door, ours: socket.socket) -> None:
        ours.sendall(wire.Left(why=why).encode())
        ours.shutdown(socket.SHUT_WR)
        assert await door.objection_within(LONGEST_WAIT) == why

    answered_at_once(test)


def test_one_that_has_become_a_shell_has_nothing_to_object() -> None:
    async def test(door: Door, ours: socket.socket) -> None:
        ours.shutdown(socket.SHUT_WR)
        assert await door.objection_within(LONGEST_WAIT) is None

    answered_at_once(test)


@pytest.mark.parametrize("begun", [False, True], ids=["before it is listened to", "meanwhile"])
def test_a_broker_that_stops_does_not_wait_and_its_yes_stays(monkeypatch: pytest.MonkeyPatch, begun: bool) -> None:
    monkeypatch.setattr(door_module, "SETTLE_SECONDS", 2 * LONGEST_WAIT)

    async def test(door: Door, _: socket.socket) -> None:
        if begun:
            await asyncio.sleep(0)
        door.give_up(Reason.BROKER_STOPPING)
        assert await door.objection_within(LONGEST_WAIT) is None

    answered_at_once(test)

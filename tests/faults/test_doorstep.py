"""Who is let in: each account up to its number, in the order of coming, also when descriptors run out."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from typing import TYPE_CHECKING

import pytest

from secsign_gate import wire
from secsign_gate.broker import doorstep as doorstep_module
from secsign_gate.broker.doorstep import Doorstep
from secsign_gate.core.verdict import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from secsign_gate.broker.peer import Peer

LONGEST_WAIT = 30.0  # seconds; a guard against hanging, never an expectation


class House:
    """A doorstep at `path`, and who is `inside`: each stays until its event is set."""

    def __init__(self, path: Path, most: int, listener: socket.socket | None = None) -> None:
        self.path = str(path)
        self.most = most
        self.inside: list[tuple[socket.socket, asyncio.Event]] = []
        self._came = asyncio.Condition()
        listener = listener or socket.socket(socket.AF_UNIX)
        listener.bind(self.path)
        self.doorstep = Doorstep(listener, lambda _: self.most, self._enter)

    def knock(self) -> socket.socket:
        stream = socket.socket(socket.AF_UNIX)
        stream.settimeout(LONGEST_WAIT)
        stream.connect(self.path)
        return stream

    async def holds(self, number: int) -> None:
        async with self._came:
            await self._came.wait_for(lambda: len(self.inside) == number)

    def _enter(self, stream: socket.socket, peer: Peer) -> asyncio.Task[None]:
        assert peer.uid == os.getuid()
        return asyncio.create_task(self._stay(stream, peer))

    async def _stay(self, stream: socket.socket, peer: Peer) -> None:
        leave = asyncio.Event()
        async with self._came:
            self.inside.append((stream, leave))
            self._came.notify_all()
        await leave.wait()
        peer.close()
        stream.close()


async def heard(stream: socket.socket) -> bytes:
    return await asyncio.to_thread(stream.recv, 65536)


def in_a_loop(test: Callable[[], Coroutine[object, object, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(LONGEST_WAIT):
            await test()

    asyncio.run(bounded())


def test_one_too_many_is_told_so_and_a_place_that_is_free_is_given_again(tmp_path: Path) -> None:
    async def test() -> None:
        house = House(tmp_path / "door", 2)
        doors = [house.knock() for _ in range(2)]
        await house.holds(2)
        with house.knock() as refused:
            frame = await heard(refused)
            answer = wire.decode(frame[wire.HEADER :])
            assert isinstance(answer, wire.Answer)
            assert (answer.allowed, answer.why) == (False, Reason.TOO_MANY_CONNECTIONS)
            assert await heard(refused) == b""
        house.inside[0][1].set()
        assert await heard(doors[0]) == b""
        house.inside.pop(0)
        doors.append(house.knock())
        await house.holds(2)
        house.most = 3  # new orders
        doors.append(house.knock())
        await house.holds(3)
        house.doorstep.close()
        assert len(house.inside) == 3  # who is in stays in
        for _, leave in house.inside:
            leave.set()
        for door in doors:
            door.close()

    in_a_loop(test)


class NoDescriptors(socket.socket):
    """A listener whose first `accept` finds no descriptor free."""

    def __init__(self) -> None:
        super().__init__(socket.AF_UNIX)
        self.tried = asyncio.Event()

    def accept(self) -> tuple[socket.socket, object]:
        if not self.tried.is_set():
            self.tried.set()
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return super().accept()


def test_without_descriptors_nobody_is_turned_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doorstep_module, "_BREATH_SECONDS", 0.01)

    async def test() -> None:
        listener = NoDescriptors()
        house = House(tmp_path / "door", 2, listener)
        with house.knock():
            await house.holds(1)
            assert listener.tried.is_set()
            house.inside[0][1].set()
        house.doorstep.close()

    in_a_loop(test)


def test_closed_while_it_takes_breath(tmp_path: Path) -> None:
    async def test() -> None:
        listener = NoDescriptors()
        house = House(tmp_path / "door", 2, listener)
        with house.knock() as door:
            await listener.tried.wait()
            house.doorstep.close()
            with pytest.raises(ConnectionResetError):
                await heard(door)

    in_a_loop(test)

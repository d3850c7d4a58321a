"""Processes that tests start, hold by descriptor and see end."""

from __future__ import annotations

import asyncio
import ctypes
import os
import select
import signal
import socket
import struct
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from secsign_gate.broker import monitor
from secsign_gate.broker.peer import Peer
from secsign_gate.broker.processes import process

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from secsign_gate.core.ancestry import Process

NOBODY = 65534
LONGEST_WAIT = 60.0  # seconds; a guard against hanging, never an expectation
SYS_CLONE3 = 435  # on every architecture (include/uapi/asm-generic/unistd.h)


@contextmanager
def a_monitor() -> Iterator[tuple[socket.socket, int]]:
    """The broker's end of a real monitor, and its pid; the monitor has ended afterwards."""
    stream, pid = monitor._start(NOBODY, NOBODY)
    stream.settimeout(LONGEST_WAIT)
    with stream:
        yield stream, pid
    assert has_ended(pid)


def has_ended(pid: int) -> bool:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], LONGEST_WAIT)[0])
    finally:
        os.close(descriptor)


def in_a_loop(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(LONGEST_WAIT):
            await work()

    asyncio.run(bounded())


@contextmanager
def a_peer(*command: str) -> Iterator[tuple[Peer, subprocess.Popen[bytes]]]:
    """A process, held as a peer of uid 0."""
    with subprocess.Popen(command or ("sleep", "600")) as running:
        peer = Peer(running.pid, 0, os.pidfd_open(running.pid))
        try:
            yield peer, running
        finally:
            peer.close()
            running.kill()


@contextmanager
def a_reused_pid() -> Iterator[tuple[Peer, Process]]:
    """A peer that has ended, what it was, and another process that has its pid now."""
    with a_peer() as (peer, running):
        before = process(peer.pid)
        running.kill()
        running.wait()
        _start_with_pid(peer.pid)
        while process(peer.pid).start_time == before.start_time:  # that clock ticks a hundred times a second
            _end(peer.pid)
            _start_with_pid(peer.pid)
        try:
            yield peer, before
        finally:
            _end(peer.pid)


def _start_with_pid(pid: int) -> None:
    """Start `sleep` as a child with this very pid, as clone3(2) lets root do."""
    wanted = ctypes.c_int(pid)
    arguments = struct.pack("11Q", 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, ctypes.addressof(wanted), 1, 0)
    libc = ctypes.CDLL(None, use_errno=True)
    made = libc.syscall(SYS_CLONE3, ctypes.c_char_p(arguments), len(arguments))
    if made == 0:
        os.execv("/bin/sleep", ["sleep", "600"])  # noqa: S606 - no shell is wanted
    if made < 0:
        pytest.skip(f"clone3 gives no chosen pid here: {os.strerror(ctypes.get_errno())}")


def _end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)

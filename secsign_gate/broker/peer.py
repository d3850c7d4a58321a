"""Who is at the other end of a unix stream, and when an sshd ends: processes held by descriptor, not by number.

A pidfd (pidfd_open(2)) stays with one process. As long as that is there, nobody else has its number.
"""

import asyncio
import errno
import os
import select
import socket
import struct
from collections.abc import Callable
from typing import NamedTuple

from secsign_gate.broker.processes import process
from secsign_gate.core.ancestry import SshdProcess, UnprovenError

_SO_PEERPIDFD = 77  # include/uapi/asm-generic/socket.h, since Linux 6.5; Python has no name for it
_ENDED = frozenset({errno.ESRCH, errno.EINVAL, errno.ENODATA})  # kernels differ in what they say of a process gone by
_UCRED = struct.Struct("iII")  # pid, uid, gid: SO_PEERCRED, unix(7)


class Peer(NamedTuple):
    """The process that opened a unix stream, and its effective uid at that moment (unix(7), SO_PEERCRED).

    `pidfd` is a descriptor of it, None if it had already ended. Close it by `close`.
    """

    pid: int
    uid: int
    pidfd: int | None

    def is_there(self) -> bool:
        """Tell whether the process has not ended."""
        return self.pidfd is not None and not _has_ended(self.pidfd)

    def close(self) -> None:
        """Let go of the process. Once."""
        if self.pidfd is not None:
            os.close(self.pidfd)


def peer_of(stream: socket.socket) -> Peer:
    """Return who opened the unix stream. Call it as soon as it is accepted. Raises OSError."""
    pid, uid, _ = _UCRED.unpack(stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return Peer(pid, uid, _pidfd(stream, pid))


def _pidfd(stream: socket.socket, pid: int) -> int | None:
    try:
        return stream.getsockopt(socket.SOL_SOCKET, _SO_PEERPIDFD)
    except OSError as error:
        if error.errno in _ENDED:
            return None
        if error.errno != errno.ENOPROTOOPT:
            raise
    # Before 6.5 the number is all there is. It may have passed on since the stream was opened, a moment ago.
    try:
        return os.pidfd_open(pid)
    except OSError as error:
        if error.errno in _ENDED:
            return None
        raise


def watch_end(sshd: SshdProcess, ended: Callable[[], None]) -> Callable[[], None]:
    """Call `ended` once, from the running event loop, when `sshd` ends. Return a function that stops the watch.

    Calls `ended` before it returns if `sshd` has ended, if another process has its pid, or if it cannot be watched.
    Where /proc hides it (hidepid), whoever has its pid is taken for it. If that is another one, `ended` is called late;
    what is remembered meanwhile stands under the start time, and so is of use to nobody.
    """
    loop = asyncio.get_running_loop()
    try:
        pidfd = os.pidfd_open(sshd.pid)
    except OSError:
        ended()
        return _nothing

    def stop() -> None:
        nonlocal pidfd
        if pidfd >= 0:
            loop.remove_reader(pidfd)
            os.close(pidfd)
            pidfd = -1

    def over() -> None:
        stop()
        ended()

    # In this order: the descriptor stays with one process, and this is the one that was proven.
    found = _start_time(sshd.pid)
    if found == sshd.start_time or (found is None and not _has_ended(pidfd)):
        loop.add_reader(pidfd, over)
    else:
        over()
    return stop


def _has_ended(pidfd: int) -> bool:
    poll = select.poll()  # a descriptor may be beyond what select(2) takes
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


def _start_time(pid: int) -> int | None:
    try:
        return process(pid).start_time
    except UnprovenError:
        return None


def _nothing() -> None:
    pass

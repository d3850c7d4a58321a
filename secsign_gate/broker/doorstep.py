"""Who connects is let in, each account up to its number of doors; the others are told so at once, and at little cost.

Anybody on the host may connect, as often as he can. What one connection too many costs is three system calls, so that
who knocks without end takes little of the time of those who knock once.
"""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from resource import RLIMIT_NOFILE, getrlimit

from secsign_gate.broker.listening import BACKLOG
from secsign_gate.broker.peer import Peer, peer_of
from secsign_gate.broker.subordinate_uids import SubordinateUids
from secsign_gate.core.verdict import Reason
from secsign_gate.wire import Answer

_AT_ONCE = 32  # then it is the turn of those who are in
_BREATH_SECONDS = 0.5  # when there is no descriptor or memory left, until some may be back
_TOO_MANY = Answer(allowed=False, why=Reason.TOO_MANY_CONNECTIONS).encode()

Enter = Callable[[socket.socket, Peer], "asyncio.Task[None]"]


class Doorstep:
    """Takes connections off `listener` while it is open. Made and used in one event loop.

    `most` says how many doors of a uid, or of those that it lends, may be in at a time. A quarter of the process's
    descriptors may be doors at most, for each takes more than one, and so do records, connections and the ID server.
    `enter` begins to serve one, and is done with it when its task ends; the stream and the peer are its own to close.
    """

    def __init__(self, listener: socket.socket, most: Callable[[int], int], enter: Enter) -> None:
        self._listener = listener
        self._most = most
        self._enter = enter
        self._subordinate = SubordinateUids.of_this_host()
        self._inside: Counter[str | int] = Counter()
        self._most_in_all = getrlimit(RLIMIT_NOFILE)[0] // 4
        self._loop = asyncio.get_running_loop()
        self._breath: asyncio.TimerHandle | None = None
        listener.setblocking(False)
        listener.listen(BACKLOG)
        self._open()

    def close(self) -> None:
        """Take no more connections. Those who are in stay in."""
        if self._breath is not None:
            self._breath.cancel()
        self._loop.remove_reader(self._listener)
        self._listener.close()

    def _open(self) -> None:
        self._breath = None
        self._loop.add_reader(self._listener, self._knocked)

    def _knocked(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                stream, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # nobody is turned away: they stay in the line
                self._loop.remove_reader(self._listener)
                self._breath = self._loop.call_later(_BREATH_SECONDS, self._open)
                return
            self._let_in(stream)

    def _let_in(self, stream: socket.socket) -> None:
        stream.setblocking(False)
        try:
            peer = peer_of(stream)
        except OSError:
            stream.close()
            return
        whose = self._subordinate.owner(peer.uid)
        if self._inside[whose] >= self._most(peer.uid) or self._inside.total() >= self._most_in_all:
            with suppress(OSError):
                stream.send(_TOO_MANY)
            stream.close()
            peer.close()
            return
        self._inside[whose] += 1
        self._enter(stream, peer).add_done_callback(lambda _: self._has_left(whose))

    def _has_left(self, whose: str | int) -> None:
        self._inside[whose] -= 1
        if not self._inside[whose]:
            del self._inside[whose]

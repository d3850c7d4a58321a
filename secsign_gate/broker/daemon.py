"""The broker as a daemon: sockets, signals, one task for each door, and how many doors may wait.

What is decided for a door is decided in decide.py, as for an embedded broker. Here is only who is served, under which
orders, and until when.
"""

import asyncio
import signal
import socket
import sys
import time
from contextlib import suppress
from resource import RLIMIT_NOFILE, getrlimit

from secsign_gate.broker.audit import Audit
from secsign_gate.broker.connections import Connections
from secsign_gate.broker.control import Control
from secsign_gate.broker.door import Door
from secsign_gate.broker.doorstep import Doorstep
from secsign_gate.broker.embedded import connected
from secsign_gate.broker.listening import Listeners
from secsign_gate.broker.monitor import Monitor
from secsign_gate.broker.peer import Peer, watch_end
from secsign_gate.broker.recorder import Recorder
from secsign_gate.broker.serve import serve
from secsign_gate.broker.service_manager import Notifier
from secsign_gate.broker.state import StateInMemory
from secsign_gate.broker.world import Kept, Proving, World
from secsign_gate.config import Settings, load_settings
from secsign_gate.core.ancestry import ROOT
from secsign_gate.core.circuit import ServerState
from secsign_gate.core.verdict import Reason
from secsign_gate.directory.users_file import Users, load_users
from secsign_gate.errors import ConfigError
from secsign_gate.wire import Answer

STOP_SECONDS = 8.0  # for all that is under way at the ID server: less than a service manager's patience
_MONITOR_ENDED = (
    "the monitor has ended: no SSH connection can be proven, so each channel is asked for by itself; restart the broker"
)
KEEP_WARM_SECONDS = 20.0
_ROOTS_PART = 8  # of the descriptors; half of what all doors may have, so that nobody shuts the others out by sudo
IN_USE_SECONDS = 900.0  # after a push; a host on which nobody logs in does not bother the ID server


class Daemon:
    """One broker for all logins of this host. Make it inside the event loop; `run` returns when it has stopped."""

    def __init__(self, path: str, monitor: socket.socket, notifier: Notifier) -> None:
        """`path` is the configuration, `monitor` our end of the privileged half's socket. Raises ConfigError."""
        self._path = path
        self._notifier = notifier
        self._monitor = Monitor(monitor, lambda: say(_MONITOR_ENDED))
        self.state = StateInMemory()
        connections = Connections(watch_end, self.state.forget_connection)
        self.kept = Kept(self.state, Proving(self._monitor, connections))
        self.world = self._world_under(*_orders(path))
        self.loaded_at = self.started_at = time.time()
        self.fault = ""
        self._doors: set[Door] = set()
        self._visits: set[asyncio.Task[None]] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()

    async def run(self, listeners: Listeners) -> None:
        """Serve doors, root, and Prometheus until told to stop; then nobody who waits is let in."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self.reload)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stopping.set)
        doorstep = Doorstep(listeners.doors, self._most_doors, self._enter)
        others = [await asyncio.start_unix_server(Control(self).visited, sock=listeners.control)]
        if listeners.metrics is not None:
            from secsign_gate.broker.metrics import serve_metrics  # noqa: PLC0415 - a library that most do without

            others.append(await serve_metrics(self, listeners.metrics))
        regular = [asyncio.create_task(work()) for work in (self._keep_warm, self._reassure)]
        self._notifier.notify(READY=1, STATUS="serving")
        say(f"serving doors at {listeners.doors.getsockname()} under the orders in {self._path}")
        await self._stopping.wait()
        self._notifier.notify(STOPPING=1)
        doorstep.close()
        for server in others:
            server.close()
        for task in regular:
            task.cancel()
        await self._send_home()
        self._monitor.close()

    def reload(self) -> None:
        """Take new orders. If they are not usable, the old ones stay in force, and that is said."""
        self._notifier.notify(RELOADING=1, MONOTONIC_USEC=time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000)
        try:
            settings, users = _orders(self._path)
        except ConfigError as error:
            self.fault = str(error)
            say(f"the new orders are not usable, the old ones stay in force: {error}")
        else:
            old, self.world = self.world, self._world_under(settings, users)
            self.fault, self.loaded_at = "", time.time()
            closing = asyncio.create_task(old.aclose())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
            say("new orders are in force")
        self._notifier.notify(READY=1, STATUS=self.fault or "serving")

    def _world_under(self, settings: Settings, users: Users) -> World:
        return World(settings, users, Recorder(Audit(settings.audit)), lambda: connected(settings), self.kept)

    def _most_doors(self, uid: int) -> int:
        """Return how many doors a uid may have waiting. Root's are PAM's, which asks for everybody."""
        most = self.world.settings.broker.connections_per_account
        return max(most, getrlimit(RLIMIT_NOFILE)[0] // _ROOTS_PART) if uid == ROOT else most

    def _enter(self, stream: socket.socket, peer: Peer) -> asyncio.Task[None]:
        """Begin to serve one door, under the orders of this moment: they stay in force for it until it is gone."""
        visit = self.world.follow(self._serve(stream, peer, self.world))
        self._visits.add(visit)
        visit.add_done_callback(self._visits.discard)
        return visit

    async def _serve(self, stream: socket.socket, peer: Peer, world: World) -> None:
        """Serve one door."""
        door = Door(stream)
        self._doors.add(door)
        try:
            if self._stopping.is_set():
                await door.answer(Answer(allowed=False, why=Reason.BROKER_STOPPING))
            else:
                await serve(door, peer, world)
        finally:
            self._doors.discard(door)
            peer.close()
            await door.close()

    async def _send_home(self) -> None:
        """Refuse everybody who waits, withdraw what is on their phones. Takes STOP_SECONDS at most."""
        self.kept.stopping = True
        for door in self._doors:
            door.give_up(Reason.BROKER_STOPPING)
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                if self._visits:
                    await asyncio.wait(self._visits)
                self._closing.add(asyncio.create_task(self.world.aclose()))
                await asyncio.wait(self._closing)

    async def _keep_warm(self) -> None:
        """Keep a connection to the ID server while people log in, so that they do not wait for one to be made.

        A server that is down is tried as well: the first login after it is back should not have to find that out.
        """
        await self.world.id_server.warm()
        while True:
            await asyncio.sleep(KEEP_WARM_SECONDS)
            last = self.kept.last_push_at
            in_use = last is not None and self.world.clock() - last < IN_USE_SECONDS
            if in_use or any(server.state is ServerState.DOWN for server in self.world.id_server.health()):
                await self.world.id_server.warm()

    async def _reassure(self) -> None:
        """Tell the service manager that the event loop turns, as often as it asks for."""
        while self._notifier.watchdog_seconds is not None:
            self._notifier.notify(WATCHDOG=1)
            await asyncio.sleep(self._notifier.watchdog_seconds)


def say(sentence: str) -> None:
    """Tell the administrator: standard error, which a service manager keeps."""
    sys.stderr.write(f"secsign-gate broker: {sentence}\n")
    sys.stderr.flush()


def _orders(path: str) -> tuple[Settings, Users]:
    """Read the configuration and the users file. Raises ConfigError."""
    settings = load_settings(path)
    return settings, load_users(settings.users_file)

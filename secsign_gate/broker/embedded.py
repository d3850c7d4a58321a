"""The broker for one login, started by the door: `python3 -I -m secsign_gate.broker.embedded CONFIG`.

Standard input is the door's stream. This process has the user's uid like the door, so what it may read the user may
read; it lives in a session of its own, so that it can withdraw the push when the client has gone.
"""

import asyncio
import functools
import os
import resource
import signal
import socket
import sys
from contextlib import suppress
from time import time

from secsign_gate.broker.account_lookup import UnknownAccountError, account_of
from secsign_gate.broker.audit import Audit
from secsign_gate.broker.case import Case
from secsign_gate.broker.door import Door
from secsign_gate.broker.peer import Peer
from secsign_gate.broker.recognise import UnrecognisedError, checked_account, connection_of
from secsign_gate.broker.recorder import Recorder
from secsign_gate.broker.serve import serve
from secsign_gate.broker.state import StateInMemory
from secsign_gate.broker.world import Kept, World
from secsign_gate.config import Settings, load_settings
from secsign_gate.config.settings import AuditSettings
from secsign_gate.core.verdict import Reason, refuse
from secsign_gate.directory.users_file import load_users
from secsign_gate.errors import AuditError, ConfigError, WireError
from secsign_gate.id_server.interface import IdServer


def main() -> None:
    """Serve the door on standard input, then end."""
    # The door waits for its child before it becomes the user's shell, which must not find one: let go of it now.
    if os.fork():
        os._exit(0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # this process will hold secrets; none may end in a core dump
    stream = socket.socket(fileno=0)
    asyncio.run(_main(stream, sys.argv[1]))


async def _main(stream: socket.socket, path: str) -> None:
    door = Door(stream)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):  # at the end of a session, or of the system
        asyncio.get_running_loop().add_signal_handler(number, functools.partial(door.give_up, Reason.INTERRUPTED))
    try:
        settings = load_settings(path)
        users, recorder = load_users(settings.users_file), Recorder(Audit(settings.audit))
        world = World(settings, users, recorder, lambda: connected(settings), Kept(StateInMemory()))
    except ConfigError as error:
        with suppress(WireError):  # nobody asked
            await _refuse_for_want_of_orders(door, error)
    else:
        try:
            await serve(door, _peer(), world)
        finally:
            await world.aclose()
    await door.close()
    os._exit(0)  # asyncio would wait for its threads, and one of them may be waiting for a name service in vain


def _peer() -> Peer:
    """Return the door: the process that started this one, as whom this one runs, too."""
    return Peer(pid=0, uid=os.getuid(), pidfd=None)


def connected(settings: Settings) -> IdServer:
    """Connect only when a push is due: the client's libraries cost more time than all else of an exempt login."""
    from secsign_gate.id_server.dialects import id_server  # noqa: PLC0415

    return id_server(settings.id_server)


async def _refuse_for_want_of_orders(door: Door, error: ConfigError) -> None:
    """Refuse, as a guard does that cannot read its orders, and record it where an administrator looks by default."""
    claim = await door.claim()
    case = Case(claim, _peer(), World.new_reference(), World.clock())
    with suppress(UnrecognisedError, UnknownAccountError):  # for the record only
        connection_of(case)
        checked_account(case, account_of(case.peer.uid))
    verdict = refuse(Reason.CONFIGURATION_ERROR, str(error))
    with suppress(AuditError):
        Audit(AuditSettings(syslog=True, file=None)).record(case.record(verdict, time(), 0.0))
    await door.answer(case.refusal(verdict, case.started, speak=True))


if __name__ == "__main__":
    main()

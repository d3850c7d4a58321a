"""Whether the client of a PAM door is still there, and still has time.

The door cannot tell: sshd waits for it, and does not read from the client meanwhile. The kernel can: a client that has
gone has closed its end of the TCP connection. Looked at once a second while somebody waits; where it cannot be known,
the door's own end, sshd's, and the door's time are what is left.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from secsign_gate.broker.case import Case
from secsign_gate.broker.door import Door
from secsign_gate.broker.world import World
from secsign_gate.core.proof import Proof
from secsign_gate.core.verdict import Reason

LOOK_SECONDS = 1.0


@asynccontextmanager
async def client_watched(case: Case, door: Door, world: World) -> AsyncIterator[None]:
    """Treat a PAM door as one that has left once its client has, or its time is over. Other doors look themselves."""
    watching = asyncio.create_task(_watch(case, door, world))
    over = asyncio.get_running_loop().call_later(case.deadline - world.clock(), door.give_up, Reason.NO_ANSWER)
    try:
        yield
    finally:
        over.cancel()
        watching.cancel()
        await asyncio.wait({watching})


async def look_at_client(case: Case, door: Door, world: World) -> None:
    """Treat a PAM door as one that has left if its client has by now."""
    proving, login = world.kept.proving, case.login
    if case.pam is None or proving is None or login is None or login.sshd is None:
        return
    if not await proving.monitor.is_connected(case.peer, Proof(login.sshd, login.connection)):
        door.give_up(Reason.CLIENT_LEFT)


async def _watch(case: Case, door: Door, world: World) -> None:
    while case.login is None or case.login.sshd is not None:
        await asyncio.sleep(LOOK_SECONDS)
        await look_at_client(case, door, world)

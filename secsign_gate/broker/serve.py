"""Serve one door from its question to its end. The same for the embedded broker and for a daemon."""

import asyncio
from contextlib import suppress

from secsign_gate.broker.audit_record import Event
from secsign_gate.broker.case import Case
from secsign_gate.broker.client_watch import client_watched
from secsign_gate.broker.decide import decide
from secsign_gate.broker.door import Door, DoorLeftError
from secsign_gate.broker.peer import Peer
from secsign_gate.broker.world import World
from secsign_gate.core.proof import Proof
from secsign_gate.core.verdict import Allow, Reason, refuse
from secsign_gate.errors import AuditError, WireError
from secsign_gate.wire import Answer

# After an allow the door looks once more whether its client is there, greets, runs ~/.ssh/rc and is gone by exec.
HAND_OVER_SECONDS = 60.0


async def serve(door: Door, peer: Peer, world: World) -> None:
    """Hear, decide, answer. `peer` is the kernel's word for who is at the other end of the stream."""
    proof = world.begin_proof(peer)  # the kernel is asked while the door is still about to say what it wants
    try:
        await _served(door, peer, proof, world)
    finally:
        if proof is not None:
            proof.cancel()  # of a door that has gone meanwhile, so that it takes nobody's turn


async def _served(door: Door, peer: Peer, proof: "asyncio.Future[Proof] | None", world: World) -> None:
    try:
        claim = await door.claim()
    except DoorLeftError:
        await door.answer(Answer(allowed=False, why=door.why_it_left()))  # nor did it ask for anything
        return
    except WireError as error:
        # Nobody asked for anything that could be judged or recorded. If it is a door, it is of another version.
        await door.answer(Answer(allowed=False, why=Reason.BROKER_UNAVAILABLE, detail=str(error)))
        return
    case = Case(claim, peer, world.new_reference(), world.clock(), proof)
    world.kept.present.add(case)
    try:
        if case.pam is None:  # other doors look for themselves
            verdict = await decide(case, door, world)
        else:
            async with client_watched(case, door, world):
                verdict = await decide(case, door, world)
    finally:
        world.kept.present.discard(case)
    await door.answer(case.answer(verdict, world.clock(), world.settings.sshd, speak=world.settings.messages.after))
    if isinstance(verdict, Allow):
        await _hand_over_watched(case, door, world)


async def _hand_over_watched(case: Case, door: Door, world: World) -> None:
    """Add to the record if what was allowed was not taken up: the client had left, or there was no shell."""
    why = await door.objection_within(HAND_OVER_SECONDS)
    if why is not None:
        with suppress(AuditError):  # nothing took effect that would have to be on record
            await world.record(case, refuse(why), Event.CLIENT_LEFT_BEFORE_HAND_OVER)

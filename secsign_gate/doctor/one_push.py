"""One real push, from its creation to its end, told as it goes. Nobody is let in by it; it is taken off the phone."""

import asyncio
import os
import random
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from secsign_gate.config import Settings
from secsign_gate.core.approval import Approval, is_used_up, next_look, observe, opened, refusal_for
from secsign_gate.core.auth_session import AuthSession, AuthSessionState, PushRequest, StateReport
from secsign_gate.core.display_text import display_text
from secsign_gate.core.login import Account
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.core.verdict import Allow, Verdict
from secsign_gate.errors import IdServerError, IdServerUnreachable
from secsign_gate.id_server.dialects import id_server
from secsign_gate.id_server.interface import IdServer

_TIDY_UP_SECONDS = 10.0

# (what happened, seconds since the push was begun)
Told = Callable[[str, float], None]


class PushEnd(NamedTuple):
    """How a push ended: accepted or not, why in a word of core/verdict.py, a sentence, and the seconds it took."""

    accepted: bool
    why: str
    sentence: str
    seconds: float


def request_for_test(account: Account, secsign_id: SecSignId) -> PushRequest:
    """Return a push that says that it is a test. It wants no picture, for it must be accepted from anywhere."""
    host = display_text(os.uname().nodename) or "this host"
    name = display_text(f"test by secsign-gate doctor: {account.name}@{host}")
    return PushRequest(secsign_id, name, host, access_pass=False, transaction=None)


async def push_once(settings: Settings, request: PushRequest, tell: Told) -> PushEnd:
    """Push, follow the push to its end and take it off the phone, whatever happens. Interrupted, it is withdrawn."""
    server = id_server(settings.id_server)
    try:
        return await _pushed(server, settings.push.wait_seconds, request, tell)
    finally:
        await server.aclose()


async def _pushed(server: IdServer, wait_seconds: int, request: PushRequest, tell: Told) -> PushEnd:
    clock = asyncio.get_running_loop().time
    began = clock()
    opening = asyncio.create_task(server.open(request))
    try:
        # Not stopped once it may be on its way: only its answer tells what to withdraw.
        auth_session = await asyncio.shield(opening)
    except asyncio.CancelledError:
        with suppress(IdServerError):
            await _taken_off(server, opened(await opening, request.secsign_id, clock(), wait_seconds))
        raise
    except IdServerError as error:
        verdict = refusal_for(error)
        tell(verdict.detail, clock() - began)
        return PushEnd(accepted=False, why=verdict.reason, sentence=verdict.detail, seconds=clock() - began)
    tell(f"{auth_session.server_url} has created it", clock() - began)
    approval = opened(auth_session, request.secsign_id, clock(), wait_seconds)
    try:
        while approval.verdict is None:
            before = approval.state
            await asyncio.sleep(next_look(approval, clock(), random.random()))  # noqa: S311 - spreads looks, no secret
            approval = observe(approval, await _look(server, auth_session, approval.deadline), clock())
            if approval.looks == 1 and approval.verdict is None:
                tell(f"it is on its way to the phone of {request.secsign_id}", clock() - began)
            if approval.state is not before and approval.state is AuthSessionState.FETCHED:
                tell("the app has opened it", clock() - began)
        end = _end(approval.verdict, clock() - began)
        tell(end.sentence, end.seconds)
    finally:
        gone = await _taken_off(server, approval)
    tell(gone, clock() - began)
    return end


async def _look(server: IdServer, auth_session: AuthSession, deadline: float) -> StateReport | IdServerError:
    try:
        async with asyncio.timeout(deadline - asyncio.get_running_loop().time()):
            return await server.state_of(auth_session)
    except IdServerError as error:
        return error
    except TimeoutError:
        return IdServerUnreachable("the ID server let the time run out", request_may_have_arrived=True)


async def _taken_off(server: IdServer, approval: Approval) -> str:
    """Dispose of the auth session, or withdraw it; say what came of that."""
    try:
        async with asyncio.timeout(_TIDY_UP_SECONDS):
            if is_used_up(approval):
                await server.release(approval.auth_session)
                return "it is disposed of"
            await server.cancel(approval.auth_session)
    except IdServerError as error:
        return f"it could not be taken off the phone ({error})"
    except TimeoutError:
        return "it could not be taken off the phone in time; it ends there by itself"
    return "it is withdrawn from the phone"


def _end(verdict: Verdict, seconds: float) -> PushEnd:
    if isinstance(verdict, Allow):
        return PushEnd(accepted=True, why=verdict.ground, sentence="accepted on the phone", seconds=seconds)
    sentence = verdict.detail or verdict.reason.replace("_", " ")
    return PushEnd(accepted=False, why=verdict.reason, sentence=sentence, seconds=seconds)

"""ONE LOGIN, TOP TO BOTTOM: start reading here.

The rules are in core/ (policy.py judges, approval.py follows one push), the words with the ID server in id_server/.
This file puts them in order. What it cannot do is let somebody in: `allow` is not called here.
"""

import asyncio

from secsign_gate.broker.case import Case, stage_of
from secsign_gate.broker.door import Door, DoorLeftError
from secsign_gate.broker.recognise import UnrecognisedError, recognise
from secsign_gate.broker.world import World
from secsign_gate.core.approval import Approval, next_look, observe, opened, refusal_for
from secsign_gate.core.auth_session import AuthSession, StateReport
from secsign_gate.core.login import Login
from secsign_gate.core.policy import NeedsApproval, judge
from secsign_gate.core.push_text import push_request
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.core.verdict import Reason, Verdict, refuse
from secsign_gate.errors import AuditError, ConfigError, IdServerError, IdServerUnreachable, WireError

# Nobody is pushed who is known to have left (law 9); what the door has said by now is heard within this time.
LAST_CALL_SECONDS = 0.005


async def decide(case: Case, door: Door, world: World) -> Verdict:
    """Decide one login: who is it, may they pass, does their phone agree. Put the verdict on record and return it."""
    verdict: Verdict
    try:
        case.login = await recognise(case, door, world)
        verdict = await _judged(case, case.login, door, world)
    except UnrecognisedError as error:
        verdict = refuse(error.reason, str(error))
    except ConfigError as error:
        verdict = refuse(Reason.CONFIGURATION_ERROR, str(error))
    except WireError as error:
        verdict = refuse(Reason.CLAIM_UNUSABLE, str(error))
    except DoorLeftError:
        verdict = refuse(door.why_it_left())
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a refusal, and it is on record
        verdict = refuse(Reason.INTERNAL_ERROR, f"{type(error).__name__}: {error}")
    try:
        world.record(case, verdict)
    except AuditError as error:
        verdict = refuse(Reason.AUDIT_UNAVAILABLE, str(error))
    return verdict


async def _judged(case: Case, login: Login, door: Door, world: World) -> Verdict:
    """Pass, refuse, or ask the phone."""
    secsign_id = world.users.secsign_id(login.account.name, login.fingerprints)
    judgement = judge(login, world.settings.policy, secsign_id)
    if isinstance(judgement, NeedsApproval):
        return await _approved(case, login, judgement.secsign_id, door, world)
    return judgement


async def _approved(case: Case, login: Login, secsign_id: SecSignId, door: Door, world: World) -> Verdict:
    """Push, and follow the push to its end. However this ends, the auth session is withdrawn or disposed of."""
    settings = world.settings
    request = push_request(
        login, secsign_id, world.host, settings.push, transactions=settings.id_server.dialect == "rest"
    )
    case.request = request
    before = settings.messages.before
    await door.tell(case.progress("asking", settings.push.wait_seconds, world.host, speak=before))
    id_server = world.id_server  # loads the client's libraries, time enough for a person to change their mind
    await door.unless_it_leaves(asyncio.sleep(LAST_CALL_SECONDS))
    opening = asyncio.create_task(id_server.open(request))
    approval: Approval | None = None
    try:
        case.auth_session = await door.unless_it_leaves(_shielded(opening))
        approval = opened(case.auth_session, secsign_id, world.clock(), settings.push.wait_seconds)
        told = None
        while approval.verdict is None:
            if told is not approval.state:
                told = approval.state
                seconds_left = approval.deadline - world.clock()
                await door.tell(case.progress(stage_of(approval), seconds_left, world.host, speak=before))
            await door.unless_it_leaves(asyncio.sleep(next_look(approval, world.clock(), world.jitter())))
            reply = await door.unless_it_leaves(_look(case.auth_session, approval.deadline, world))
            approval = observe(approval, reply, world.clock())
    except IdServerError as error:
        return refusal_for(error)
    else:
        return approval.verdict
    finally:
        world.tidy_up(opening, approval)


async def _look(auth_session: AuthSession, deadline: float, world: World) -> StateReport | IdServerError:
    """Ask once what became of the push. A look that fails, or is not back before `deadline`, is an observation too."""
    try:
        async with asyncio.timeout(deadline - world.clock()):
            return await world.id_server.state_of(auth_session)
    except IdServerError as error:
        return error
    except TimeoutError:
        return IdServerUnreachable("the ID server let the time run out", request_may_have_arrived=True)


async def _shielded(opening: "asyncio.Task[AuthSession]") -> AuthSession:
    """Wait for the create without stopping it: once it may be on its way, only its answer tells what to withdraw."""
    return await asyncio.shield(opening)

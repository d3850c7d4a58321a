"""ONE LOGIN, TOP TO BOTTOM: start reading here.

The rules are in core/ (policy.py judges, grant.py says what an approval covers, approval.py follows one push), the push
itself is in push.py, the words with the ID server are in id_server/. This file puts them in order. What it cannot do is
let somebody in: `allow` is not called here.
"""

from secsign_gate.broker.case import Case
from secsign_gate.broker.client_watch import look_at_client
from secsign_gate.broker.door import Door, DoorLeftError
from secsign_gate.broker.push import push_for
from secsign_gate.broker.recognise import UnrecognisedError, recognise
from secsign_gate.broker.recognise_pam import let_refusal_stand, recognise_pam
from secsign_gate.broker.world import World
from secsign_gate.core.grant import coverage, granted
from secsign_gate.core.login import Login
from secsign_gate.core.policy import NeedsApproval, judge
from secsign_gate.core.push_text import push_request
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.core.verdict import Allow, Ground, Reason, Verdict, refuse
from secsign_gate.errors import AuditError, ConfigError, WireError


async def decide(case: Case, door: Door, world: World) -> Verdict:
    """Decide one login: who is it, may they pass, does their phone agree. Put the verdict on record and return it."""
    try:
        verdict = await _outcome(case, door, world)
        try:
            await world.record(case, verdict)
        except AuditError as error:
            verdict = refuse(Reason.AUDIT_UNAVAILABLE, str(error))
        _grant_further_channels(case, verdict, world)
        let_refusal_stand(case, verdict, world)
        return verdict
    finally:
        case.leave_push()


async def _judged(case: Case, door: Door, world: World) -> Verdict:
    """Find out who it is, and pass, refuse, or ask the phone."""
    login = case.login = await (recognise if case.pam is None else recognise_pam)(case, door, world)
    secsign_id = world.secsign_id(login, case.claim.auth_info_time)
    if secsign_id is not None:
        case.covered = coverage(login, secsign_id, world.settings.grants)
    judgement = judge(login, world.settings.policy, secsign_id, world.grant_for(case.covered), case.nobody)
    if isinstance(judgement, NeedsApproval):
        return await _approved(case, login, judgement.secsign_id, door, world)
    return judgement


async def _approved(case: Case, login: Login, secsign_id: SecSignId, door: Door, world: World) -> Verdict:
    """Ask the phone, or wait for the answer that another channel has asked it for; tell the person how it goes."""
    settings = world.settings
    request = push_request(
        login, secsign_id, world.host, settings.push, transactions=settings.id_server.dialect == "rest"
    )
    door.require_presence()
    push = push_for(world, request, login.account.name, case.covered)
    case.wait_for(push)
    try:
        while push.verdict is None:
            changes = push.changes
            if push.stage:
                seconds_left = min(push.deadline, case.deadline) - world.clock()
                await door.tell(case.progress(push, seconds_left, world.host, speak=settings.messages.before))
            await door.unless_it_leaves(push.news_after(changes))
        await look_at_client(case, door, world)  # sshd would not notice until it is told yes (law 2)
        door.require_presence()
    except DoorLeftError:
        case.leave_push()  # a push that nobody waits for is withdrawn at once, not once this is on record
        raise
    return push.verdict


def _grant_further_channels(case: Case, verdict: Verdict, world: World) -> None:
    """Let what the phone has approved, which is on record by now, cover further channels of its SSH connection."""
    approved = isinstance(verdict, Allow) and verdict.ground is Ground.APPROVED
    if approved and case.login is not None and case.covered is not None:
        now = world.clock()
        if world.state.grant_for(case.covered, now) is None:
            world.add_grant(granted(case.covered, case.login, case.reference, now, world.settings.grants))


async def _outcome(case: Case, door: Door, world: World) -> Verdict:
    """Return how the login ends. Whatever goes wrong on the way is a refusal, and says what."""
    try:
        return await _judged(case, door, world)
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
    return verdict

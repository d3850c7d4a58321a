"""One approval, from the push to its end: an immutable value whose only transition is `observe`.

    PENDING ──▶ FETCHED ──▶ ended      an end is final; only AUTHENTICATED, for this auth session,
       └───────────────────▶           from a look that came back before the deadline, ends in a yes

Times are seconds of one monotonic clock, given by the caller.
"""

from typing import NamedTuple

from secsign_gate.core.auth_session import AuthSession, AuthSessionState, StateReport
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.core.verdict import Allow, Ground, Reason, Refuse, Verdict, allow, refuse
from secsign_gate.errors import IdServerError, IdServerNonsense, IdServerRefused, IdServerUnreachable

# People answer a push within half a minute or not for long; nobody is asked about more often than twice a second
# (protocol reference 7, row 14).
OFTEN, SOMETIMES = 0.5, 1.0
OFTEN_FOR = 30.0
SLOWEST_AFTER_FAULTS = 5.0
_SERVER_TROUBLE = 500
_TOO_MANY_REQUESTS = 429
_FROZEN_STATUS, _FROZEN_CODE = 409, "20006"
_NO_SUCH_ID_CODE = "20000"

_FINAL: dict[int, Reason] = {
    AuthSessionState.NOSTATE: Reason.INVALID,
    AuthSessionState.EXPIRED: Reason.EXPIRED,
    AuthSessionState.DENIED: Reason.DENIED_ON_PHONE,
    AuthSessionState.SUSPENDED: Reason.SUSPENDED,
    AuthSessionState.CANCELED: Reason.CANCELED_AT_ID_SERVER,
    AuthSessionState.INVALID: Reason.INVALID,
}


class Approval(NamedTuple):
    """A push that was created at `opened_at` and counts until `deadline`.

    `state` is PENDING or FETCHED, what the phone was last seen doing. `looks` counts the looks so far, `faults` those
    that failed since the last good one. `verdict` is None as long as the approval is open.
    """

    auth_session: AuthSession
    opened_at: float
    deadline: float
    state: AuthSessionState = AuthSessionState.PENDING
    looks: int = 0
    faults: int = 0
    verdict: Verdict | None = None


def opened(auth_session: AuthSession, wanted: SecSignId, opened_at: float, wait_seconds: float) -> Approval:
    """Begin with what the ID server created. A push for somebody else than `wanted` ends at once (priority codes)."""
    approval = Approval(auth_session, opened_at, opened_at + wait_seconds)
    if auth_session.secsign_id != wanted:
        return _end(approval, refuse(Reason.ID_SERVER_NONSENSE, "the ID server answered for another SecSign ID"))
    return approval


def observe(approval: Approval, reply: StateReport | IdServerError, now: float) -> Approval:
    """Return the approval after one look: the reply to it, or the fault it met, at the time it came back."""
    if approval.verdict is not None:
        return approval
    approval = approval._replace(looks=approval.looks + 1)
    if now >= approval.deadline:
        return _end(approval, refuse(Reason.NO_ANSWER))
    if isinstance(reply, IdServerError):
        return _after_fault(approval, reply)
    return _after_report(approval, reply)


def _after_report(approval: Approval, report: StateReport) -> Approval:
    ours = approval.auth_session
    if report.auth_session_id not in (None, ours.id) or report.secsign_id not in (None, ours.secsign_id):
        return _end(approval, refuse(Reason.ID_SERVER_NONSENSE, "the ID server answered for another auth session"))
    if report.state == AuthSessionState.AUTHENTICATED:
        return _end(approval, allow(Ground.APPROVED))
    if report.state in (AuthSessionState.PENDING, AuthSessionState.FETCHED):
        return approval._replace(state=AuthSessionState(report.state), faults=0)
    return _end(approval, refuse(_FINAL.get(report.state, Reason.INVALID)))


def _after_fault(approval: Approval, fault: IdServerError) -> Approval:
    """Let a passing trouble pass until the deadline; a clear no and an absurd answer are final."""
    passing = isinstance(fault, IdServerUnreachable) or (
        isinstance(fault, IdServerRefused)
        and not fault.error
        and (fault.http_status >= _SERVER_TROUBLE or fault.http_status == _TOO_MANY_REQUESTS)
    )
    if passing:
        return approval._replace(faults=approval.faults + 1)
    return _end(approval, refusal_for(fault))


def refusal_for(fault: IdServerError) -> Refuse:
    """Say in the words of a verdict what it means that the ID server did not do as it was asked."""
    sentence = str(fault)
    match fault:
        case IdServerUnreachable():
            return refuse(Reason.ID_SERVER_UNREACHABLE, sentence)
        case IdServerRefused() if fault.http_status == _FROZEN_STATUS or fault.errorcode == _FROZEN_CODE:
            return refuse(Reason.FROZEN, sentence)
        case IdServerRefused() if fault.errorcode == _NO_SUCH_ID_CODE:
            return refuse(Reason.NO_SUCH_SECSIGN_ID, sentence)
        case IdServerRefused():
            return refuse(Reason.ID_SERVER_REFUSED, sentence)
        case IdServerNonsense():
            return refuse(Reason.ID_SERVER_NONSENSE, sentence)
        case _:
            return refuse(Reason.INTERNAL_ERROR, sentence)


def next_look(approval: Approval, now: float, jitter: float) -> float:
    """Return after how many seconds to look again: 0 for the first look, never past the deadline.

    `jitter` is a number from 0 to 1 that spreads the looks of many waiters by up to a fifth.
    """
    if approval.looks == 0:
        return 0.0
    interval = OFTEN if now - approval.opened_at < OFTEN_FOR else SOMETIMES
    if approval.faults:
        interval = min(SLOWEST_AFTER_FAULTS, OFTEN * 2.0 ** min(approval.faults, 10))
    interval += interval / 5 * min(max(jitter, 0.0), 1.0)
    return max(0.0, min(interval, approval.deadline - now))


def _end(approval: Approval, verdict: Verdict) -> Approval:
    return approval._replace(verdict=verdict)


def is_used_up(approval: Approval) -> bool:
    """Tell whether the phone has decided, so that the auth session is to be released; any other is to be cancelled."""
    return isinstance(approval.verdict, Allow) or approval.verdict == refuse(Reason.DENIED_ON_PHONE)

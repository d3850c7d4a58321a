"""How a login ends: allow, always with a ground, or refuse, always with a reason."""

from enum import StrEnum
from typing import NamedTuple


class Ground(StrEnum):
    """Why a login was let in."""

    APPROVED = "approved"
    GRANTED = "granted"
    EXEMPT_ACCOUNT = "exempt_account"
    EXEMPT_GROUP = "exempt_group"
    EXEMPT_NETWORK = "exempt_network"
    EXEMPT_COMMAND = "exempt_command"


class Reason(StrEnum):
    """Why a login was not let in. Its sentence for the person is in terminal/words.py."""

    # the phone's answer
    DENIED_ON_PHONE = "denied_on_phone"
    NO_ANSWER = "no_answer"
    EXPIRED = "expired"
    SUSPENDED = "suspended"
    FROZEN = "frozen"
    CANCELED_AT_ID_SERVER = "canceled_at_id_server"
    INVALID = "invalid"
    # the policy's answer
    NO_SECSIGN_ID = "no_secsign_id"
    NO_SUCH_SECSIGN_ID = "no_such_secsign_id"
    UNKNOWN_ACCOUNT = "unknown_account"
    AUTH_INFO_UNUSABLE = "auth_info_unusable"
    PAUSED_AFTER_DENIAL = "paused_after_denial"
    TOO_MANY_PUSHES = "too_many_pushes"
    QUEUE_TOO_SLOW = "queue_too_slow"
    KEY_NOT_FOUND = "key_not_found"
    KEY_OPTIONS_UNREADABLE = "key_options_unreadable"
    CLAIM_UNUSABLE = "claim_unusable"
    KEY_NOT_TOLD = "key_not_told"
    REFUSED_BEFORE = "refused_before"
    # the client's doing
    CLIENT_LEFT = "client_left"
    INTERRUPTED = "interrupted"
    # could not ask
    ID_SERVER_UNREACHABLE = "id_server_unreachable"
    ID_SERVER_REFUSED = "id_server_refused"
    ID_SERVER_NONSENSE = "id_server_nonsense"
    BROKER_UNAVAILABLE = "broker_unavailable"
    BROKER_STOPPING = "broker_stopping"
    TOO_MANY_CONNECTIONS = "too_many_connections"
    AUDIT_UNAVAILABLE = "audit_unavailable"
    # our own orders
    CONFIGURATION_ERROR = "configuration_error"
    INTERNAL_ERROR = "internal_error"
    NO_SHELL = "no_shell"


class Allow(NamedTuple):
    """The verdict that lets a login in. Built by `allow` only, and `allow` is called in exactly two places."""

    ground: Ground
    rule: str


class Refuse(NamedTuple):
    """The verdict that does not. `detail` is a sentence for the person and the log, possibly empty."""

    reason: Reason
    detail: str = ""


Verdict = Allow | Refuse


def allow(ground: Ground, rule: str = "") -> Allow:
    """Let the login in. `rule` names the line of the policy for an exemption. A test counts the calls of this."""
    return Allow(ground, rule)


def refuse(reason: Reason, detail: str = "") -> Refuse:
    """Keep the login out."""
    return Refuse(reason, detail)


REFUSED = 77
COULD_NOT_ASK = 75
CONFIGURATION_ERROR = 78

_COULD_NOT_ASK = frozenset(
    {
        Reason.ID_SERVER_UNREACHABLE,
        Reason.ID_SERVER_REFUSED,
        Reason.ID_SERVER_NONSENSE,
        Reason.BROKER_UNAVAILABLE,
        Reason.BROKER_STOPPING,
        Reason.TOO_MANY_CONNECTIONS,
        Reason.AUDIT_UNAVAILABLE,
        Reason.INTERNAL_ERROR,
    }
)


def exit_status(reason: Reason) -> int:
    """Return the door's exit status for a refusal: 77 refused, 75 could not ask, 78 configuration error."""
    if reason is Reason.CONFIGURATION_ERROR:
        return CONFIGURATION_ERROR
    return COULD_NOT_ASK if reason in _COULD_NOT_ASK else REFUSED

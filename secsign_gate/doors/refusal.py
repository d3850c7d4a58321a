"""The end of a login that is not let in: why, in one sentence, and with which exit status. Loaded only then."""

import posix

from secsign_gate.doors.waiting import Waiting
from secsign_gate.errors import BrokerUnavailable, ClaimError, ConfigError, NothingToExec, Problem, WireError
from secsign_gate.wire import Answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from secsign_gate.doors.ask_broker import Conversation


def refuse(answer: Answer, conversation: "Conversation | None", status: int | None = None) -> "NoReturn":
    """Say why in one sentence and end, with the exit status that goes with `answer` unless there is another."""
    waiting = conversation.waiting if conversation else None
    exit_status = (waiting or Waiting(())).refuse(answer)
    posix._exit(exit_status if status is None else status)  # noqa: SLF001 - the documented name; nothing to flush


def refuse_for(fault: Exception, conversation: "Conversation | None") -> "NoReturn":
    """Say so of a fault, and end; tell the broker if it has been asked."""
    status = None
    match fault:
        case NothingToExec():
            why, detail, status = "no_shell", str(fault), fault.exit_status
        case ConfigError():
            why, detail = "configuration_error", str(fault)
        case ClaimError():
            why, detail = "claim_unusable", str(fault)
        case BrokerUnavailable() | WireError():
            why, detail = "broker_unavailable", str(fault)
        case _:
            why, detail = "internal_error", f"{type(fault).__name__}: {fault}"
    answer = conversation.leave(why, detail) if conversation else Answer(allowed=False, why=why, detail=detail)
    refuse(answer, conversation, status)


def wrong_line(option: str, what: str, remedy: str = "see sshd_config.d/00-secsign-gate.conf") -> ConfigError:
    """Return the fault to be raised for a wrong ForceCommand line; `option` may be empty."""
    return ConfigError([Problem("the ForceCommand line", 0, option, what, remedy)])

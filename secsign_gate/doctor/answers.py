"""What an ID server's answer to a question about nobody's auth session says about it: dialect and credentials."""

from typing import TYPE_CHECKING

from secsign_gate.core.display_text import display_text
from secsign_gate.doctor.finding import Finding, Status, what_and_mend
from secsign_gate.errors import IdServerError, IdServerNonsense, IdServerRefused

if TYPE_CHECKING:
    from secsign_gate.config import IdServerSettings

_BAD_REQUEST, _NOT_KNOWN, _FORBIDDEN = 400, 401, 403
_REDIRECTS, _TOO_OFTEN, _TROUBLE = range(300, 400), 429, 500
_MEND = "correct url and dialect in [id_server]"


def judged(  # noqa: PLR0911 - one for each kind of answer
    fault: IdServerError | None, settings: "IdServerSettings", seconds: float
) -> Finding:
    """Judge the answer: `fault` is what reading it raised, None if it named a state; `seconds` it took.

    A server that knows the dialect says that there is no such auth session (protocol reference 2.3, 3.1). What it
    cannot tell apart by that is a SecSign ID that does not exist, or a PIN account that may look but not create.
    """
    server = display_text(settings.url)
    match fault:
        case IdServerNonsense():
            what, mend = what_and_mend(str(fault))
            return Finding(Status.BROKEN, "", "", what, mend=mend)
        case IdServerRefused(http_status=status) if settings.dialect == "rest" and status in (_NOT_KNOWN, _FORBIDDEN):
            name = settings.pin_account.name if settings.pin_account is not None else ""
            what = f"the ID server does not accept the PIN account {name} (HTTP status {status})"
            mend = "correct the file that pin_account_file in [id_server] names, or make the account on the ID server"
            return Finding(Status.BROKEN, "", "", what, mend=mend)
        case IdServerRefused(http_status=status) if status in _REDIRECTS:
            what = f"the ID server {server} redirects to elsewhere (HTTP status {status}), which a login never follows"
            return Finding(Status.BROKEN, "", "", what, mend=_MEND)
        case IdServerRefused(http_status=status) if status == _TOO_OFTEN:
            what = f"the ID server {server} says that it is asked too often (HTTP status {status})"
            return Finding(Status.UNKNOWN, "", "", what, mend="try again later, or lower requests_per_second")
        case IdServerRefused(http_status=status) if status > _TROUBLE or (status == _TROUBLE and not fault.error):
            what = f"the ID server {server} is in trouble (HTTP status {status})"
            return Finding(Status.BROKEN, "", "", what, mend="ask who runs it")
        case IdServerRefused(http_status=status) if not fault.error and status == _BAD_REQUEST:
            # A real server may say no more of an auth session that is not there (protocol reference 3.1).
            what = (
                f"the ID server {server} answers HTTP status {status} and no more; only a push tells whether it would"
            )
            return Finding(Status.NOTE, "", "", what, mend="try one", line="secsign-gate doctor --user NAME --push")
        case IdServerRefused(http_status=status) if not fault.error:
            what = (
                f"what answers at {server} does not speak the dialect {settings.dialect} there (HTTP status {status})"
            )
            return Finding(Status.BROKEN, "", "", what, mend=_MEND)
        case IdServerRefused() | None:
            accepted = ""
            if settings.pin_account is not None:
                accepted = f" and knows the PIN account {settings.pin_account.name}"
            what = (
                f"the ID server {server} speaks {settings.dialect}{accepted}; a question takes {seconds * 1000:.0f} ms"
            )
            return Finding(Status.CLOSED, "", "", what)
        case _:
            return Finding(Status.BROKEN, "", "", str(fault))

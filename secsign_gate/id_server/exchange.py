"""One HTTP exchange with an ID server as values, and the rules by which its words become ours.

Both dialects share these rules: strict about what passes as an answer, indifferent to what nobody uses
(protocol reference 7). No I/O here, and no dialect.
"""

import base64
import re
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, TypeVar

from secsign_gate.core.display_text import display_text
from secsign_gate.core.secsign_id import SecSignId, parse_secsign_id
from secsign_gate.errors import IdServerNonsense, IdServerRefused

OK = 200  # every other status is a no, whatever its body says (protocol reference 3.1)

_INT64 = range(-(2**63), 2**63)
_DECIMAL = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)
_ERROR_NUMBER = re.compile(r"-?[0-9]{1,9}", re.ASCII)
# Tab, CR and LF are blanks of JSON; every other control character, NUL and the byte order mark are never text.
_NEVER_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff]")
_LOOKS_SECRET = re.compile(r"[0-9A-Za-z+/=_-]{24,}")  # a requestid is 64 hex digits; no word of a sentence is so long
_SERVER_TEXT_LIMIT = 160
_ICON_LIMIT = 32 * 1024  # base64 characters; the pictures are about 3 kB (protocol reference 4.4)
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Ask(NamedTuple):
    """A request to be sent. `target` is path and query, to be appended to the server's base URL.

    Headers and body may hold secrets, so `repr` shows neither.
    """

    method: Literal["GET", "POST", "DELETE"]
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def __repr__(self) -> str:
        return f"Ask(method={self.method!r})"


class Reply(NamedTuple):
    """A complete answer. `server` is `host:port`, for sentences. The body may hold a secret: `repr` hides it.

    `date` is what its clock says (RFC 9110 section 6.6.1), as it says it, or empty. Nothing is judged by it.
    """

    server: str
    status: int
    body: bytes
    date: str = ""

    def __repr__(self) -> str:
        return f"Reply(server={self.server!r}, status={self.status}, body=<{len(self.body)} bytes>)"


def nonsense(reply: Reply, what: str) -> IdServerNonsense:
    """Return the fault for an answer that is not of the protocol; `what` says in our own words what is wrong."""
    return IdServerNonsense(
        f"the ID server {reply.server} answered what makes no sense ({what}); check url and dialect in [id_server]"
    )


def text_of(reply: Reply) -> str:
    """Return the body as text, without the line ends after it. Raises IdServerNonsense if it is no clean UTF-8."""
    try:
        text = reply.body.decode()
    except UnicodeDecodeError:
        raise nonsense(reply, "not UTF-8") from None
    if _NEVER_TEXT.search(text):
        raise nonsense(reply, "control characters")
    return text.rstrip("\r\n")


Fields = TypeVar("Fields", bound=Mapping[str, object])


def accepted(reply: Reply, read: Callable[[Reply], Fields], secrets: tuple[str, ...]) -> Fields:
    """Return the fields of a good answer, as the dialect reads them.

    Raises IdServerRefused for a status other than 200 and for an answer with a field `error`, whatever else it holds;
    whatever `read` raises for a 200 that it cannot read. No text that holds one of `secrets` gets into a sentence.
    """
    try:
        fields = read(reply)
    except IdServerNonsense:
        if reply.status == OK:
            raise
        raise _refusal(reply, {}, secrets) from None
    if reply.status != OK or "error" in fields:
        raise _refusal(reply, fields, secrets)
    return fields


def auth_session_id(reply: Reply, value: object) -> str:
    """Return an authsessionid: a signed 64-bit decimal, kept as text. Raises IdServerNonsense."""
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value) or int(value) not in _INT64:
        raise nonsense(reply, "authsessionid missing or no 64-bit number")
    return str(value)


def secsign_id(reply: Reply, value: object) -> SecSignId:
    """Return a secsignid in lower case. Raises IdServerNonsense, also for one that would have to be trimmed."""
    try:
        if type(value) is str and value == value.strip():  # the number of a dialect may be a str of its own kind
            return parse_secsign_id(value)
    except ValueError:
        pass
    raise nonsense(reply, "secsignid missing or malformed")


def access_pass(value: object) -> bytes | None:
    """Return the PNG that `value` encodes in base64, or None: a bad picture never fails a login by itself."""
    if not isinstance(value, str) or len(value) > _ICON_LIMIT:
        return None
    try:
        picture = base64.b64decode(value, validate=True)
    except ValueError:
        return None
    canonical = base64.b64encode(picture).decode("ascii") == value
    return picture if canonical and picture.startswith(_PNG_SIGNATURE) else None


def _refusal(reply: Reply, fields: Mapping[str, object], secrets: tuple[str, ...]) -> IdServerRefused:
    error, code = _number(fields.get("error")), _number(fields.get("errorcode"))
    numbers = ", ".join(
        f"{name} {number}"
        for name, number in (("HTTP status", str(reply.status)), ("error", error), ("code", code))
        if number
    )
    said = _server_text(fields.get("errormsg"), secrets)
    return IdServerRefused(
        f"the ID server {reply.server} refused ({numbers}{said and f': {said}'}); {_remedy(reply.status, code)}",
        http_status=reply.status,
        error=error,
        errorcode=code,
    )


def _number(value: object) -> str:
    return str(value) if isinstance(value, str) and _ERROR_NUMBER.fullmatch(value) else ""


def _server_text(value: object, secrets: tuple[str, ...]) -> str:
    """Return what a server says for people as bounded printable ASCII, or nothing where it repeats a secret."""
    if not isinstance(value, str):
        return ""
    said = display_text(_LOOKS_SECRET.sub("...", value), len(value) + 3)
    for secret in filter(None, secrets):
        shown = display_text(secret)
        if secret.lower() in value.lower() or (shown and shown.lower() in said.lower()):
            return ""
    return display_text(said, _SERVER_TEXT_LIMIT)


def _remedy(status: int, code: str) -> str:
    match status, code:
        case (_, "20006") | (409, _):
            return "the SecSign ID is frozen: its owner has to tap it in the SecSign app"
        case _, "20000":
            return "there is no such SecSign ID: correct the users file"
        case ((401 | 403), _):
            return "check that the PIN account in [id_server] exists and has the right"
        case 404, _:
            return "check url and dialect in [id_server]"
        case _ if 300 <= status < 400:  # noqa: PLR2004 - the redirections of RFC 9110 section 15.4
            return "redirects are never followed: correct url in [id_server]"
        case _:
            return "log in again, and if that does not help ask who runs the ID server"

"""How to misbehave on request. Every public function here is one fault; its keyword arguments are what one may set.

A fault takes hold at one of five points, and the functions of a point have one signature:
  event     something happens at the server before the request is answered in earnest
  instead   another answer; the request itself has no effect
  answer    the request takes effect, then the answer's fields are spoilt
  reply     the request takes effect, then the answer's bytes are spoilt
  delivery  the request takes effect, then the connection misbehaves
"""

import base64
import gzip as gzip_format
import json
from typing import Literal, NamedTuple

from secsign_gate.simulator.auth_sessions import AuthSessions, State
from secsign_gate.simulator.messages import Answer, Dialect, Literally, Reply, encode


class Delivery(NamedTuple):
    """How bytes go to the client: an orderly HTTP answer, or raw pieces and then an end. Times are in seconds."""

    reply: Reply | None = None
    pieces: tuple[bytes, ...] = ()
    wait: float = 0.0
    pause: float = 0.0
    end: Literal["close", "reset", "hang"] = "close"


# --- event: (auth sessions, SecSign ID, now) --------------------------------------------------------------------------


def frozen(auth_sessions: AuthSessions, secsign_id: str, now: float) -> None:
    """Freeze the SecSign ID, as strangers' logins would, until it is tapped on the phone."""
    auth_sessions.freeze(secsign_id, now)


def suspended(auth_sessions: AuthSessions, secsign_id: str, now: float) -> None:
    """Suspend the ID's open auth session, as another login would."""
    _end(auth_sessions, secsign_id, now, State.SUSPENDED)


def expired(auth_sessions: AuthSessions, secsign_id: str, now: float) -> None:
    """Let the ID's open auth session expire."""
    _end(auth_sessions, secsign_id, now, State.EXPIRED)


def invalid(auth_sessions: AuthSessions, secsign_id: str, now: float) -> None:
    """Make the ID's open auth session invalid."""
    _end(auth_sessions, secsign_id, now, State.INVALID)


def _end(auth_sessions: AuthSessions, secsign_id: str, now: float, state: State) -> None:
    for one in auth_sessions.open_ones(secsign_id, now):
        one.state = state


# --- instead: (dialect) -----------------------------------------------------------------------------------------------


def status(dialect: Dialect, *, status: int = 503, errorcode: int = 0) -> Reply:
    """Send an HTTP error with an error answer in its body."""
    return error(dialect, error=str(status), errorcode=errorcode, status=status)


def error(
    dialect: Dialect,
    *,
    error: str = "500",
    errormsg: str = "Something went wrong.",
    errorcode: int = 0,
    status: int = 200,
) -> Reply:
    """Send an error answer, by default with HTTP status 200; an empty errormsg or errorcode 0 is left out."""
    number = error if dialect == "form" else Literally(error if error.isdecimal() else json.dumps(error))
    fields: list[tuple[str, str | int]] = [("error", number)]
    if errormsg:
        fields.append(("errormsg", errormsg))
    if errorcode:
        fields.append(("errorcode", errorcode))
    return encode(Answer(dialect, status, tuple(fields)))


def redirect(dialect: Dialect, *, location: str = "https://localhost:9/", status: int = 302) -> Reply:
    """Redirect to `location`."""
    return encode(Answer(dialect, status, ()))._replace(headers=(("location", location),), body=b"")


def captive_portal(dialect: Dialect, *, status: int = 200) -> Reply:
    """Send a hotel's web page that wants a room number, and speaks of authsessionstate=3."""
    del dialect
    page = b"<!doctype html><title>Welcome</title><p>Room number? <a href='/?authsessionstate=3&secsignid=x'>Go on</a>"
    return Reply(status, (("content-type", "text/html; charset=utf-8"),), page)


# --- answer: (answer) -------------------------------------------------------------------------------------------------


def wrong_authsessionid(answer: Answer) -> Answer:
    """Name the auth session id of somebody else."""
    return _other(answer, "authsessionid", 5208431176540921877)


def wrong_secsignid(answer: Answer) -> Answer:
    """Name the SecSign ID of somebody else."""
    return _other(answer, "secsignid", "mallory")


def wrong_requestid(answer: Answer) -> Answer:
    """Hand out a request id that the server will not know again (form dialect, create)."""
    return _other(answer, "requestid", "0" * 64)


def missing(answer: Answer, *, field: str = "authsessionstate") -> Answer:
    """Leave out one field."""
    return answer.without_field(field)


def field(answer: Answer, *, name: str, value: str) -> Answer:
    """Give one field another value, in JSON always a string (`literal` sets it without quotes)."""
    return answer.with_field(name, value)


def literal(answer: Answer, *, name: str, value: str) -> Answer:
    """Give one field another value, written as it stands in JSON too: 3.0, true, [3], "3"."""
    return answer.with_field(name, Literally(value))


def state(answer: Answer, *, value: str = "0") -> Answer:
    """Give authsessionstate another value, written as it stands: 0, 9, 3.0, "3 ", true."""
    return answer.with_field("authsessionstate", Literally(value))


def state_and_error(answer: Answer, *, state: str = "3", error: str = "500") -> Answer:
    """Say a state and an error in one answer."""
    spoilt = answer.with_field("authsessionstate", Literally(state)).with_field("error", Literally(error))
    return spoilt.with_field("errormsg", "Something went wrong.")


def duplicate(answer: Answer, *, name: str = "authsessionstate", value: str = "3") -> Answer:
    """Say one field twice, the second time with this value."""
    return answer._replace(fields=(*answer.fields, (name, Literally(value))))


def forged_echo(answer: Answer, *, text: str = "web1&authsessionid=1&authsessionstate=3") -> Answer:
    """Echo a service name with an & in it, which makes fields of its own in the form dialect."""
    return answer.with_field("servicename", text)


def _other(answer: Answer, name: str, value: str | int) -> Answer:
    return answer.with_field(name, value) if name in dict(answer.fields) else answer


# --- reply: (reply) ---------------------------------------------------------------------------------------------------


def empty(reply: Reply) -> Reply:
    """Send no body."""
    return reply._replace(body=b"")


def byte_order_mark(reply: Reply) -> Reply:
    """Put a UTF-8 byte order mark before the body."""
    return reply._replace(body=b"\xef\xbb\xbf" + reply.body)


def nul(reply: Reply) -> Reply:
    """Put a NUL and more after the body."""
    return reply._replace(body=reply.body + b"\x00trailing")


def control_character(reply: Reply) -> Reply:
    """Put an escape sequence after the body, of the kind that moves a terminal's cursor."""
    return reply._replace(body=reply.body + b"\x1b[2J")


def invalid_utf8(reply: Reply) -> Reply:
    """Put bytes that are not UTF-8 after the body."""
    return reply._replace(body=reply.body + b"\xff\xfe\xc0\x80")


def deep_json(reply: Reply, *, depth: int = 100_000) -> Reply:
    """Nest brackets in brackets."""
    return reply._replace(body=b'{"authsessionstate":' + b"[" * depth + b"]" * depth + b"}")


def huge(reply: Reply, *, size: int = 10_000_000) -> Reply:
    """Send a body of `size` bytes, the good answer at its start."""
    return reply._replace(body=reply.body.ljust(size))


def huge_header(reply: Reply, *, size: int = 1_000_000) -> Reply:
    """Send a header of `size` bytes."""
    return reply._replace(headers=(*reply.headers, ("x-huge", "x" * size)))


def gzip(reply: Reply) -> Reply:
    """Compress the body, though nobody asked for it."""
    headers = (*reply.headers, ("content-encoding", "gzip"))
    return reply._replace(headers=headers, body=gzip_format.compress(reply.body))


# --- delivery: (reply) ------------------------------------------------------------------------------------------------


def hang(reply: Reply) -> Delivery:
    """Keep silent until the client leaves."""
    del reply
    return Delivery(end="hang")


def close(reply: Reply) -> Delivery:
    """Close the connection without an answer."""
    del reply
    return Delivery(end="close")


def reset(reply: Reply) -> Delivery:
    """Reset the connection without an answer."""
    del reply
    return Delivery(end="reset")


def late(reply: Reply, *, milliseconds: int = 2000) -> Delivery:
    """Send the good answer, but late."""
    return Delivery(reply, wait=milliseconds / 1000)


def drip(reply: Reply, *, milliseconds: int = 100) -> Delivery:
    """Send the good answer one byte at a time."""
    return Delivery(pieces=tuple(bytes([byte]) for byte in reply.on_the_wire()), pause=milliseconds / 1000)


def cut(reply: Reply, *, missing: int = 100) -> Delivery:
    """Promise `missing` bytes more than come before the connection is closed."""
    return Delivery(pieces=(reply.on_the_wire(f"content-length: {len(reply.body) + missing}"),))


def wrong_length(reply: Reply, *, content_length: int = 10) -> Delivery:
    """Promise fewer bytes than what comes."""
    return Delivery(pieces=(reply.on_the_wire(f"content-length: {content_length}"),))


def bad_chunk(reply: Reply) -> Delivery:
    """Send a chunked body whose second chunk has no size."""
    head = reply._replace(body=b"").on_the_wire("transfer-encoding: chunked")
    return Delivery(pieces=(head + b"%x\r\n%s\r\nZZ\r\n" % (len(reply.body), reply.body),))


def garbage(reply: Reply, *, base64_bytes: str = "AP8BU1NILTIuMC1PcGVuU1NIXzkuMg0K") -> Delivery:
    """Send bytes that are not HTTP, or the bytes given in base64; then close the connection."""
    del reply
    return Delivery(pieces=(base64.b64decode(base64_bytes, validate=True),))


def raw(reply: Reply, *, status: int = 200, headers: dict[str, str] | None = None, body_base64: str = "") -> Delivery:
    """Send any HTTP answer at all: status, headers and body in base64."""
    del reply
    wanted = Reply(status, tuple((headers or {}).items()), base64.b64decode(body_base64, validate=True))
    return Delivery(pieces=(wanted.on_the_wire(),))


EVENTS = (frozen, suspended, expired, invalid)
INSTEAD = (status, error, redirect, captive_portal)
ANSWERS = (
    wrong_authsessionid,
    wrong_secsignid,
    wrong_requestid,
    missing,
    field,
    literal,
    state,
    state_and_error,
    duplicate,
    forged_echo,
)
REPLIES = (empty, byte_order_mark, nul, control_character, invalid_utf8, deep_json, huge, huge_header, gzip)
DELIVERIES = (hang, close, reset, late, drip, cut, wrong_length, bad_chunk, garbage, raw)

"""The values that pass between the HTTP server, the dialects and the faults: one request, one answer, its bytes."""

import http
import json
from collections.abc import Mapping
from typing import Literal, NamedTuple

from secsign_gate.simulator.auth_sessions import PushRequest
from secsign_gate.simulator.refusals import Refusal

Dialect = Literal["form", "rest"]
Kind = Literal["create", "state", "cancel", "release", "exist", "malformed"]


class HttpRequest(NamedTuple):
    """One HTTP request, whole. Header names are in lower case; `path` is as it was sent, without the query."""

    method: str
    path: str
    query: bytes
    headers: Mapping[str, str]
    body: bytes


class Create(NamedTuple):
    """Ask a SecSign ID's phone."""

    push: PushRequest


class FollowUp(NamedTuple):
    """Look at, cancel or release an auth session. Only the form dialect has to know the ID and the request id."""

    authsessionid: int
    secsign_id: str | None = None
    requestid: str | None = None


class Exist(NamedTuple):
    """Ask whether there is such a SecSign ID (REST only)."""

    secsign_id: str


class Asked(NamedTuple):
    """A request, read by its dialect: what it wants, or why it is refused."""

    dialect: Dialect
    kind: Kind
    parameters: Mapping[str, str]
    operation: Create | FollowUp | Exist | Refusal


class Literally(str):
    """A value that goes into an answer as it stands, in JSON too: `3.0`, `"3"`, `[3]`."""

    __slots__ = ()


class Answer(NamedTuple):
    """What the ID server says, not yet in bytes. A name may come twice: a fault may want that."""

    dialect: Dialect
    status: int
    fields: tuple[tuple[str, str | int], ...]

    def with_field(self, name: str, value: str | int) -> "Answer":
        """Return the answer with this field set, in its place if it was there already."""
        kept = tuple((known, value if known == name else old) for known, old in self.fields)
        return self._replace(fields=kept if name in dict(self.fields) else (*kept, (name, value)))

    def without_field(self, name: str) -> "Answer":
        """Return the answer without this field."""
        return self._replace(fields=tuple(pair for pair in self.fields if pair[0] != name))


class Reply(NamedTuple):
    """An HTTP answer in bytes."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def on_the_wire(self, *framing: str) -> bytes:
        """Write the HTTP/1.1 message, the last one of its connection.

        `framing` is the header that tells the body's end, if it is to lie; the true Content-Length by default.
        """
        phrase = http.HTTPStatus(self.status).phrase if self.status in set(http.HTTPStatus) else "Unknown"
        lines = [f"HTTP/1.1 {self.status} {phrase}", "connection: close"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        lines += framing or [f"content-length: {len(self.body)}"]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body


def encode(answer: Answer) -> Reply:
    """Write an answer as its dialect does: form values raw, not percent-encoded; REST as one JSON object."""
    if answer.dialect == "form":
        body = "&".join(f"{name}={value}" for name, value in answer.fields)
        return Reply(answer.status, (("content-type", "text/plain; charset=utf-8"),), body.encode())
    members = (f"{json.dumps(name)}:{_json(value)}" for name, value in answer.fields)
    return Reply(answer.status, (("content-type", "application/json"),), f"{{{','.join(members)}}}".encode())


def _json(value: str | int) -> str:
    return value if isinstance(value, Literally) else json.dumps(value)


def refuse(dialect: Dialect, refusal: Refusal) -> Answer:
    """Say no. Form answers carry it in the body with status 200, REST in both, unless HTTP itself was used wrongly."""
    error = refusal.http_status or (refusal.form_error if dialect == "form" else refusal.rest_status)
    status = refusal.http_status or (200 if dialect == "form" else refusal.rest_status)
    fields: list[tuple[str, str | int]] = [("error", error), ("errormsg", str(refusal))]
    if refusal.error_code is not None:
        fields.append(("errorcode", refusal.error_code))
    return Answer(dialect, status, tuple(fields))

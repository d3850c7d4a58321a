"""The URL-encoded form dialect, translation only (protocol reference 2). It needs no credentials."""

import re
from typing import NamedTuple
from urllib.parse import quote, unquote

from secsign_gate.core.auth_session import AuthSession, PushRequest, StateReport
from secsign_gate.id_server.exchange import (
    Ask,
    Reply,
    accepted,
    access_pass,
    auth_session_id,
    nonsense,
    secsign_id,
    text_of,
)

_HEADERS = (("Content-Type", "application/x-www-form-urlencoded"),)
_STATE = re.compile(r"[0-9]", re.ASCII)
_REQUEST_ID = re.compile(r"[!-~]{1,256}", re.ASCII)  # kept exactly as received; seen: 64 hex digits
# Raw in practice, percent-encoded by the book; only in these does either reading harm nobody (protocol reference 2.2).
_MAY_BE_ENCODED = frozenset({"errormsg", "authsessionicondata"})


class FormDialect(NamedTuple):
    """Says and understands the form dialect. `api_method` names the kind of client, a word without blanks.

    There are no transactions in this dialect: the service name carries what the phone shows.
    """

    api_method: str

    def create(self, request: PushRequest) -> Ask:
        """Return the request that creates an auth session."""
        return self._ask(
            "ReqRequestAuthSession",
            request.secsign_id,
            servicename=request.service_name,
            serviceaddress=request.service_address,
            showaccesspass="true" if request.access_pass else "false",
        )

    def look(self, auth_session: AuthSession) -> Ask:
        """Return the request that asks for the state."""
        return self._follow_up("ReqGetAuthSessionState", auth_session)

    def cancel(self, auth_session: AuthSession) -> Ask:
        """Return the request that withdraws an auth session."""
        return self._follow_up("ReqCancelAuthSession", auth_session)

    def release(self, auth_session: AuthSession) -> Ask:
        """Return the request that disposes of an auth session."""
        return self._follow_up("ReqReleaseAuthSession", auth_session)

    def created(self, reply: Reply, server_url: str) -> AuthSession:
        """Read the answer to `create`. Raises IdServerRefused or IdServerNonsense."""
        fields = accepted(reply, _fields, ())
        request_id = fields.get("requestid", "")
        if not _REQUEST_ID.fullmatch(request_id):
            raise nonsense(reply, "requestid missing or malformed")
        return AuthSession(
            id=auth_session_id(reply, fields.get("authsessionid")),
            secsign_id=secsign_id(reply, fields.get("secsignid")),
            request_id=request_id,
            server_url=server_url,
            access_pass=access_pass(fields.get("authsessionicondata")),
        )

    def state(self, reply: Reply, auth_session: AuthSession) -> StateReport:
        """Read the answer to `look`: it must name the auth session, the SecSign ID and one state."""
        fields = accepted(reply, _fields, _secrets(auth_session))
        return StateReport(
            auth_session_id=auth_session_id(reply, fields.get("authsessionid")),
            secsign_id=secsign_id(reply, fields.get("secsignid")),
            state=_state(reply, fields),
        )

    def done(self, reply: Reply, auth_session: AuthSession) -> None:
        """Read the answer to `cancel` or `release`: some state, and no foreign auth session."""
        fields = accepted(reply, _fields, _secrets(auth_session))
        _state(reply, fields)
        if fields.get("authsessionid", auth_session.id) != auth_session.id:
            raise nonsense(reply, "an answer about another auth session")

    def _follow_up(self, what: str, auth_session: AuthSession) -> Ask:
        return self._ask(
            what,
            auth_session.secsign_id,
            authsessionid=auth_session.id,
            requestid=auth_session.request_id or "",  # None only in the other dialect
        )

    def _ask(self, what: str, user: str, **parameters: str) -> Ask:
        # The server counts the parameters: exactly those of the reference, never one more.
        named = {"request": what, "apimethod": self.api_method, "secsignid": user, **parameters}
        body = "&".join(f"{name}={quote(value, safe='')}" for name, value in named.items())
        return Ask("POST", "/", _HEADERS, body.encode("ascii"))


def _secrets(auth_session: AuthSession) -> tuple[str, ...]:
    return (auth_session.request_id or "",)


def _state(reply: Reply, fields: dict[str, str]) -> int:
    value = fields.get("authsessionstate", "")
    if not _STATE.fullmatch(value):
        raise nonsense(reply, "authsessionstate missing or not one digit")
    return int(value)


def _fields(reply: Reply) -> dict[str, str]:
    """Split at every `&`, then at the first `=`. Values stay raw: no `+` becomes a blank, base64 holds `+` and `=`."""
    text = text_of(reply)
    if re.search(r"[\t\r\n]", text):
        raise nonsense(reply, "control characters")
    fields: dict[str, str] = {}
    strays = False
    for piece in text.split("&"):
        name, equals, value = piece.partition("=")
        strays = strays or not equals
        if not equals:
            continue
        if name in fields:
            raise nonsense(reply, "the same field twice")
        fields[name] = unquote(value, errors="replace") if name in _MAY_BE_ENCODED else value
    if strays and "error" not in fields:  # a raw errormsg may hold an "&"; nothing else may
        raise nonsense(reply, "not a list of fields")
    return fields

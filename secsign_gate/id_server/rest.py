"""The REST v2 dialect, translation only (protocol reference 3). A PIN account identifies the service."""

import base64
import json
import re
from contextlib import suppress
from typing import NamedTuple, NoReturn
from urllib.parse import quote

from secsign_gate.core.auth_session import AuthSession, PushRequest, StateReport
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.errors import IdServerNonsense
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

_AUTH_SESSION = "/rest/v2/AuthSession"
_SECSIGN_ID = "/rest/v2/SecSignId"
_STATE_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
_STATE_DIGIT = re.compile(r"[0-9]", re.ASCII)
_MOST_BRACKETS = 64  # a bound on the depth that needs no parser; a good answer has one


class RestDialect(NamedTuple):
    """Says and understands REST v2, with the name and password of a PIN account on every request.

    The password is a secret: `repr` hides it.
    """

    account: str
    password: str

    def __repr__(self) -> str:
        return f"RestDialect(account={self.account!r}, password=…)"

    def create(self, request: PushRequest) -> Ask:
        """Return the request that creates an auth session: a GET with side effects, never to be repeated."""
        parameters = {
            "secsignid": request.secsign_id,
            "servicename": request.service_name,
            "serviceaddress": request.service_address,
            "showaccesspassicons": "true" if request.access_pass else "false",
        }
        if request.transaction is not None:
            parameters["transactiontitle"] = request.transaction.title
            parameters["transactiondescr"] = request.transaction.description
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())
        return Ask("GET", f"{_AUTH_SESSION}?{query}", self._headers, b"")

    def look(self, auth_session: AuthSession) -> Ask:
        """Return the request that asks for the state."""
        return Ask("GET", f"{_AUTH_SESSION}/{auth_session.id}", self._headers, b"")

    def cancel(self, auth_session: AuthSession) -> Ask:
        """Return the request that withdraws an auth session."""
        return Ask("DELETE", f"{_AUTH_SESSION}/{auth_session.id}", self._headers, b"")

    def release(self, auth_session: AuthSession) -> Ask:
        """Return the request that disposes of an auth session: in REST the same as `cancel`."""
        return self.cancel(auth_session)

    def exist(self, secsign_id: SecSignId) -> Ask:
        """Return the request that asks whether there is such a SecSign ID (protocol reference 3.3)."""
        return Ask("GET", f"{_SECSIGN_ID}/{quote(secsign_id, safe='')}?exist", self._headers, b"")

    def exists(self, reply: Reply) -> bool:
        """Read the answer to `exist`. Raises IdServerRefused, also for a right that is missing, or IdServerNonsense."""
        value = accepted(reply, _fields, self._secrets).get("exist")
        if not isinstance(value, bool):
            raise nonsense(reply, "exist missing or no truth value")
        return value

    def created(self, reply: Reply, server_url: str) -> AuthSession:
        """Read the answer to `create`. Raises IdServerRefused or IdServerNonsense."""
        fields = accepted(reply, _fields, self._secrets)
        return AuthSession(
            id=auth_session_id(reply, fields.get("authsessionid")),
            secsign_id=secsign_id(reply, fields.get("secsignid")),
            request_id=None,
            server_url=server_url,
            access_pass=access_pass(fields.get("authsessionicondata")),
        )

    def state(self, reply: Reply, _auth_session: AuthSession) -> StateReport:
        """Read the answer to `look`: one state; the ids need not be named, but if they are they are well-formed."""
        fields = accepted(reply, _fields, self._secrets)
        return StateReport(
            auth_session_id=auth_session_id(reply, fields["authsessionid"]) if "authsessionid" in fields else None,
            secsign_id=secsign_id(reply, fields["secsignid"]) if "secsignid" in fields else None,
            state=_state(reply, fields),
        )

    def done(self, reply: Reply, _auth_session: AuthSession) -> None:
        """Read the answer to `cancel` or `release`: the status counts, a body may be missing (reference 3.2)."""
        with suppress(IdServerNonsense):
            accepted(reply, _fields, self._secrets)

    @property
    def _headers(self) -> tuple[tuple[str, str], ...]:
        return (("Authorization", f"Basic {self._credentials}"), ("Accept", "application/json"))

    @property
    def _credentials(self) -> str:
        return base64.b64encode(f"{self.account}:{self.password}".encode()).decode("ascii")

    @property
    def _secrets(self) -> tuple[str, ...]:
        return (self.password, self._credentials)


class _Integer(str):
    """A JSON integer as its digits: ids go beyond 2^53, and nobody's digits are worth a long computation."""

    __slots__ = ()


def _state(reply: Reply, fields: dict[str, object]) -> int:
    """Take a JSON integer, or a string of exactly one digit (protocol reference 7, row 2)."""
    value = fields.get("authsessionstate")
    allowed = _STATE_NUMBER if isinstance(value, _Integer) else _STATE_DIGIT
    if not isinstance(value, str) or not allowed.fullmatch(value):
        raise nonsense(reply, "authsessionstate missing or no state number")
    return int(value)


def _fields(reply: Reply) -> dict[str, object]:
    """Return the members of a JSON object. Numbers with a fraction or exponent become None, fit for nothing."""

    def unique(members: list[tuple[str, object]]) -> dict[str, object]:
        fields = dict(members)
        if len(fields) != len(members):
            raise nonsense(reply, "the same field twice")
        return fields

    def refuse(_constant: str) -> NoReturn:
        raise nonsense(reply, "not JSON")  # NaN and Infinity

    text = text_of(reply)
    if text.count("[") + text.count("{") > _MOST_BRACKETS:
        raise nonsense(reply, "too deep")
    try:
        fields = json.loads(
            text, parse_int=_Integer, parse_float=lambda _: None, parse_constant=refuse, object_pairs_hook=unique
        )
    except json.JSONDecodeError:
        raise nonsense(reply, "not JSON") from None
    if not isinstance(fields, dict):
        raise nonsense(reply, "not a JSON object")
    return fields

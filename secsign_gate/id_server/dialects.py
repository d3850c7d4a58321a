"""An ID server over HTTP, in whichever dialect: which one the settings ask for, and which server a create goes to."""

from typing import TYPE_CHECKING, Protocol

from secsign_gate.core.auth_session import AuthSession, PushRequest, StateReport
from secsign_gate.errors import IdServerUnreachable
from secsign_gate.id_server.exchange import Ask, Reply
from secsign_gate.id_server.form import FormDialect
from secsign_gate.id_server.rest import RestDialect
from secsign_gate.id_server.transport import Transport

if TYPE_CHECKING:
    from secsign_gate.config import IdServerSettings
    from secsign_gate.id_server.interface import IdServer


class Dialect(Protocol):
    """Four requests and the three kinds of answers to them. The readers raise IdServerRefused or IdServerNonsense."""

    def create(self, request: PushRequest, /) -> Ask:
        """Return the request that creates an auth session."""

    def look(self, auth_session: AuthSession, /) -> Ask:
        """Return the request that asks for the state."""

    def cancel(self, auth_session: AuthSession, /) -> Ask:
        """Return the request that withdraws an auth session."""

    def release(self, auth_session: AuthSession, /) -> Ask:
        """Return the request that disposes of an auth session."""

    def created(self, reply: Reply, server_url: str, /) -> AuthSession:
        """Read the answer to `create`, which came from `server_url`."""

    def state(self, reply: Reply, auth_session: AuthSession, /) -> StateReport:
        """Read the answer to `look`."""

    def done(self, reply: Reply, auth_session: AuthSession, /) -> None:
        """Read the answer to `cancel` or `release`."""


class HttpIdServer:
    """The IdServer of interface.py: a dialect spoken over a transport, to a main server and perhaps a fallback."""

    def __init__(self, dialect: Dialect, transport: Transport, url: str, fallback_url: str | None) -> None:
        self._dialect = dialect
        self._transport = transport
        self._url = url
        self._fallback_url = fallback_url

    async def open(self, request: PushRequest) -> AuthSession:
        """Create an auth session. The fallback is asked only if it is certain that the main server never was."""
        ask = self._dialect.create(request)
        try:
            return await self._create_at(self._url, ask)
        except IdServerUnreachable as fault:
            if fault.request_may_have_arrived or self._fallback_url is None:
                raise
            main_fault = fault
        try:
            return await self._create_at(self._fallback_url, ask)
        except IdServerUnreachable as fault:
            raise IdServerUnreachable(
                f"{main_fault}; nor could the fallback be used: {fault}",
                request_may_have_arrived=fault.request_may_have_arrived,
            ) from fault

    async def state_of(self, auth_session: AuthSession) -> StateReport:
        """Ask the server that made it. Whether the report is about this auth session is judged in core/approval.py."""
        reply = await self._transport.exchange(auth_session.server_url, self._dialect.look(auth_session))
        return self._dialect.state(reply, auth_session)

    async def cancel(self, auth_session: AuthSession) -> None:
        """Withdraw an auth session."""
        reply = await self._transport.exchange(auth_session.server_url, self._dialect.cancel(auth_session))
        self._dialect.done(reply, auth_session)

    async def release(self, auth_session: AuthSession) -> None:
        """Dispose of an auth session."""
        reply = await self._transport.exchange(auth_session.server_url, self._dialect.release(auth_session))
        self._dialect.done(reply, auth_session)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    async def _create_at(self, server_url: str, ask: Ask) -> AuthSession:
        return self._dialect.created(await self._transport.exchange(server_url, ask), server_url)


def id_server(settings: "IdServerSettings") -> "IdServer":
    """Return the ID server that the settings name. Nothing is loaded from disk and no connection made until used."""
    dialect: Dialect = FormDialect(settings.api_method)
    if settings.dialect == "rest":
        if settings.pin_account is None:
            raise ValueError("the REST dialect needs a PIN account")  # load_settings has seen to it
        dialect = RestDialect(settings.pin_account.name, settings.pin_account.password)
    return HttpIdServer(dialect, Transport(settings), settings.url, settings.fallback_url)

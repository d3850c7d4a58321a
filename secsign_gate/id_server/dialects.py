"""An ID server over HTTP, in whichever dialect: which one the settings ask for, and which server a create goes to."""

import asyncio
import math
from typing import TYPE_CHECKING, Protocol

from secsign_gate.core.auth_session import AuthSession, PushRequest, StateReport
from secsign_gate.core.circuit import Circuit, ServerHealth, ServerState, Sign, may_try, observe, tried
from secsign_gate.core.pacing import Kind
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
    """The IdServer of interface.py: a dialect spoken over a transport, to a main server and perhaps a fallback.

    A server that gives no sign of life is not asked to create anything for a while (core/circuit.py). Auth sessions
    that it has already made are asked about all the same: nobody else knows them.
    """

    def __init__(self, dialect: Dialect, settings: "IdServerSettings") -> None:
        self._dialect = dialect
        self._settings = settings
        self._transport = Transport(settings, self._notice)
        self._circuits = {url: Circuit() for url in (settings.url, settings.fallback_url) if url is not None}

    async def open(self, request: PushRequest) -> AuthSession:
        """Create an auth session. The fallback is asked only if it is certain that the main server never was."""
        ask = self._dialect.create(request)
        try:
            return await self._create_at(self._settings.url, ask)
        except IdServerUnreachable as fault:
            if fault.request_may_have_arrived or self._settings.fallback_url is None:
                raise
            main_fault = fault
        try:
            return await self._create_at(self._settings.fallback_url, ask)
        except IdServerUnreachable as fault:
            raise IdServerUnreachable(
                f"{main_fault}; nor could the fallback be used: {fault}",
                request_may_have_arrived=fault.request_may_have_arrived,
            ) from fault

    async def state_of(self, auth_session: AuthSession) -> StateReport:
        """Ask the server that made it. Whether the report is about this auth session is judged in core/approval.py."""
        ask = self._dialect.look(auth_session)
        return self._dialect.state(
            await self._transport.exchange(auth_session.server_url, Kind.LOOK, ask), auth_session
        )

    async def cancel(self, auth_session: AuthSession) -> None:
        """Withdraw an auth session."""
        await self._dispose(auth_session, Kind.CANCEL, self._dialect.cancel(auth_session))

    async def release(self, auth_session: AuthSession) -> None:
        """Dispose of an auth session."""
        await self._dispose(auth_session, Kind.RELEASE, self._dialect.release(auth_session))

    async def warm(self) -> None:
        """Connect to the main server, and to the fallback where creates would go there. Never raises."""
        for url in self._circuits:
            circuit = self._circuits[url]
            if may_try(circuit, _now()):
                # What a server needs that takes connections and answers nothing is a request: leave it its turn.
                if not circuit.silent:
                    self._circuits[url] = tried(circuit, _now(), self._settings.connect_seconds)
                await self._transport.warm(url)
            if self._circuits[url].state is not ServerState.DOWN:
                break

    def health(self) -> tuple[ServerHealth, ...]:
        """Return what is known of each server, the main one first."""
        return tuple(
            ServerHealth(url, circuit.state, circuit.since, circuit.sentence) for url, circuit in self._circuits.items()
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    async def _create_at(self, server_url: str, ask: Ask) -> AuthSession:
        circuit = self._circuits[server_url]
        if not may_try(circuit, _now()):
            raise self._out_of_reach(server_url)
        self._circuits[server_url] = tried(circuit, _now(), self._settings.total_seconds)
        return self._dialect.created(await self._transport.exchange(server_url, Kind.CREATE, ask), server_url)

    async def _dispose(self, auth_session: AuthSession, kind: Kind, ask: Ask) -> None:
        self._dialect.done(await self._transport.exchange(auth_session.server_url, kind, ask), auth_session)

    def _notice(self, server_url: str, sign: Sign, began: float, sentence: str) -> None:
        """Note a sign that a server has given. When one goes down, those who wait to ask it are told at once."""
        before = self._circuits.get(server_url)
        if before is None:
            return  # of an auth session made when the settings named another server
        after = observe(before, sign, began, _now(), sentence)
        self._circuits[server_url] = after
        if after.state is ServerState.DOWN and after is not before:
            self._transport.dismiss_creates(server_url, lambda: self._out_of_reach(server_url))

    def _out_of_reach(self, server_url: str) -> IdServerUnreachable:
        circuit = self._circuits[server_url]
        down_for, pause = _now() - circuit.since, max(0.0, circuit.try_at - _now())
        return IdServerUnreachable(
            f"{circuit.sentence} (so for {down_for:.0f} s now; it is tried again in {math.ceil(pause)} s)",
            request_may_have_arrived=False,
        )


def _now() -> float:
    return asyncio.get_running_loop().time()


def dialect_of(settings: "IdServerSettings") -> Dialect:
    """Return the dialect that the settings name, with its credentials."""
    if settings.dialect == "form":
        return FormDialect(settings.api_method)
    if settings.pin_account is None:
        raise ValueError("the REST dialect needs a PIN account")  # load_settings has seen to it
    return RestDialect(settings.pin_account.name, settings.pin_account.password)


def id_server(settings: "IdServerSettings") -> "IdServer":
    """Return the ID server that the settings name. Nothing is loaded from disk and no connection made until used."""
    return HttpIdServer(dialect_of(settings), settings)

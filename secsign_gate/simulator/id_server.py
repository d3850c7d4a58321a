"""The ID server's HTTPS port as an ASGI application: one request, top to bottom, with its fault if one waits for it.

`answer` decides and awaits nothing, so requests are served one after the other as far as the auth sessions can tell.
"""

import asyncio
from typing import NamedTuple

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from secsign_gate.simulator import faults, form_dialect, rest_dialect
from secsign_gate.simulator.auth_sessions import AuthSession, AuthSessions
from secsign_gate.simulator.bell import Bell
from secsign_gate.simulator.connections import Connection
from secsign_gate.simulator.fault_queue import FAULTS, Fault, FaultQueue
from secsign_gate.simulator.faults import Delivery
from secsign_gate.simulator.journal import Entry, Journal
from secsign_gate.simulator.messages import (
    Answer,
    Asked,
    Create,
    Dialect,
    Exist,
    FollowUp,
    HttpRequest,
    Kind,
    Reply,
    encode,
    refuse,
)
from secsign_gate.simulator.refusals import BodyTooLarge, NoSuchAuthSession, Refusal, UnknownResource

LARGEST_BODY = 64 * 1024


class World(NamedTuple):
    """All that the two ports share: what the server remembers, what it is to do wrong, what it saw, and the bell."""

    auth_sessions: AuthSessions
    faults: FaultQueue
    journal: Journal
    bell: Bell
    pin_account: str | None


class IdServer:
    """The ASGI application behind the HTTPS port."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        connection: Connection = scope["state"]["connection"]
        try:
            request = await _whole(Request(scope, receive))
        except ClientDisconnect:
            return
        asked, fault, delivery = self.answer(request, self._world.bell.now())
        status = delivery.reply.status if delivery.reply else None
        entry = Entry(self._world.bell.now(), connection.number, asked, request, fault and fault.name, status)
        self._world.journal.add(entry)
        self._world.bell.ring()
        if not await self._world.bell.unless_leaving(_deliver(delivery, connection, receive, send)):
            connection.abort()
            await _client_gone(receive)

    def answer(self, request: HttpRequest, now: float) -> tuple[Asked, Fault | None, Delivery]:
        """Decide what a request gets: what it asked, the fault it met, and what goes back."""
        asked = _read(request, self._world.pin_account)
        fault = self._world.faults.take(asked.kind)
        if fault is None:
            return asked, None, Delivery(encode(self._perform(asked, now)))
        return asked, fault, self._misbehave(asked, fault, now)

    def _misbehave(self, asked: Asked, fault: Fault, now: float) -> Delivery:
        effect, options = FAULTS[fault.name], fault.options
        if effect in faults.INSTEAD:
            return Delivery(effect(asked.dialect, **options))
        if effect in faults.EVENTS:
            effect(self._world.auth_sessions, self._secsign_id(asked, now), now)
        answer = self._perform(asked, now)
        if effect in faults.ANSWERS:
            return Delivery(encode(effect(answer, **options)))
        if effect in faults.REPLIES:
            return Delivery(effect(encode(answer), **options))
        reply = encode(answer)
        delivery: Delivery = effect(reply, **options) if effect in faults.DELIVERIES else Delivery(reply)
        return delivery

    def _secsign_id(self, asked: Asked, now: float) -> str:
        match asked.operation:
            case Create(push):
                return push.secsign_id
            case Exist(secsign_id):
                return secsign_id
            case FollowUp() as follow_up:
                try:
                    return self._find(follow_up, now).push.secsign_id
                except NoSuchAuthSession:
                    return ""
            case _:
                return ""

    def _perform(self, asked: Asked, now: float) -> Answer:
        if isinstance(asked.operation, Exist):
            return rest_dialect.existence(exists=self._world.auth_sessions.knows(asked.operation.secsign_id))
        say = form_dialect.answer if asked.dialect == "form" else rest_dialect.answer
        try:
            return say(asked.kind, self._effect(asked.operation, asked.kind, now))
        except Refusal as refusal:
            return refuse(asked.dialect, refusal)

    def _effect(self, operation: Create | FollowUp | Refusal, kind: Kind, now: float) -> AuthSession:
        match operation:
            case Refusal() as refusal:
                raise refusal
            case Create(push):
                return self._world.auth_sessions.create(push, now)
            case FollowUp() as follow_up:
                auth_session = self._find(follow_up, now)
                if kind == "cancel":
                    self._world.auth_sessions.cancel(auth_session)
                if kind == "release":
                    self._world.auth_sessions.release(auth_session)
                return auth_session

    def _find(self, follow_up: FollowUp, now: float) -> AuthSession:
        """Find the auth session; in the form dialect ID and request id must be its own."""
        found = self._world.auth_sessions.find(follow_up.authsessionid, now)
        if follow_up.secsign_id not in (None, found.push.secsign_id):
            raise NoSuchAuthSession("The authentication session does not exist.")
        if follow_up.requestid not in (None, found.requestid):
            raise NoSuchAuthSession("The request id is wrong.")
        return found


def _read(request: HttpRequest, pin_account: str | None) -> Asked:
    dialect: Dialect = "rest" if request.path.startswith(rest_dialect.PREFIX) else "form"
    if len(request.body) > LARGEST_BODY:
        return Asked(dialect, "malformed", {}, BodyTooLarge("The body is too large."))
    if dialect == "rest":
        return rest_dialect.read(request, pin_account)
    if request.path == "/":
        return form_dialect.read(request)
    return Asked("form", "malformed", {}, UnknownResource("There is no such resource."))


async def _whole(request: Request) -> HttpRequest:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST_BODY:
            break
    path = request.scope["raw_path"].decode("latin-1")
    return HttpRequest(request.method, path, request.scope["query_string"], dict(request.headers), body)


async def _deliver(delivery: Delivery, connection: Connection, receive: Receive, send: Send) -> None:
    """Send an orderly answer through ASGI, and anything else straight to the connection, which then ends."""
    await asyncio.sleep(delivery.wait)
    if delivery.reply is not None:
        await _send(delivery.reply, send)
        return
    for piece in delivery.pieces:
        if not connection.write(piece):
            break
        if delivery.pause:
            await asyncio.sleep(delivery.pause)
    if delivery.end == "close":
        connection.close()
    elif delivery.end == "reset":
        connection.reset()
    await _client_gone(receive)


async def _client_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(reply: Reply, send: Send) -> None:
    length = ("content-length", str(len(reply.body)))
    headers = reply.headers if "content-length" in dict(reply.headers) else (*reply.headers, length)
    encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    await send({"type": "http.response.start", "status": reply.status, "headers": encoded})
    await send({"type": "http.response.body", "body": reply.body})

"""The only road to an ID server: one request over HTTPS, answered in full and in time, or failed. Nothing is repeated.

httpx asks. It takes nothing from the environment here, follows no redirect, keeps no cookie, and gets no answer whose
end cannot be seen. All requests share one connection per server by turns (lanes.py), so many a second (pace.py).

That a create is never sent twice rests on two things. A request is written once to one connection (network.py), and
goes to another one only while no byte of it is written. And the fallback (dialects.py) is asked only after a fault of
which `request_may_have_arrived` is False, which `Journey` knows because it is told before the first byte is written.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple

import httpcore
import httpx

from secsign_gate import __version__
from secsign_gate.core.circuit import Sign
from secsign_gate.core.pacing import Kind
from secsign_gate.errors import IdServerUnreachable
from secsign_gate.id_server.address import Address, address_of, no_https_address, proxy_address
from secsign_gate.id_server.exchange import Ask, Reply
from secsign_gate.id_server.journey import Journey, SpoiledError
from secsign_gate.id_server.lanes import Lane, Lanes
from secsign_gate.id_server.network import Connection, connect
from secsign_gate.id_server.pace import Pace
from secsign_gate.id_server.tls import tls_context

if TYPE_CHECKING:
    from secsign_gate.config import IdServerSettings

# (server_url, sign, when the attempt began, the fault's sentence or nothing); times are the event loop's.
Notice = Callable[[str, Sign, float, str], None]

BODY_LIMIT = 64 * 1024  # an answer is below 1 kB, with an access pass about 3 (protocol reference 7, row 13)
_HEADERS = {"User-Agent": f"secsign-gate/{__version__}", "Accept": "*/*", "Accept-Encoding": "identity"}
_FAULTS = (  # a TimeoutError is an OSError
    SpoiledError,
    httpx.HTTPError,
    httpcore.ProtocolError,
    httpcore.ConnectionNotAvailable,
    ssl.SSLError,
    OSError,
)


class _Turn(NamedTuple):
    """What a request takes along on its way through httpx: the lane that it was given, and how to connect it."""

    lane: Lane
    connect: Callable[[], Awaitable[Connection]]
    journey: Journey


class _ByTurns(httpx.AsyncBaseTransport):
    """Has httpx use the lane that a request was given, as its extension `turn`."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request` over the lane's connection, or over a new one if that has died and got nothing of it."""
        turn: _Turn = request.extensions["turn"]
        if turn.lane.connection is not None:
            try:
                return await turn.lane.connection.handle(request, turn.journey)
            except httpcore.ConnectionNotAvailable:
                turn.lane.drop()
        turn.lane.connection = await turn.connect()
        return await turn.lane.connection.handle(request, turn.journey)


class Transport:
    """HTTPS to the servers of `settings`. TLS context and connections are made when first needed, then kept.

    `notice` is called with every sign of life, or of none, that a server gives. Belongs to one event loop. Any number
    of exchanges may be under way at once.
    """

    def __init__(self, settings: "IdServerSettings", notice: Notice) -> None:
        self._settings = settings
        self._notice = notice
        self._proxy = None if settings.proxy is None else proxy_address(settings.proxy)
        self._pace: Pace[Lane] = Pace(settings.requests_per_second)
        self._lanes: dict[str, Lanes] = {}
        self._context: ssl.SSLContext | None = None
        self._client = httpx.AsyncClient(
            transport=_ByTurns(),
            trust_env=False,
            headers=_HEADERS,
            timeout=None,  # noqa: S113 - `exchange` has a limit over everything
        )

    async def exchange(self, server_url: str, kind: Kind, ask: Ask) -> Reply:
        """Send `ask` to the server at `server_url`, once, and return its complete answer, whatever its status.

        It waits for its turn first, which only a create does not do for ever: others are given up by who wants them.
        Raises IdServerUnreachable, and nothing else, when there is no answer within `total_seconds` of the turn;
        or what `dismiss_creates` was given.
        """
        address = address_of(server_url)
        url = _url(server_url, address, ask.target)
        lanes = self._lanes_to(server_url)
        limit = self._settings.total_seconds
        try:
            async with asyncio.timeout(limit if kind is Kind.CREATE else None):
                lane = await self._pace.turn(kind, lanes)
        except TimeoutError:
            raise IdServerUnreachable(
                f"so many ask the ID server {address} that no turn came within {limit:g} s; log in again later",
                request_may_have_arrived=False,
            ) from None
        began = asyncio.get_running_loop().time()
        journey = Journey(str(address), str(self._proxy or ""), self._pace.has_left)
        try:
            async with asyncio.timeout(limit):
                turn = _Turn(lane, lambda: self._connect(address, journey), journey)
                response = await self._client.request(
                    ask.method, url, headers=ask.headers, content=ask.body or None, extensions={"turn": turn}
                )
                if len(response.content) > BODY_LIMIT:
                    raise SpoiledError(f"answers with more than {BODY_LIMIT} bytes")
        except _FAULTS as error:
            fault = journey.ended_by(error)
            self._notice(server_url, journey.sign_in(error), began, str(fault))
            raise fault from error
        finally:
            if not journey.request_may_have_arrived:
                self._pace.leaves_not()
            lanes.give_back(lane)
        self._notice(server_url, Sign.ANSWER, began, "")
        return Reply(journey.server, response.status_code, response.content, response.headers.get("date", ""))

    async def warm(self, server_url: str) -> None:
        """See to it that a request finds a connection, without sending one. Never raises: the request will."""
        lanes = self._lanes_to(server_url)
        if lanes.is_in_use():
            return  # somebody is connected, or about to be
        began = asyncio.get_running_loop().time()
        lane = lanes.take()
        try:
            address = address_of(server_url)
            journey = Journey(str(address), str(self._proxy or ""))
            try:
                kept = lane.connection
                if await lane.connected(lambda: self._connect(address, journey)) is not kept:
                    self._notice(server_url, Sign.CONNECTION, began, "")
            except _FAULTS as error:
                self._notice(server_url, journey.sign_in(error), began, str(journey.ended_by(error)))
        except IdServerUnreachable:
            pass  # our own orders are wrong: nothing to hold against the server, and the request says so
        finally:
            lanes.give_back(lane)

    def dismiss_creates(self, server_url: str, fault: Callable[[], IdServerUnreachable]) -> None:
        """Let every create that still waits for its turn at `server_url` fail with a `fault`. None of them was sent."""
        self._pace.dismiss(Kind.CREATE, self._lanes_to(server_url), fault)

    async def aclose(self) -> None:
        """Close the connections. A later exchange opens new ones."""
        for lanes in self._lanes.values():
            await lanes.aclose()

    async def _connect(self, address: Address, journey: Journey) -> Connection:
        if self._context is None:
            self._context = tls_context(self._settings.ca_file)
        return await connect(address, self._proxy, self._settings.connect_seconds, self._context, journey)

    def _lanes_to(self, server_url: str) -> Lanes:
        if server_url not in self._lanes:
            self._lanes[server_url] = Lanes(self._pace.look_again)
        return self._lanes[server_url]


def _url(server_url: str, address: Address, target: str) -> httpx.URL:
    try:
        return httpx.URL(f"https://{address}{address.base}{target}")
    except httpx.InvalidURL:
        raise no_https_address(server_url) from None

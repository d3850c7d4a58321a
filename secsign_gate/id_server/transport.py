"""The only road to an ID server: one request over HTTPS, answered in full and in time, or failed. Nothing is repeated.

This file knows httpx and no dialect. It takes nothing from the environment, follows no redirect, keeps no cookie,
and accepts no answer whose end it cannot see.

That a create is never sent twice rests on three things. httpx is told not to retry. httpcore moves a request to
another connection only while no byte of it is written (its ConnectionNotAvailable); a kept connection that dies under
a request fails that request. And the fallback (dialects.py) is asked only after a fault of which
`request_may_have_arrived` is False, which is what `Journey` finds out.
"""

import asyncio
import socket
import ssl
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING

import httpx

from secsign_gate import __version__
from secsign_gate.errors import IdServerUnreachable
from secsign_gate.id_server.exchange import Ask, Reply
from secsign_gate.id_server.journey import Journey
from secsign_gate.id_server.tls import Conversation, tls_context

if TYPE_CHECKING:
    from secsign_gate.config import IdServerSettings

BODY_LIMIT = 64 * 1024  # an answer is below 1 kB, with an access pass about 3 (protocol reference 7, row 13)
_IDLE_SECONDS = 30.0  # how long an unused connection is kept warm
_HEADERS = {"User-Agent": f"secsign-gate/{__version__}", "Accept": "*/*", "Accept-Encoding": "identity"}
_NO_DELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Transport:
    """HTTPS to the servers of `settings`. TLS context and connections are made when first needed, then kept.

    Belongs to one event loop. Several exchanges may be under way at once.
    """

    def __init__(self, settings: "IdServerSettings") -> None:
        self._settings = settings
        self._client: httpx.AsyncClient | None = None

    async def exchange(self, server_url: str, ask: Ask) -> Reply:
        """Send `ask` to the server at `server_url`, once, and return its complete answer, whatever its status.

        Raises IdServerUnreachable, and nothing else, when there is no such answer within `total_seconds`.
        """
        url = _https_url(server_url, ask.target)
        host = f"[{url.host}]" if ":" in url.host else url.host
        journey = Journey(f"{host}:{url.port or 443}", self._settings)
        try:
            async with asyncio.timeout(self._settings.total_seconds):
                return await self._exchange(url, ask, journey)
        except (httpx.HTTPError, ssl.SSLError, OSError) as error:  # a TimeoutError is an OSError
            raise journey.ended_by(error) from error

    async def aclose(self) -> None:
        """Close the connections. A later exchange opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _exchange(self, url: httpx.URL, ask: Ask, journey: Journey) -> Reply:
        if self._client is None:
            self._client = _client(self._settings)
        response_to = self._client.stream(
            ask.method, url, headers=list(ask.headers), content=ask.body or None, extensions={"trace": journey}
        )
        async with response_to as response:
            return Reply(journey.server, response.status_code, await _body(response, journey))


def _https_url(server_url: str, target: str) -> httpx.URL:
    try:
        url = httpx.URL(server_url + target)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme != "https" or not url.host:
        raise IdServerUnreachable(
            f"{server_url} is no https address; correct url in [id_server]", request_may_have_arrived=False
        )
    return url


async def _body(response: httpx.Response, journey: Journey) -> bytes:
    """Read the body as it was sent. An answer that does not show where it ends could have been cut."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise journey.spoiled_by("compresses its answers, which it was not asked to")
    received = bytearray()
    async for chunk in response.aiter_raw():
        received += chunk
        if len(received) > BODY_LIMIT:
            raise journey.spoiled_by(f"answers with more than {BODY_LIMIT} bytes")
    body = bytes(received)
    connection = response.extensions["network_stream"]
    conversation = connection.get_extra_info("ssl_object")
    one_answer = isinstance(conversation, Conversation) and conversation.is_one_answer(response.headers, body)
    if not one_answer or conversation.ended:
        await connection.aclose()  # or the next request would be sent into the void, or meet what is left over here
    if not one_answer:
        raise journey.spoiled_by("sends something else than one complete answer")
    return body


def _client(settings: "IdServerSettings") -> httpx.AsyncClient:
    transport = httpx.AsyncHTTPTransport(
        verify=tls_context(settings.ca_file),
        trust_env=False,
        http2=False,
        retries=0,
        proxy=settings.proxy,
        limits=httpx.Limits(max_connections=None, keepalive_expiry=_IDLE_SECONDS),
        socket_options=[_NO_DELAY],
    )
    return httpx.AsyncClient(
        transport=transport,
        trust_env=False,
        follow_redirects=False,
        headers=_HEADERS,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        timeout=httpx.Timeout(None, connect=settings.connect_seconds),  # the rest is in `exchange`, over everything
    )

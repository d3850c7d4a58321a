"""What httpcore is given to speak over, and one connection made of it.

Request and answer are httpcore's: it writes the one and reads the other. Its public seams leave to us when a connection
is opened, whether it still lives in the moment of a request, and that nothing may follow an answer.

That a create is never sent twice begins here. httpcore hands over a request in pieces; they are written once, together,
to a connection that was alive at that moment. Whatever happens then, nothing here writes them again.
"""

import asyncio
import re
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Callable

import httpcore
import httpx

from secsign_gate.id_server.address import Address
from secsign_gate.id_server.byte_stream import ByteStream, connect_tcp
from secsign_gate.id_server.journey import Journey, SpoiledError, Stage

_NOT_ONE_ANSWER = "sends something else than one complete answer"
# httpcore passes over interim answers (RFC 9110 section 15.2) and trailer fields (RFC 9112 section 7.1.2) in silence.
# Nobody here asks for either, and both are ways to make two readers of one answer disagree about it.
_INTERIM = re.compile(rb"HTTP/[0-9]\.[0-9] 1")
_LAST_CHUNK = re.compile(rb"\n0+[ \t]*(?:;[^\n]*)?\r?\n\r?\n\Z")
# Of no use to whoever follows no redirect and keeps no cookie; so httpx does not get to see them.
_NOT_PASSED_ON = frozenset({b"location", b"set-cookie"})


class _Exchanges(httpcore.AsyncNetworkStream):
    """A ByteStream as httpcore uses one, for requests and answers in turn. `sending` is called before each request."""

    def __init__(self, peer: ByteStream, sending: Callable[[], None]) -> None:
        self._peer = peer
        self._sending = sending
        self._unsent = b""
        self._held = b""
        self.answer = bytearray()
        """What httpcore was given since the last request."""

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109 - httpcore's
        """Keep it until the whole request is there, which is when httpcore wants to read."""
        self._unsent += buffer

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002, ASYNC109 - httpcore's
        """Send what is unsent, in one write; then return what has arrived, b"" once the peer has ended in good order.

        The last byte of what has arrived is given out by itself, once httpcore has asked for it. So what httpcore takes
        for the end of an answer was the last byte of it if nothing is left here, and not if something is.
        Raises ConnectionNotAvailable if it died before any of it was sent; SpoiledError, ssl.SSLError or OSError.
        """
        if self._unsent:
            if not await self._peer.is_alive():
                raise httpcore.ConnectionNotAvailable("it has ended, or speaks unasked")
            self._sending()
            self._peer.write(self._unsent)  # nothing was awaited since it was alive
            self._unsent = b""
            self.answer.clear()
        data, self._held = self._held, b""
        if not data:
            data = await self._peer.read()
            if len(data) > 1:
                data, self._held = data[:-1], data[-1:]
        self.answer += data
        return data

    def rest(self) -> bytes | None:
        """Return what nobody has asked for so far, b"" for an end of the stream, None if there is nothing."""
        if self._held:
            return self._held
        try:
            return self._peer.available()
        except ssl.SSLError:
            return b""

    async def aclose(self) -> None:
        """Begin to close it."""
        self._peer.close()


class Connection:
    """A TLS connection to an ID server, made by `connect`: one request, one complete answer, then perhaps another."""

    def __init__(self, peer: ByteStream, origin: httpcore.Origin) -> None:
        self._peer = peer
        self._exchanges = _Exchanges(peer, self._sending)
        self._http = httpcore.AsyncHTTP11Connection(origin, self._exchanges)
        self._journey: Journey | None = None
        self._goes_on = True

    @property
    def reusable(self) -> bool:
        """Whether more can be asked: nothing was yet, or the last answer was all there was and left it open."""
        return self._goes_on and not self._http.is_closed()

    async def is_alive(self) -> bool:
        """Tell whether there is an open connection at this moment, as far as known."""
        return self.reusable and await self._peer.is_alive()

    async def handle(self, request: httpx.Request, journey: Journey) -> httpx.Response:
        """Send `request` and return the answer; its body is still to be read, which raises the same as this.

        Raises httpcore.ConnectionNotAvailable if the connection died before any of it was sent. Else SpoiledError,
        an exception of httpcore, ssl.SSLError or OSError, and is of no further use then; nor if it is cancelled.
        """
        self._journey = journey
        self._goes_on = False
        response = await self._http.handle_async_request(
            httpcore.Request(
                request.method,
                httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
            )
        )
        headers = httpx.Headers(
            [(name, value) for name, value in response.headers if name.lower() not in _NOT_PASSED_ON]
        )
        if _INTERIM.match(self._exchanges.answer):
            raise SpoiledError(_NOT_ONE_ANSWER)
        if headers.get("content-encoding", "identity") != "identity":
            raise SpoiledError("compresses its answers, which it was not asked to")
        body = _Body(response, lambda: self._answered(in_chunks="transfer-encoding" in headers))
        return httpx.Response(response.status, headers=headers, stream=body, extensions=response.extensions)

    def close(self) -> None:
        """Begin to close it."""
        self._goes_on = False
        self._peer.close()

    async def aclose(self) -> None:
        """Close it, and wait until that is done."""
        self._goes_on = False
        await self._peer.aclose()

    def _sending(self) -> None:
        if self._journey is not None:
            self._journey.leaves()

    def _answered(self, *, in_chunks: bool) -> None:
        """Note that the answer is complete. What follows it must never pass for the answer to the next request."""
        rest = self._exchanges.rest()
        if rest or (in_chunks and not _LAST_CHUNK.search(self._exchanges.answer)):
            raise SpoiledError(_NOT_ONE_ANSWER)
        self._goes_on = rest is None


class _Body(httpx.AsyncByteStream):
    """The body of an answer. `answered` is called once it is complete."""

    def __init__(self, response: httpcore.Response, answered: Callable[[], None]) -> None:
        self._response = response
        self._answered = answered

    async def __aiter__(self) -> AsyncIterator[bytes]:
        assert isinstance(self._response.stream, AsyncIterable)  # noqa: S101 - httpcore's type allows for both kinds
        async for piece in self._response.stream:
            yield piece
        self._answered()

    async def aclose(self) -> None:
        """Let httpcore know that the answer is done with."""
        await self._response.aclose()


async def connect(
    address: Address, proxy: Address | None, seconds: float, context: ssl.SSLContext, journey: Journey
) -> Connection:
    """Return a connection to `address`, by way of `proxy` if there is one, TLS included, within `seconds`.

    Raises OSError, ssl.SSLError, SpoiledError or an exception of httpcore; `journey` knows what was being done.
    """
    peer = await open_stream(address, proxy, seconds, context, journey)
    return Connection(peer, httpcore.URL(f"https://{address}").origin)


async def open_stream(
    address: Address, proxy: Address | None, seconds: float, context: ssl.SSLContext, journey: Journey
) -> ByteStream:
    """Return the stream that a connection speaks over, opened as `connect` says. Raises the same."""
    peer: ByteStream | None = None
    try:
        async with asyncio.timeout(seconds):
            journey.stage = Stage.CONNECT
            nearest = proxy or address
            peer = await connect_tcp(nearest.host, nearest.port)
            if proxy is not None:
                journey.stage = Stage.TUNNEL
                await _tunnel(peer, proxy, address)
            journey.stage = Stage.TLS
            await peer.start_tls(context, address.host)
    except BaseException:
        if peer is not None:
            peer.close()
        raise
    return peer


async def _tunnel(peer: ByteStream, proxy: Address, address: Address) -> None:
    """Have an HTTP proxy connect us through (RFC 9110 section 9.3.6). It learns the address and nothing else."""
    exchanges = _Exchanges(peer, lambda: None)
    url = httpcore.URL(scheme=b"http", host=proxy.host.encode(), port=proxy.port, target=str(address).encode())
    request = httpcore.Request("CONNECT", url, headers=[("Host", str(address))])
    response = await httpcore.AsyncHTTP11Connection(url.origin, exchanges).handle_async_request(request)
    if response.status // 100 != 2:  # noqa: PLR2004 - any 2xx, says RFC 9110
        reason = response.extensions["reason_phrase"].decode("ascii", "replace")
        raise ConnectionRefusedError(f"{response.status} {reason}")
    if exchanges.rest():
        raise ConnectionAbortedError("it sends what nobody asked for")

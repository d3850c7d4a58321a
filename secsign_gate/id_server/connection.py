"""One HTTPS connection to an ID server, in the words of h11: one request, one complete answer, then perhaps another.

That a create is never sent twice begins here. A request is written once, in one write, to a connection that was alive
at that moment; whatever happens then, this file does not write it again.
"""

import asyncio
import socket
import ssl
from typing import NamedTuple
from urllib.parse import urlsplit

import h11

from secsign_gate import __version__
from secsign_gate.errors import IdServerUnreachable
from secsign_gate.id_server.byte_stream import ByteStream
from secsign_gate.id_server.exchange import Ask
from secsign_gate.id_server.journey import Journey, SpoiledError, Stage

BODY_LIMIT = 64 * 1024  # an answer is below 1 kB, with an access pass about 3 (protocol reference 7, row 13)
_HEAD_LIMIT = 64 * 1024
_HTTPS_PORT = 443
_NOT_ONE_ANSWER = "sends something else than one complete answer"
_NEXT_ADDRESS_SECONDS = 0.25  # RFC 8305 section 8: how long one address of a name may keep us from trying another
_ALIKE = (("Accept", "*/*"), ("Accept-Encoding", "identity"), ("User-Agent", f"secsign-gate/{__version__}"))

# A firewall that has forgotten an idle connection tells nobody, and a create sent there would be lost. So the system
# asks the peer now and then (tcp(7)), which also keeps firewalls from forgetting: seconds idle, seconds apart, times.
_KEEP_ALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
)


class Address(NamedTuple):
    """Where to connect to. `base` is the path in front of every target, without a trailing slash."""

    host: str
    port: int
    base: str = ""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address_of(server_url: str) -> Address:
    """Return the address in an https URL. Raises IdServerUnreachable if it is none."""
    try:
        url = urlsplit(server_url)
        host, port = url.hostname, url.port
    except ValueError:
        url, host, port = urlsplit(""), None, None
    if url.scheme != "https" or not host:
        raise IdServerUnreachable(
            f"{server_url} is no https address; correct url in [id_server]", request_may_have_arrived=False
        )
    return Address(host, _HTTPS_PORT if port is None else port, url.path.removesuffix("/"))


class Connection:
    """A TLS connection to the server at `address`, made by `connect`. `reusable` tells whether more can be asked."""

    def __init__(self, stream: ByteStream, address: Address) -> None:
        self._stream = stream
        self._address = address
        self.reusable = True

    async def is_alive(self) -> bool:
        """Tell whether a request that is written before the next `await` finds an open connection, as far as known."""
        return self.reusable and await self._stream.is_alive()

    async def exchange(self, ask: Ask, journey: Journey) -> tuple[int, bytes]:
        """Send `ask` and return status and body of its one complete answer.

        The request is written before anything is awaited. Raises SpoiledError, h11.ProtocolError, ssl.SSLError or
        OSError, and is of no further use then; nor if it is cancelled.
        """
        self.reusable = False
        parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_LIMIT)
        request = self._written(parser, ask)
        if self._stream.available() is not None:
            raise ConnectionAbortedError("it speaks unasked")
        journey.stage = Stage.SENT
        self._stream.write(request)
        status = await self._head(parser)
        body = await self._body(parser)
        self.reusable = self._nothing_follows(parser) and parser.our_state is parser.their_state is h11.DONE
        return status, body

    def close(self) -> None:
        """Begin to close it."""
        self.reusable = False
        self._stream.close()

    async def aclose(self) -> None:
        """Close it, and wait until that is done."""
        self.reusable = False
        await self._stream.aclose()

    def _written(self, parser: h11.Connection, ask: Ask) -> bytes:
        host = str(self._address).removesuffix(f":{_HTTPS_PORT}")
        headers = [("Host", host), *_ALIKE, ("Connection", "keep-alive"), *ask.headers]
        if ask.body:
            headers.append(("Content-Length", str(len(ask.body))))
        events: tuple[h11.Event, ...] = (
            h11.Request(method=ask.method, target=self._address.base + ask.target, headers=headers),
            h11.Data(data=ask.body),
            h11.EndOfMessage(),
        )
        return b"".join(parser.send(event) or b"" for event in events)

    async def _head(self, parser: h11.Connection) -> int:
        event = await _next_event(parser, self._stream)
        if not isinstance(event, h11.Response):
            raise SpoiledError(_NOT_ONE_ANSWER)
        if dict(event.headers).get(b"content-encoding", b"identity") != b"identity":
            raise SpoiledError("compresses its answers, which it was not asked to")
        return event.status_code

    async def _body(self, parser: h11.Connection) -> bytes:
        """Read the body. One that ends with the connection is complete only by the good-bye of TLS."""
        body = bytearray()
        while isinstance(event := await _next_event(parser, self._stream), h11.Data):
            body += event.data
            if len(body) > BODY_LIMIT:
                raise SpoiledError(f"answers with more than {BODY_LIMIT} bytes")
        if not isinstance(event, h11.EndOfMessage) or list(event.headers):
            raise SpoiledError(_NOT_ONE_ANSWER)
        return bytes(body)

    def _nothing_follows(self, parser: h11.Connection) -> bool:
        """Tell whether the connection goes on after the answer. What follows it must never pass for the next answer."""
        try:
            more = self._stream.available()
        except ssl.SSLError:
            return False
        if more or parser.trailing_data[0]:
            raise SpoiledError(_NOT_ONE_ANSWER)
        return more is None


async def connect(
    address: Address, proxy: Address | None, seconds: float, context: ssl.SSLContext, journey: Journey
) -> Connection:
    """Return a connection to `address`, by way of `proxy` if there is one, TLS included, within `seconds`.

    Raises OSError, ssl.SSLError or h11.ProtocolError; `journey` knows what was being done.
    """
    stream: ByteStream | None = None
    try:
        async with asyncio.timeout(seconds):
            journey.stage = Stage.CONNECT
            stream = await _tcp(proxy or address)
            if proxy is not None:
                journey.stage = Stage.TUNNEL
                await _tunnel(stream, address)
            journey.stage = Stage.TLS
            await stream.start_tls(context, address.host)
    except BaseException:
        if stream is not None:
            stream.close()
        raise
    return Connection(stream, address)


async def _tcp(peer: Address) -> ByteStream:
    try:
        transport, stream = await asyncio.get_running_loop().create_connection(
            ByteStream, peer.host, peer.port, happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS
        )
    except UnicodeError as error:  # no label of a name is so long or empty (RFC 1035)
        raise socket.gaierror(socket.EAI_NONAME, "no such name can exist") from error
    for level, option, value in _KEEP_ALIVE:
        transport.get_extra_info("socket").setsockopt(level, option, value)
    return stream


async def _tunnel(stream: ByteStream, address: Address) -> None:
    """Have an HTTP proxy connect us through (RFC 9110 section 9.3.6). It learns the address and nothing else."""
    parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_LIMIT)
    request = h11.Request(method="CONNECT", target=str(address), headers=[("Host", str(address))])
    stream.write((parser.send(request) or b"") + (parser.send(h11.EndOfMessage()) or b""))
    event = await _next_event(parser, stream)
    if not isinstance(event, h11.Response) or event.status_code // 100 != 2:  # noqa: PLR2004 - any 2xx, says RFC 9110
        said = (
            f"{event.status_code} {event.reason.decode('ascii', 'replace')}" if isinstance(event, h11.Response) else ""
        )
        raise ConnectionRefusedError(said or "that was not HTTP")
    if parser.trailing_data[0]:
        raise ConnectionAbortedError("it sends what nobody asked for")


async def _next_event(parser: h11.Connection, stream: ByteStream) -> object:
    while (event := parser.next_event()) is h11.NEED_DATA:
        parser.receive_data(await stream.read())
    return event

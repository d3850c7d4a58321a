"""Bytes to and from one peer over TCP: in clear at first, under TLS from `start_tls` on."""

import asyncio
import select
import socket
import ssl
from contextlib import suppress

from secsign_gate.id_server.journey import SpoiledError

RECEIVED_LIMIT = 256 * 1024  # bytes on the wire since the last write: more than any answer, and what frames it
_READ = 64 * 1024
_NEXT_ADDRESS_SECONDS = 0.25  # RFC 8305 section 8: how long one address of a name may keep us from trying another

# A firewall that has forgotten an idle connection tells nobody, and a create sent there would be lost. So the system
# asks the peer now and then (tcp(7)), which also keeps firewalls from forgetting: seconds idle, seconds apart, times.
_SOCKET_OPTIONS = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
)


class ByteStream(asyncio.Protocol):
    """One TCP connection, made by `connect_tcp`. One task at a time reads and writes.

    What arrives while nobody reads is not lost: it shows by `is_alive`.
    """

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = ssl.MemoryBIO()
        self._to_send = ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None
        self._count = 0
        self._fault: Exception | None = None
        self._ended = False
        self._lost = asyncio.Event()
        self._news = asyncio.Event()

    async def start_tls(self, context: ssl.SSLContext, server_hostname: str) -> None:
        """Go on under TLS. Raises ssl.SSLError, OSError or SpoiledError."""
        tls = context.wrap_bio(self._received, self._to_send, server_hostname=server_hostname)
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
            except ssl.SSLError:
                self._flush()  # our alert: the server's log shall say why as well
                raise
            else:
                break
            if self._ended:
                raise self._fault or ConnectionResetError("the connection ended in the middle of the handshake")
            await self._arrival()
        self._flush()
        self._tls = tls

    def certificate(self) -> tuple[bytes, dict[str, object]]:
        """Return the peer's certificate, encoded and as ssl.SSLSocket.getpeercert() says it: empty if not verified."""
        if self._tls is None:
            return b"", {}
        return self._tls.getpeercert(binary_form=True) or b"", dict(self._tls.getpeercert() or {})

    def write(self, data: bytes) -> None:
        """Send `data` in one write."""
        self._count = 0
        if self._tls is None:
            self._to_send.write(data)
        else:
            self._tls.write(data)
        self._flush()

    async def read(self) -> bytes:
        """Return what has arrived, at least a byte; b"" once the peer has ended the stream in good order.

        Raises SpoiledError if it goes on without end, ssl.SSLError or OSError if it broke off. Under TLS that includes
        an end of TCP without TLS's own good-bye, for anybody on the way can cause one.
        """
        while True:
            data = self.available()
            if data is not None:
                return data
            if self._ended:
                raise self._fault or ConnectionResetError("the connection ended without a good-bye")
            await self._arrival()

    async def is_alive(self) -> bool:
        """Tell whether, at this moment, the peer has neither ended the stream nor said a word that nobody asked for.

        Between this answer and the next `await` of the caller nothing can have been noticed that would change it.
        """
        while not self._is_over() and self._is_readable():  # noqa: ASYNC110 - the loop has yet to see what the system has
            await asyncio.sleep(0)
        try:
            # Records that are no data, such as TLS 1.3's session tickets, are dealt with on the way.
            return not self._is_over() and self.available() is None
        except ssl.SSLError:
            return False

    def available(self) -> bytes | None:
        """Return what can be read without waiting, b"" for an end in good order, None if there is nothing.

        Raises ssl.SSLError.
        """
        if self._tls is None:
            return self._received.read(_READ) or (b"" if self._ended and self._fault is None else None)
        try:
            return self._tls.read(_READ)
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLZeroReturnError:
            return b""
        finally:
            self._flush()

    def close(self) -> None:
        """Begin to close the connection. What is unread is lost."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._tls is not None:
            with suppress(ssl.SSLError):
                self._tls.unwrap()
            self._flush()
        if self._transport.get_write_buffer_size():
            self._transport.abort()  # a peer that takes nothing is not waited for
        else:
            self._transport.close()

    async def aclose(self) -> None:
        """Close the connection, and wait until that is done."""
        self.close()
        if self._transport is not None:
            await self._lost.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection: the event loop calls this, and the other methods of asyncio.Protocol."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - tells the type checker what asyncio promises
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Keep what has arrived."""
        self._count += len(data)
        if self._count > RECEIVED_LIMIT and self._transport is not None:
            self._fault = SpoiledError(f"answers with more than {RECEIVED_LIMIT} bytes")
            self._received.read()
            self._transport.abort()
        else:
            self._received.write(data)
        self._news.set()

    def eof_received(self) -> bool:
        """Note the peer's end; nothing more can be asked here, so asyncio may close the connection."""
        self._ended = True
        self._news.set()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end."""
        self._fault = self._fault or exc
        self._ended = True
        self._lost.set()
        self._news.set()

    async def _arrival(self) -> None:
        self._news.clear()
        await self._news.wait()

    def _flush(self) -> None:
        if self._to_send.pending and self._transport is not None and not self._transport.is_closing():
            self._transport.write(self._to_send.read())

    def _is_readable(self) -> bool:
        """Ask the system, for the event loop tells only what it has come round to."""
        poll = select.poll()
        if self._transport is not None:
            poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def _is_over(self) -> bool:
        # After a reset asyncio closes its end at once, and says `connection_lost` a round later.
        return self._ended or self._transport is None or self._transport.is_closing()


async def connect_tcp(host: str, port: int) -> ByteStream:
    """Return a stream to the first address of `host` that can be connected to. Raises OSError."""
    try:
        transport, stream = await asyncio.get_running_loop().create_connection(
            ByteStream, host, port, happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS
        )
    except UnicodeError as error:  # no label of a name is so long or empty (RFC 1035)
        raise socket.gaierror(socket.EAI_NONAME, "no such name can exist") from error
    for level, option, value in _SOCKET_OPTIONS:
        transport.get_extra_info("socket").setsockopt(level, option, value)
    return stream

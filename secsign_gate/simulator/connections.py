"""The connections behind the ASGI server: numbered, and within reach for faults that no ASGI answer can express."""

import asyncio
import asyncio.trsock
import contextlib
import itertools
import socket
import struct

from uvicorn.protocols.http.h11_impl import H11Protocol


class Connection:
    """One accepted connection, `number` counting from 1; over TLS it counts once its handshake has succeeded."""

    def __init__(self, number: int, transport: asyncio.Transport) -> None:
        self.number = number
        self._transport = transport
        self._socket: asyncio.trsock.TransportSocket = transport.get_extra_info("socket")

    def write(self, piece: bytes) -> bool:
        """Send bytes as they are; False if the client has left."""
        if self._transport.is_closing():
            return False
        self._transport.write(piece)
        return True

    def close(self) -> None:
        """End the connection once what was written is sent."""
        self._transport.close()

    def abort(self) -> None:
        """End the connection at once, though TLS may still be waiting for the client's good-bye."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if not self._transport.is_closing():
            self._transport.abort()

    def reset(self) -> None:
        """End the connection with TCP's RST: what closing does to a socket that lingers for no time, socket(7)."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()


class NumberedConnections(H11Protocol):
    """Uvicorn's HTTP/1.1 protocol; the application finds its connection in `scope["state"]["connection"]`."""

    _numbers = itertools.count(1)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn narrows it
        """Give the connection a number, and hand it to every request that comes over it."""
        super().connection_made(transport)
        self._connection = Connection(next(self._numbers), transport)
        self.app_state = {**self.app_state, "connection": self._connection}

    def shutdown(self) -> None:
        """Leave at once: a polite end of TLS would wait for clients that keep their connection warm."""
        self._connection.abort()

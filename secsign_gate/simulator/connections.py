"""The connections behind the ASGI server: numbered, and within reach for faults that no ASGI answer can express."""

import asyncio
import itertools

from uvicorn.protocols.http.h11_impl import H11Protocol


class Connection:
    """One accepted connection, `number` counting from 1; over TLS it counts once its handshake has succeeded."""

    def __init__(self, number: int, transport: asyncio.Transport) -> None:
        self.number = number
        self._transport = transport

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
        """End the connection at once."""
        self._transport.abort()


class NumberedConnections(H11Protocol):
    """Uvicorn's HTTP/1.1 protocol; the application finds its connection in `scope["state"]["connection"]`."""

    _numbers = itertools.count(1)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn narrows it
        """Give the connection a number, and hand it to every request that comes over it."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "connection": Connection(next(self._numbers), transport)}

    def shutdown(self) -> None:
        """Leave at once: a polite end of TLS would wait for clients that keep their connection warm."""
        self.transport.abort()

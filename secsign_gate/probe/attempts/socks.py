"""A SOCKS5 proxy for one connection (RFC 1928), as `ssh -D` is one, and a client of it."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from secsign_gate.probe.channel import Channel
from secsign_gate.probe.fault import ProbeError

_VERSION = 5
_GREETING = bytes([_VERSION, 1, 0])  # one method: no authentication
_CONNECT = bytes([_VERSION, 1, 0])
_BY_NAME = 3
_SUCCEEDED, _FAILED = (bytes([_VERSION, code, 0, 1]) + bytes(6) for code in (0, 1))
_PIECE = 4096
_PATIENCE = 30.0  # seconds; the client is ours


class SocksProxy:
    """A context manager; listens on `port` of 127.0.0.1 and opens its one connection by `reach(host, port)`.

    `channel` is what came of that; None if nobody asked, or it raised ProbeError.
    """

    def __init__(self, reach: Callable[[str, int], Channel]) -> None:
        self.channel: Channel | None = None
        self._reach = reach
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(_PATIENCE)
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._listening.getsockname()[1]
        return port

    def _serve(self) -> None:
        with suppress(OSError, EOFError, ProbeError), self._listening.accept()[0] as client:
            client.settimeout(_PATIENCE)
            if exactly(client, len(_GREETING)) != _GREETING:
                return
            client.sendall(bytes([_VERSION, 0]))
            if exactly(client, 4) != _CONNECT + bytes([_BY_NAME]):
                return
            name = exactly(client, exactly(client, 1)[0]).decode()
            port = int.from_bytes(exactly(client, 2))
            self.channel = channel = self._reach(name, port)
            client.sendall(_SUCCEEDED if channel.opened else _FAILED)
            if channel.opened:
                channel.wait(lambda: bool(channel.data), _PATIENCE)
                client.sendall(channel.data)
                channel.close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join(_PATIENCE)  # before another socket gets the number of this one's descriptor
        self._listening.close()


def ask_socks(port: int, host: str, target: int, seconds: float) -> bytes:
    """Connect by the proxy on `port` to `host` and `target`; return what is heard there first, if anything is."""
    try:
        with socket.create_connection(("127.0.0.1", port), _PATIENCE) as stream:
            stream.sendall(_GREETING)
            exactly(stream, 2)
            stream.sendall(_CONNECT + bytes([_BY_NAME, len(host)]) + host.encode() + target.to_bytes(2))
            if exactly(stream, len(_SUCCEEDED)) != _SUCCEEDED:
                return b""
            stream.settimeout(seconds)
            return stream.recv(_PIECE)
    except (OSError, EOFError):
        return b""


def exactly(stream: socket.socket, length: int) -> bytes:
    """Return the next `length` bytes. Raises EOFError, and OSError."""
    got = b""
    while len(got) < length:
        piece = stream.recv(length - len(got))
        if not piece:
            raise EOFError
        got += piece
    return got

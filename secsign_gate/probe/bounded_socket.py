"""A TCP connection that takes in no more than a probe can need: who floods it is cut off, not stored."""

import socket

from secsign_gate.probe.fault import ProbeError
from secsign_gate.probe.place import Place

MOST_BYTES = 32 * 1024 * 1024  # of one connection; the largest attempt needs a thousandth of it


class BoundedSocket:
    """What paramiko needs of a socket, and an end of file once `most` bytes have come."""

    def __init__(self, stream: socket.socket, most: int = MOST_BYTES) -> None:
        self._stream = stream
        self._left = most

    def send(self, data: bytes) -> int:
        """Send some of `data`; return how much."""
        return self._stream.send(data)

    def recv(self, size: int) -> bytes:
        """Return what has come, or nothing if there is nothing more, or was too much already."""
        data = self._stream.recv(max(1, min(size, self._left)))
        self._left -= len(data)
        return data if self._left > 0 else b""

    def settimeout(self, seconds: float | None) -> None:
        """Let `send` and `recv` raise TimeoutError after so many seconds."""
        self._stream.settimeout(seconds)

    def close(self) -> None:
        """Close it."""
        self._stream.close()

    def getpeername(self) -> tuple[str, int]:
        """Return address and port of the other side."""
        name = self._stream.getpeername()
        return str(name[0]), int(name[1])

    @property
    def _closed(self) -> bool:  # paramiko asks a socket by this name whether it is worth waiting for
        return self._stream.fileno() < 0


def reach(place: Place, seconds: float, source: str = "") -> BoundedSocket:
    """Return a connection to `place`, from the address `source` if one is given. Raises ProbeError."""
    try:
        stream = socket.create_connection((place.host, place.port), seconds, (source, 0) if source else None)
    except (OSError, UnicodeError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else "it is no name of a host"
        raise ProbeError(f"{place.known_as} cannot be reached: {reason}; is sshd there?") from error
    return BoundedSocket(stream)

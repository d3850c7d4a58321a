"""Where Prometheus may read: whether the daemon answers there."""

import socket

from secsign_gate.doctor.finding import Finding, Status

_SECONDS = 5.0
_REQUEST = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_MEND = "restart the daemon, which listens there when it starts"


def examine_metrics(place: str | None) -> list[Finding]:
    """Read what the daemon tells Prometheus at `place`, `broker.metrics` of the configuration; None: nowhere."""
    if place is None:
        return []
    try:
        with _connected(place) as stream:
            stream.sendall(_REQUEST)
            answer = stream.recv(64)
    except OSError as error:
        why = error.strerror or "no answer in time"
        what = f"nothing answers Prometheus at {place} ({why})"
        return [Finding(Status.WEAK, "", "", what, "the daemon is not watched", _MEND)]
    if answer.startswith(b"HTTP/1.1 200 "):
        return [Finding(Status.CLOSED, "", "", f"the daemon answers Prometheus at {place}")]
    what = f"what answers at {place} is not the daemon's page for Prometheus"
    return [Finding(Status.WEAK, "", "", what, "the daemon is not watched", _MEND)]


def _connected(place: str) -> socket.socket:
    if not place.startswith("/"):
        address, _, port = place.rpartition(":")
        return socket.create_connection((address.strip("[]"), int(port)), timeout=_SECONDS)
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        stream.settimeout(_SECONDS)
        stream.connect(place)
    except OSError:
        stream.close()
        raise
    return stream

"""Listeners on the host that lead here: ssh -R for ports and for unix sockets."""

import secrets
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from secsign_gate.core.ssh_encoding import EncodingError, SshReader, ssh_string
from secsign_gate.probe.attempts.forwarding import direct_tcpip
from secsign_gate.probe.attempts.sockets import direct_streamlocal
from secsign_gate.probe.channel import Channel, uint32
from secsign_gate.probe.connection import Connection
from secsign_gate.probe.outcome import Outcome, agreed, held, through, unknown
from secsign_gate.probe.situation import Situation

_SECONDS = 4.0  # for a connection to come round
_LOOPBACK = ("127.0.0.1", "::1")  # sshd chooses a port that is free on one, and may find it taken on the other
_NO_ANSWER = "sshd gave no answer; look into its log"
_FORWARDED_TCPIP, _FORWARDED_STREAMLOCAL = "forwarded-tcpip", "forwarded-streamlocal@openssh.com"


def remote_forwarding(situation: Situation) -> Outcome:
    """`ssh -R 0:…`: sshd chooses a port; then somebody connects there, from here or by way of the host itself."""
    connection = situation.connection
    reply = connection.ask("tcpip-forward", ssh_string(b"") + uint32(0))
    if not reply.granted:
        return held("sshd refused to listen") if reply.granted is False else unknown(_NO_ANSWER)
    try:
        port = SshReader(reply.data).uint32()
    except EncodingError:
        return agreed("sshd agreed to listen, and did not say where")
    try:
        for address in dict.fromkeys((connection.peer[0], *(_LOOPBACK if connection.is_to_this_host else ()))):
            if comes_round(connection, _FORWARDED_TCPIP, partial(_connect_to, address, port)):
                return through(f"sshd listened on port {port}, and who connected to it from here came out here")
        for address in _LOOPBACK:
            if comes_round_inside(connection, _FORWARDED_TCPIP, partial(direct_tcpip, connection, address, port)):
                return through(f"sshd listened on port {port}, and what connected to it on the host came out here")
    finally:
        connection.ask("cancel-tcpip-forward", ssh_string(b"") + uint32(port))
    return agreed(f"sshd listened on port {port} of the host, which cannot be reached from here")


def remote_socket_forwarding(situation: Situation) -> Outcome:
    """`ssh -R path:…`: sshd makes a unix socket; then somebody connects to it."""
    connection = situation.connection
    path = f"/tmp/secsign-gate-probe-{secrets.token_hex(8)}"  # noqa: S108 - of the host; nobody can guess the name
    reply = connection.ask("streamlocal-forward@openssh.com", ssh_string(path.encode()))
    if not reply.granted:
        return held("sshd refused to make a socket") if reply.granted is False else unknown(_NO_ANSWER)
    try:
        if connection.is_to_this_host and comes_round(connection, _FORWARDED_STREAMLOCAL, lambda: _connect_to(path)):
            return through(f"sshd made the socket {path}, and who connected to it came out here")
        if comes_round_inside(connection, _FORWARDED_STREAMLOCAL, lambda: direct_streamlocal(connection, path)):
            return through(f"sshd made the socket {path}, and what connected to it on the host came out here")
    finally:
        connection.ask("cancel-streamlocal-forward@openssh.com", ssh_string(path.encode()))
        if connection.is_to_this_host:
            with suppress(OSError):
                Path(path).unlink(missing_ok=True)  # sshd may leave it
    return agreed(f"sshd made the socket {path} on the host, and may have left it there")


def comes_round(connection: Connection, kind: str, reach: Callable[[], socket.socket]) -> bool:
    """Tell whether what is sent to where `reach` connects comes out of a channel of this kind, opened towards us."""
    before, token = len(connection.arrivals), secrets.token_bytes(16)
    try:
        with reach() as stream:
            stream.sendall(token)
            return _arrives(connection, kind, before, token)
    except OSError:
        return False


def comes_round_inside(connection: Connection, kind: str, reach: Callable[[], Channel]) -> bool:
    """Tell the same of a channel that leads to the listener by way of the host."""
    before, token = len(connection.arrivals), secrets.token_bytes(16)
    channel = reach()
    if not channel.opened:
        return False
    channel.send(token)
    arrived = _arrives(connection, kind, before, token)
    channel.close()
    return arrived


def _arrives(connection: Connection, kind: str, before: int, token: bytes) -> bool:
    def new() -> list[Channel]:
        return [channel for channel in connection.arrivals[before:] if channel.kind == kind]

    arrived = connection.wait(lambda: any(token in channel.data for channel in new()), _SECONDS)
    for channel in new():
        channel.close()
    return arrived


def _connect_to(address: str, port: int | None = None) -> socket.socket:
    """Connect to a unix socket, or to a port. Raises OSError."""
    if port is not None:
        return socket.create_connection((address, port), _SECONDS)
    stream = socket.socket(socket.AF_UNIX)
    stream.settimeout(_SECONDS)
    try:
        stream.connect(address)
    except BaseException:
        stream.close()
        raise
    return stream

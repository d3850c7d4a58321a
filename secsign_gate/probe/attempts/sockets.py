"""Unix sockets of the host, reached through it: ssh -L path:path is `direct-streamlocal@openssh.com` (PROTOCOL 2.4)."""

import secrets
import shutil
import socket
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

from secsign_gate.core.ssh_encoding import ssh_string
from secsign_gate.probe.channel import Channel, uint32
from secsign_gate.probe.connection import Connection
from secsign_gate.probe.outcome import Outcome, agreed, held, through, unknown
from secsign_gate.probe.situation import Situation

_SECONDS = 4.0  # for a service to say something
# Where most hosts have one that everybody may connect to; D-Bus answers, journald listens.
_USUAL = (
    "/run/dbus/system_bus_socket",
    "/run/systemd/journal/stdout",
    "/run/secsign-gate/broker.sock",
    "/run/nscd/socket",
)
_HELLO = b"\0AUTH\r\n"  # to D-Bus (specification, "Authentication Protocol"); others may make of it what they like


class OwnSocket:
    """A unix socket on this host that tells whoever connects a secret. A context manager."""

    def __init__(self) -> None:
        self.secret = secrets.token_bytes(16)
        self._folder = Path(tempfile.mkdtemp(prefix="secsign-gate-probe-"))
        self._folder.chmod(0o711)  # the account that is probed must get there
        self.path = str(self._folder / "socket")
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(self.path)
        Path(self.path).chmod(0o666)
        self._listening.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):  # closed: the attempt is over
            while True:
                with self._listening.accept()[0] as stream:
                    stream.sendall(self.secret)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()  # before another socket gets the number of this one's descriptor
        self._listening.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def direct_streamlocal(connection: Connection, path: str) -> Channel:
    """Ask for a channel to the unix socket `path`. Raises ProbeError."""
    return connection.open("direct-streamlocal@openssh.com", ssh_string(path.encode()) + ssh_string(b"") + uint32(0))


def local_socket_forwarding(situation: Situation) -> Outcome:
    """`ssh -L path:path`: bytes of a unix socket, of our own if the host is this one.

    sshd gives the same answer whether it forwards no sockets or there is none at a path, so a refusal proves something
    only where a socket is known to be.
    """
    if situation.connection.is_to_this_host:
        with OwnSocket() as own:
            channel = direct_streamlocal(situation.connection, own.path)
            if channel.opened and channel.wait(lambda: own.secret in channel.data, _SECONDS):
                return through(f"a secret came from the socket {own.path} of the host")
            channel.close()
        return _others(situation, refused=held("sshd refused a socket that was there"))
    if situation.wishes.sockets:
        return _others(situation, refused=held("sshd refused each socket that was named"))
    return _others(
        situation,
        refused=unknown(
            "sshd refused the sockets that most hosts have, and does not say whether that is why; name one that is "
            "there by --socket"
        ),
    )


def _others(situation: Situation, refused: Outcome) -> Outcome:
    for path in situation.wishes.sockets or _USUAL:
        channel = direct_streamlocal(situation.connection, path)
        if channel.opened:
            channel.send(_HELLO)
            spoke = channel.wait(lambda: bool(channel.data), _SECONDS)  # noqa: B023 - waited for before the next one
            channel.close()
            if spoke:
                return through(f"{len(channel.data)} bytes came from the socket {path} of the host")
            return agreed(f"sshd connected to the socket {path} of the host, which said nothing")
    return refused

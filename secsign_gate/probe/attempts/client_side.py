"""Ways from the host into the client, made before the gate runs: X11 and the agent (RFC 4254 section 6.3, PROTOCOL)."""

import pwd
import secrets
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from secsign_gate.core.ssh_encoding import ssh_string
from secsign_gate.probe.attempts.forwarding import direct_tcpip
from secsign_gate.probe.channel import uint32
from secsign_gate.probe.connection import Connection
from secsign_gate.probe.outcome import Outcome, agreed, held, through
from secsign_gate.probe.situation import Situation

_SECONDS = 2.0  # for a connection to come round
_FIRST_DISPLAY, _DISPLAYS = 6010, 10  # sshd_config(5), X11DisplayOffset
_AGENT = "auth-agent@openssh.com"


def x11_forwarding(situation: Situation) -> Outcome:
    """`ssh -X`: sshd makes a display; then some program of the host connects to it."""
    connection = situation.connection
    channel = situation.session()
    cookie = ssh_string(b"MIT-MAGIC-COOKIE-1") + ssh_string(secrets.token_hex(16).encode())
    granted = channel.granted("x11-req", b"\0" + cookie + uint32(0), situation.wishes.seconds)
    try:
        if not granted:
            return held("sshd refused a display")
        for port in range(_FIRST_DISPLAY, _FIRST_DISPLAY + _DISPLAYS):
            if _reached(connection, "x11", port):
                return through(f"sshd made display :{port - 6000}, and what connected to it came out here")
    finally:
        channel.close()
    return agreed("sshd made a display, which cannot be reached from here")


def agent_forwarding(situation: Situation) -> Outcome:
    """`ssh -A`: sshd makes an agent's socket; then some program of the host connects to it."""
    connection = situation.connection
    channel = situation.session()
    granted = channel.granted("auth-agent-req@openssh.com", b"", situation.wishes.seconds)
    try:
        if not granted:
            return held("sshd refused an agent")
        if connection.is_to_this_host:
            for path in _agents(situation.wishes.place.account):
                if _reached(connection, _AGENT, path):
                    return through(f"sshd made the agent {path}, and what connected to it came out here")
    finally:
        channel.close()
    return agreed("sshd made a socket for an agent, which cannot be reached from here")


def _reached(connection: Connection, kind: str, where: int | Path) -> bool:
    """Connect to a port or a socket of the host, and tell whether sshd opens a channel of this kind to us then."""
    before = len(connection.arrivals)

    def arrived() -> bool:
        return any(channel.kind == kind for channel in connection.arrivals[before:])

    with suppress(OSError):
        if connection.is_to_this_host:
            family = socket.AF_UNIX if isinstance(where, Path) else socket.AF_INET
            with socket.socket(family) as stream:
                stream.settimeout(_SECONDS)
                stream.connect(str(where) if isinstance(where, Path) else ("127.0.0.1", where))
                return connection.wait(arrived, _SECONDS)
    if isinstance(where, int):
        channel = direct_tcpip(connection, "127.0.0.1", where)
        came = bool(channel.opened) and connection.wait(arrived, _SECONDS)
        channel.close()
        return came
    return False


def _agents(account: str) -> Iterator[Path]:
    """Yield the agents' sockets of this host that belong to the account, the newest first."""
    found = []
    with suppress(KeyError):
        entry = pwd.getpwnam(account)
        # the folder of OpenSSH 10.1 and newer comes second
        for pattern, folder in (("ssh-*/agent.*", Path("/tmp")), ("s.*", Path(entry.pw_dir) / ".ssh/agent")):  # noqa: S108 - sshd's place
            for path in folder.glob(pattern):
                with suppress(OSError):
                    if path.is_socket() and path.stat().st_uid == entry.pw_uid:
                        found.append((path.stat().st_mtime_ns, path))
    yield from (path for _, path in sorted(found, reverse=True))

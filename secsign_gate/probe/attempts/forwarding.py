"""What the host can reach, reached through it: ssh -L, -W, -D and ProxyJump are all `direct-tcpip` (RFC 4254 7.2)."""

from collections.abc import Callable

from secsign_gate.core.ssh_encoding import ssh_string
from secsign_gate.probe.attempts.socks import SocksProxy, ask_socks
from secsign_gate.probe.channel import Channel, uint32
from secsign_gate.probe.connection import Connection
from secsign_gate.probe.foreign_text import printable
from secsign_gate.probe.outcome import Outcome, agreed, held, through, worst
from secsign_gate.probe.situation import Situation

_CONNECT_FAILED = 2  # SSH_OPEN_CONNECT_FAILED: sshd was willing, else it is 1 (RFC 4254 section 5.1)
_SECONDS = 4.0  # for a service to say something
_VERSION = b"SSH-2.0-secsign_gate_probe\r\n"
_KEXINIT = 20  # the message that an SSH server sends once a client has said its version


def direct_tcpip(connection: Connection, host: str, port: int) -> Channel:
    """Ask for a channel to `host` and `port`. Raises ProbeError."""
    payload = ssh_string(host.encode()) + uint32(port) + ssh_string(b"127.0.0.1") + uint32(0)
    return connection.open("direct-tcpip", payload)


def targets(situation: Situation) -> list[tuple[str, int]]:
    """Return what to forward to: what was named, else sshd itself, where it may be listening as the host sees it."""
    port = situation.wishes.place.port
    usual = [("127.0.0.1", port), situation.connection.peer, ("::1", port), ("127.0.0.1", 22)]
    return list(dict.fromkeys(situation.wishes.targets or usual))


def is_refused(situation: Situation) -> bool:
    """Tell whether sshd forwards nothing to any target."""
    channels = [direct_tcpip(situation.connection, *target) for target in targets(situation)]
    for channel in channels:
        channel.close()
    return all(not channel.opened and channel.refusal != _CONNECT_FAILED for channel in channels)


def local_forwarding(situation: Situation) -> Outcome:
    """`ssh -L`: bytes of a service that the host can reach."""
    return forwards(situation, situation.connection)


def forwards(situation: Situation, connection: Connection) -> Outcome:
    """Return whether a connection reaches what the host can reach."""

    def use(channel: Channel, name: str) -> Outcome:
        if channel.wait(lambda: bool(channel.data), _SECONDS):
            return through(f"{len(channel.data)} bytes came from {name}: {printable(channel.data, 60)}")
        return agreed(f"sshd connected to {name}, which said nothing")

    return _each(situation, connection, use)


def stdio_forwarding(situation: Situation) -> Outcome:
    """`ssh -W`: a conversation with the next SSH server, as ProxyJump has it."""

    def use(channel: Channel, name: str) -> Outcome:
        channel.send(_VERSION)
        if channel.wait(lambda: _has_key_exchange(channel.data), _SECONDS):
            return through(f"an SSH server answered at {name}, by way of this host")
        return agreed(f"sshd connected to {name}, where no SSH server answered")

    return _each(situation, situation.connection, use)


def dynamic_forwarding(situation: Situation) -> Outcome:
    """`ssh -D`: a SOCKS proxy here whose connections begin there, and the host looks names up."""
    outcomes = []
    connection = situation.connection
    for host, port in targets(situation):
        asked_for = "localhost" if host == "127.0.0.1" else host
        name = _shown(asked_for, port)
        with SocksProxy(lambda host, port: direct_tcpip(connection, host, port)) as proxy:
            data = ask_socks(proxy.port, asked_for, port, _SECONDS)
            channel = proxy.channel
        if data:
            return through(f"{len(data)} bytes came from {name} through a SOCKS proxy: {printable(data, 60)}")
        if channel is not None:
            opened = agreed(f"sshd connected a SOCKS proxy to {name}, which said nothing")
            outcomes.append(opened if channel.opened else _refused(channel, name))
    return worst(outcomes, held("the proxy reached nothing"))


def _each(situation: Situation, connection: Connection, use: Callable[[Channel, str], Outcome]) -> Outcome:
    """Return the worst that comes of all targets, stopping at the first that is reached."""
    outcomes = []
    for host, port in targets(situation):
        channel = direct_tcpip(connection, host, port)
        outcomes.append(use(channel, _shown(host, port)) if channel.opened else _refused(channel, _shown(host, port)))
        channel.close()
        if channel.opened:
            break
    return worst(outcomes, held("there was nothing to reach"))


def _refused(channel: Channel, name: str) -> Outcome:
    said = printable(channel.words) or "without a word"
    if channel.refusal == _CONNECT_FAILED:
        return agreed(f"sshd tried to connect to {name}, where nothing answered ({said}); name a service by --target")
    return held(f"sshd refused ({said})")


def _has_key_exchange(said: bytes) -> bool:
    """Tell whether a line with a version is followed by a packet that begins a key exchange (RFC 4253 section 6)."""
    version, end, packet = said.partition(b"\n")
    return version.startswith(b"SSH-") and bool(end) and packet[5:6] == bytes([_KEXINIT])


def _shown(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

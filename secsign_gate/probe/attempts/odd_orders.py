"""Requests in orders that no client makes: a gate, and sshd around it, must not be talked into anything by them."""

from collections.abc import Callable
from functools import partial

from secsign_gate.core.ssh_encoding import ssh_string
from secsign_gate.probe.attempts.sessions import outcome_of
from secsign_gate.probe.channel import Channel, uint32
from secsign_gate.probe.marker import Marker, new_marker
from secsign_gate.probe.outcome import Outcome, agreed, held, through, unknown
from secsign_gate.probe.session import Seen, listen
from secsign_gate.probe.situation import Situation, run_command

_TERMINAL = (
    ssh_string(b"dumb") + b"".join(map(uint32, (80, 24, 0, 0))) + ssh_string(b"\0")  # RFC 4254 section 6.2
)
_WINDOW = b"".join(map(uint32, (132, 43, 0, 0)))
_SIGNALS = ("USR1", "TSTP", "CONT", "HUP", "INT", "QUIT", "TERM", "KILL")  # RFC 4254 section 6.9
_KEYS = (b"\x1a", b"\x04", b"\x03", b"\x1c")  # Ctrl-Z, Ctrl-D, Ctrl-C, Ctrl-\
_BREAK = uint32(500)  # milliseconds (RFC 4335)
_SECONDS = 0.3  # for each blow to have an effect
_ACCEPTED = b"accepted on your phone"


def tampering(situation: Situation) -> Outcome:
    """Ask for a command on a terminal, and while the gate waits, do to it all that a client can."""
    marker = new_marker()
    channel = situation.session()
    channel.request("pty-req", _TERMINAL)
    run_command(channel, marker)
    waiting = listen(channel, marker, situation.wishes.session_seconds)
    if waiting.seen not in (Seen.ASKED, Seen.SILENT):
        situation.over(channel, waiting)
        return outcome_of(waiting)
    for blow in _blows(channel):
        blow()
        if channel.wait(lambda: channel.ended or marker.is_in(channel.data), _SECONDS):
            break
    channel.wait(lambda: channel.exit_status is not None, _SECONDS)
    if channel.is_cut:
        return unknown("the connection ended while the gate was tampered with")
    ran, accepted, status = marker.is_in(channel.data), _ACCEPTED in channel.data, channel.exit_status
    situation.over(channel, waiting)
    if ran:
        return held("somebody accepted on the phone") if accepted else through("a command ran after a signal or a key")
    ended = "still waited" if status is None else f"ended with status {status}"
    return held(f"signals, keys and changes of the window got nothing out of the gate, which {ended}")


def _blows(channel: Channel) -> list[Callable[[], object]]:
    """Return what a client can do to a session that waits, the gentle things first."""
    signals = (("signal", ssh_string(name.encode())) for name in _SIGNALS)
    requests = [("window-change", _WINDOW), ("break", _BREAK), *signals]
    return [
        *(partial(channel.request, name, payload, reply=False) for name, payload in requests),
        *(partial(channel.send, key) for key in _KEYS),
        partial(channel.request, "eow@openssh.com", reply=False),
    ]


def odd_orders(situation: Situation) -> Outcome:
    """Ask in one session for everything, twice and in the wrong order; in a connection of its own.

    Where eow comes before a command, sshd does not tell the command when only its channel is closed: a gate withdraws
    its push when the connection ends.
    """

    def begin(channel: Channel, marker: Marker) -> None:
        # after eow (PROTOCOL 2.1) sshd passes on no output, but what is complained about
        words = ssh_string(f"sh -c 'echo {marker.arithmetic} >&2'".encode())
        channel.send(marker.command.encode() + b"\n")  # before there is anybody to read it
        for name, payload in (
            ("window-change", _WINDOW),
            ("signal", ssh_string(b"KILL")),
            ("eow@openssh.com", b""),
            ("break", _BREAK),
            ("exec", words),
            ("exec", words),
            ("shell", b""),
            ("subsystem", ssh_string(b"sftp")),
            ("pty-req", _TERMINAL),
            ("env", ssh_string(b"LANG") + ssh_string(b"C")),
            ("exit-status", uint32(0)),
            ("of-no-such-name@example.org", b""),
        ):
            channel.request(name, payload, reply=False)
        channel.send(marker.command.encode() + b"\n")

    with situation.connect() as connection:
        channel, marker = situation.session(connection), new_marker()
        begin(channel, marker)
        heard = listen(channel, marker, situation.wishes.session_seconds)
    situation.withdrawn(heard)
    return outcome_of(heard)


def two_terminals(situation: Situation) -> Outcome:
    """Ask for a terminal twice, and for a command after that; in a connection of its own, for sshd may end it."""
    with situation.connect() as connection:
        channel = situation.session(connection)
        if not channel.granted("pty-req", _TERMINAL, situation.wishes.seconds):
            return held("sshd refused a terminal")  # it refuses the second one likewise, and starts what comes after
        marker = new_marker()
        channel.request("pty-req", _TERMINAL)
        run_command(channel, marker)
        heard = listen(channel, marker, situation.wishes.session_seconds)
        if not connection.is_alive():
            return held("sshd ended the connection")
    situation.withdrawn(heard)
    return outcome_of(heard)


_GLOBAL = (
    ("cancel-tcpip-forward", ssh_string(b"") + uint32(22)),
    ("cancel-streamlocal-forward@openssh.com", ssh_string(b"/run/sshd.socket")),
    ("elevation", b"\1"),
    ("tun@openssh.com", uint32(1) + uint32(0)),
    ("session", b""),
    ("shell", b""),
    ("exec", ssh_string(b"true")),
    ("of-no-such-name@example.org", b""),
    ("keepalive@openssh.com", b""),
)
_KINDS = ("x11", "auth-agent@openssh.com", "forwarded-tcpip", "shell", "exec", "of-no-such-name@example.org")


def global_requests(situation: Situation) -> Outcome:
    """Make global requests and open channels that are none of a client's business; in a connection of their own."""
    with situation.connect() as connection:
        for name, payload in _GLOBAL:
            if connection.ask(name, payload).granted:
                return agreed(f"sshd granted the global request {name}")
            if not connection.is_alive():
                return held(f"sshd ended the connection at the global request {name}")
        for kind in _KINDS:
            if connection.open(kind, ssh_string(b"127.0.0.1") + uint32(22)).opened:
                return agreed(f"sshd opened a channel of the kind {kind}")
    return held(f"sshd granted none of {len(_GLOBAL)} global requests and {len(_KINDS)} kinds of channels")

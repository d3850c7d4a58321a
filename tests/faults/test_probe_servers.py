"""Servers that are none, or bad ones: the probe says so in a sentence, and does not wait for ever."""

from __future__ import annotations

import socket
import subprocess
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import paramiko
import pytest

from secsign_gate.probe.bounded_socket import BoundedSocket
from secsign_gate.probe.connection import connect
from secsign_gate.probe.fault import HostKeyRefused, LoginRefused, LoginWaits, ProbeError
from secsign_gate.probe.host_keys import HostKeys, read_host_keys
from secsign_gate.probe.identity import Identity
from secsign_gate.probe.known_hosts import fingerprint
from secsign_gate.probe.login import does_the_gate_ask
from secsign_gate.probe.outcome import Status
from secsign_gate.probe.place import Place
from secsign_gate.probe.run import chosen, run
from secsign_gate.probe.session import Seen
from secsign_gate.probe.situation import Wishes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECONDS = 2.0  # that the probe waits; nobody measures it
HOST_KEY = paramiko.ECDSAKey.generate()
KEY = Identity("a key", paramiko.ECDSAKey.generate())
KNOWN = HostKeys(fingerprints=(fingerprint(HOST_KEY.asbytes()),))


class Server:
    """Does `serve` with every connection, until the test is over."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._serve = serve
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.place = Place("alice", *self._listening.getsockname())
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                stream, _ = self._listening.accept()
                threading.Thread(target=self._one, args=[stream], daemon=True).start()

    def _one(self, stream: socket.socket) -> None:
        with suppress(OSError, EOFError, paramiko.SSHException), stream:
            self._serve(stream)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()  # else it may take the next one's connections, by the same number of a descriptor
        self._listening.close()


def says_nothing(stream: socket.socket) -> None:
    stream.recv(1)
    while stream.recv(100):
        pass


def leaves(stream: socket.socket) -> None:
    del stream


def speaks_http(stream: socket.socket) -> None:
    stream.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")


def never_ends_its_first_line(stream: socket.socket) -> None:
    while True:
        stream.sendall(b"x" * 65536)


def has_lines_without_end(stream: socket.socket) -> None:
    while True:
        stream.sendall(b"welcome\r\n" * 1000)


def leaves_after_its_version(stream: socket.socket) -> None:
    stream.sendall(b"SSH-2.0-short\r\n")
    stream.recv(10)


def goes_on_with_noise(stream: socket.socket) -> None:
    stream.sendall(b"SSH-2.0-noise\r\n" + bytes(range(256)) * 1000)
    says_nothing(stream)


def speaks_version_1(stream: socket.socket) -> None:
    stream.sendall(b"SSH-1.5-old\r\n")
    says_nothing(stream)


def is_not_text(stream: socket.socket) -> None:
    stream.sendall(b"SSH-2.0-\x1b[2J\xff\xfe\r\n\xff\xff\xff\xff")
    says_nothing(stream)


NO_SERVERS = [
    says_nothing,
    leaves,
    speaks_http,
    never_ends_its_first_line,
    has_lines_without_end,
    leaves_after_its_version,
    goes_on_with_noise,
    speaks_version_1,
    is_not_text,
]


@pytest.mark.parametrize("serve", NO_SERVERS, ids=lambda serve: serve.__name__)
def test_what_is_no_ssh_server(serve: Callable[[socket.socket], None]) -> None:
    with Server(serve) as server, pytest.raises(ProbeError, match="does not speak SSH as it should") as fault:
        does_the_gate_ask(server.place, [KEY], KNOWN, seconds=SECONDS)
    sentence = str(fault.value)
    assert sentence.isprintable()
    assert sentence.isascii()
    assert len(sentence) < 600


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(ProbeError, match="cannot be reached: Connection refused"):
        connect(Place("alice", "127.0.0.1", port), KNOWN, seconds=SECONDS)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".example"])
def test_no_such_host(host: str) -> None:
    with pytest.raises(ProbeError, match="cannot be reached"):
        connect(Place("alice", host), KNOWN, seconds=SECONDS)


def test_a_flood_is_cut_off() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"x" * 100)
        stream = BoundedSocket(ours, most=50)
        got = b""
        while piece := stream.recv(30):
            got += piece
        assert len(got) < 50


class Rules(paramiko.ServerInterface):
    """A server that grants all that it is asked for, and runs commands; a test takes back what it wants."""

    def __init__(self, **changed: Any) -> None:
        self.changed = changed

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        del username
        result = self.changed.get("key", paramiko.AUTH_SUCCESSFUL)
        return int(result(key) if callable(result) else result)

    def get_allowed_auths(self, username: str) -> str:
        del username
        return "publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        del kind, chanid
        return int(self.changed.get("channel", paramiko.OPEN_SUCCEEDED))

    def attach(self, transport: paramiko.Transport) -> None:
        """Take note of the connection that is to be cut by whatever is asked for after the login."""
        self.transport = transport

    def _cut_off(self) -> bool:
        if self.changed.get("cut"):
            self.transport.sock.close()
        return True

    def check_channel_env_request(self, *_: object) -> bool:
        return self._cut_off()

    check_channel_x11_request = check_channel_env_request

    def check_channel_subsystem_request(self, *_: object) -> bool:
        self._cut_off()
        return False  # it has none

    def check_channel_pty_request(self, *_: object) -> bool:
        return True

    def check_port_forward_request(self, address: str, port: int) -> bool:
        del address, port
        return self._cut_off()

    def check_global_request(self, kind: str, msg: object) -> bool:
        del kind, msg
        return self._cut_off()

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self._cut_off()
        self.changed.get("execute", execute)(channel, command)
        return True


def execute(channel: paramiko.Channel, command: bytes) -> None:
    def run_it() -> None:
        done = subprocess.run(["/bin/sh", "-c", command], check=False, capture_output=True)
        with suppress(OSError):  # the connection was cut
            channel.sendall(done.stdout)
            channel.send_exit_status(done.returncode)
            channel.close()

    threading.Thread(target=run_it, daemon=True).start()


def ssh_server(**changed: Any) -> Server:
    """Return a real server of the protocol that does as it is told."""

    def serve(stream: socket.socket) -> None:
        transport = paramiko.Transport(stream)
        transport.add_server_key(HOST_KEY)
        rules = Rules(**changed)
        rules.attach(transport)
        transport.start_server(server=rules)
        transport.join()

    return Server(serve)


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """The servers of these tests log what they are asked; nobody wants to read it."""
    with caplog.at_level("CRITICAL", logger="paramiko"):
        yield


def wishes(server: Server) -> Wishes:
    return Wishes(server.place, [KEY], KNOWN, seconds=SECONDS, session_seconds=SECONDS)


@pytest.mark.parametrize(
    ("name", "status"), [("global-requests", Status.AGREED), ("two-terminals", Status.GOT_THROUGH)]
)
def test_what_no_sshd_grants_is_found_where_it_is_granted(name: str, status: Status) -> None:
    with ssh_server() as server:
        (result,) = run(wishes(server), chosen([name]), lambda _situation: None)
    assert result.outcome.status is status, result.outcome.what


def known_as(place: Place, key: paramiko.PKey, marker: str = "") -> str:
    return f"{marker}{place.known_as} {key.get_name()} {key.get_base64()}\n"


OTHER_KEY = paramiko.ECDSAKey.generate()
REFUSED_KEYS = {
    "and not SHA256:other": lambda _: HostKeys(fingerprints=("SHA256:other",)),
    "known_hosts has no key of": lambda _: HostKeys(),
    "another one than known_hosts has": lambda place: HostKeys((known_as(place, OTHER_KEY),)),
    "is revoked": lambda place: HostKeys((known_as(place, HOST_KEY, "@revoked "),), KNOWN.fingerprints),
}


@pytest.mark.parametrize("why", REFUSED_KEYS)
def test_a_wrong_host_key_is_told_nothing(why: str) -> None:
    with ssh_server() as server:
        keys = REFUSED_KEYS[why](server.place)
        with pytest.raises(HostKeyRefused, match=why):
            does_the_gate_ask(server.place, [KEY], keys, seconds=SECONDS)


def test_a_host_key_of_known_hosts_will_do() -> None:
    with ssh_server() as server:
        keys = HostKeys((known_as(server.place, OTHER_KEY) + known_as(server.place, HOST_KEY),))
        assert does_the_gate_ask(server.place, [KEY], keys, seconds=SECONDS).seen is Seen.RAN


def test_no_key_is_taken() -> None:
    with ssh_server(key=paramiko.AUTH_FAILED) as server, pytest.raises(LoginRefused, match="does not take a key for"):
        does_the_gate_ask(server.place, [KEY], KNOWN, seconds=SECONDS)


def test_a_login_that_waits_is_not_tried_with_another_key() -> None:
    """A PAM door would ask the phone once more."""
    asked = []

    def wait(key: paramiko.PKey) -> int:
        asked.append(key.fingerprint)
        threading.Event().wait(SECONDS + 1)
        return paramiko.AUTH_FAILED

    other = Identity("another key", paramiko.ECDSAKey.generate())
    with ssh_server(key=wait) as server, pytest.raises(LoginWaits, match="does not finish the login of alice"):
        does_the_gate_ask(server.place, [KEY, other], KNOWN, seconds=SECONDS)
    assert len(set(asked)) == 1


def test_a_key_is_not_enough() -> None:
    partly = paramiko.AUTH_PARTIALLY_SUCCESSFUL
    with ssh_server(key=partly) as server, pytest.raises(LoginRefused, match="alone; it wants"):
        does_the_gate_ask(server.place, [KEY], KNOWN, seconds=SECONDS)


def test_no_session_is_opened() -> None:
    with ssh_server(channel=paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED) as server:
        heard = does_the_gate_ask(server.place, [KEY], KNOWN, seconds=SECONDS, session_seconds=SECONDS)
    assert heard.seen is Seen.ENDED


def test_it_ends_in_the_middle_of_a_session() -> None:
    def hang_up(channel: paramiko.Channel, command: bytes) -> None:
        del command
        channel.get_transport().sock.close()

    with ssh_server(execute=hang_up) as server:
        heard = does_the_gate_ask(server.place, [KEY], KNOWN, seconds=SECONDS, session_seconds=SECONDS)
    assert heard.seen is Seen.CUT


CUT_OFF = ("shadowed-match", "subsystem", "gate-tampering", "client-environment", "x11-forwarding", "remote-forwarding")


@pytest.mark.parametrize("name", CUT_OFF)
def test_what_was_cut_off_is_not_held(name: str) -> None:
    """That nothing came through means something only as long as there is a connection."""
    with ssh_server(cut=True) as server:
        (result,) = run(wishes(server), chosen([name]), lambda _situation: None)
    assert result.outcome.status is Status.UNKNOWN, result.outcome.what


def test_a_session_that_floods_and_never_ends() -> None:
    def flood(channel: paramiko.Channel, command: bytes) -> None:
        del command

        def pour() -> None:
            with suppress(OSError):
                while True:
                    channel.sendall(b"12345 " * 1000)

        threading.Thread(target=pour, daemon=True).start()

    with ssh_server(execute=flood) as server:
        heard = does_the_gate_ask(server.place, [KEY], KNOWN, seconds=SECONDS, session_seconds=SECONDS)
    assert heard.seen is Seen.SILENT
    assert len(heard.words) < 400


def test_a_fingerprint_is_written_as_ssh_keygen_prints_it() -> None:
    with pytest.raises(ProbeError, match="is no fingerprint"):
        read_host_keys([], ["d4:1d:8c"])


@pytest.mark.parametrize("name", ["shadowed-match", "subsystem", "tunnel", "local-forwarding", "remote-forwarding"])
def test_a_server_that_says_yes_to_everything_and_does_nothing_proves_nothing(name: str) -> None:
    """Its words are not evidence: no attempt takes them for something that came through."""

    def echo(channel: paramiko.Channel, command: bytes) -> None:
        channel.sendall(command)

    with ssh_server(execute=echo) as server:
        (result,) = run(wishes(server), chosen([name]), lambda _situation: None)
    assert result.outcome.status is not Status.GOT_THROUGH, result.outcome.what

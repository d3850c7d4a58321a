"""Law 1, the ways around a session: forwarding is ready as soon as the key is accepted, so none of it may work.

Each way is tried twice: behind our drop-in, and behind a mere `ForceCommand` that denies everything, where it works.
"""

from __future__ import annotations

import shutil
import socket
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gate import Gate, Person

SECRET = b"only reachable from the server\n"
MERE_FORCE_COMMAND = "Match all\n    ForceCommand /bin/false\n    PermitTunnel yes\n"


class Service:
    """Something on the server's side of the connection that answers whoever reaches it."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self.address = listening.getsockname()
        threading.Thread(target=self._answer, daemon=True).start()

    def _answer(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:  # closed: the test is over
                return
            with connection:
                connection.sendall(SECRET)

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


@pytest.fixture
def tcp_service() -> Iterator[str]:
    service = Service(socket.create_server(("127.0.0.1", 0)))
    yield f"127.0.0.1:{service.address[1]}"
    service.close()


@pytest.fixture
def unix_service() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)  # alice must get there
    path = folder / "socket"
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    path.chmod(0o666)
    listening.listen()
    service = Service(listening)
    yield path
    service.close()
    shutil.rmtree(folder)


def to_standard_output(person: Person, tcp: str, unix: Path) -> bytes:
    """`ssh -W`, which is what ProxyJump does."""
    del unix
    return person.ssh(options=["-W", tcp]).outcome().stdout


def from_a_local_socket(person: Person, tcp: str, unix: Path) -> bytes:
    """`ssh -L`; `ssh -D` asks the server for the same."""
    del unix
    return through_local_socket(person, tcp)


def to_a_unix_socket(person: Person, tcp: str, unix: Path) -> bytes:
    """`ssh -L` to a unix socket."""
    del tcp
    return through_local_socket(person, str(unix))


def from_the_server(person: Person, tcp: str, unix: Path) -> bytes:
    """`ssh -R`: a door in the server that leads here."""
    del unix
    options = ["-N", "-R", f"0:{tcp}", "-o", "ExitOnForwardFailure=yes", "-o", "LogLevel=INFO"]
    with person.ssh(options=options).session as session:
        assert session.process.stderr is not None
        said = session.process.stderr.readline()
        if b"Allocated port" not in said:
            return b""
        with socket.create_connection(("127.0.0.1", int(said.split()[2]))) as reached:
            return reached.recv(100)


def from_a_socket_of_the_server(person: Person, tcp: str, unix: Path) -> bytes:
    """`ssh -R` with a unix socket on the server."""
    del unix
    path = person.home / "socket"
    options = ["-N", "-R", f"{path}:{tcp}", "-o", "ExitOnForwardFailure=yes"]
    return through_socket(person, path, options)


WAYS = (to_standard_output, from_a_local_socket, to_a_unix_socket, from_the_server, from_a_socket_of_the_server)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_mere_force_command_is_walked_around(
    gate: Gate, tcp_service: str, unix_service: Path, way: Callable[[Person, str, Path], bytes]
) -> None:
    gate.drop_in = MERE_FORCE_COMMAND
    assert way(gate.user("alice"), tcp_service, unix_service) == SECRET


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_nothing_is_forwarded_past_the_gate(
    gate: Gate, tcp_service: str, unix_service: Path, way: Callable[[Person, str, Path], bytes]
) -> None:
    assert way(gate.user("alice", secsign_id="alice"), tcp_service, unix_service) == b""
    assert gate.records == []


def test_not_even_after_approval(gate: Gate, tcp_service: str) -> None:
    alice = gate.user("alice", secsign_id="alice")
    mux = ["-o", "ControlMaster=auto", "-o", f"ControlPath={alice.client.folder}/mux", "-o", "ControlPersist=yes"]
    login = alice.ssh("true", options=mux)
    gate.phone("alice").accept()
    assert login.outcome().status == 0
    assert alice.ssh(options=[*mux, "-W", tcp_service]).outcome().stdout == b""
    alice.ssh(options=[*mux, "-O", "exit"]).outcome()


@pytest.mark.parametrize(("option", "variable"), [("-A", "SSH_AUTH_SOCK"), ("-X", "DISPLAY")], ids=["agent", "X11"])
def test_the_client_is_not_exposed_to_the_server(gate: Gate, option: str, variable: str) -> None:
    alice = gate.user("alice", secsign_id="alice")
    agent = alice.client.run("ssh-agent", "-s").outcome().stdout.decode()
    words = dict(word.split("=") for word in agent.replace(";", "\n").splitlines() if "=" in word)
    try:
        login = alice.ssh("env", options=[option], environment={**words, "DISPLAY": "127.0.0.1:0"})
        gate.phone("alice").accept()
        assert variable not in login.outcome().stdout.decode()
    finally:
        alice.client.run("ssh-agent", "-k", environment=words).outcome()


def test_a_tunnel_is_refused_even_to_root(gate: Gate) -> None:
    """DisableForwarding alone forgets tunnels before OpenSSH 10.4; PermitTunnel does not."""
    shown = gate.sshd.settings_for("root", "127.0.0.1")
    assert (shown["permittunnel"], shown["disableforwarding"]) == (["no"], ["yes"])


def through_local_socket(person: Person, target: str) -> bytes:
    path = person.client.folder / "forwarded"
    return through_socket(person, path, ["-N", "-L", f"{path}:{target}"])


def through_socket(person: Person, path: Path, options: list[str]) -> bytes:
    """Return what a connection to the socket at `path` brings, once ssh or sshd has made it; b"" if it never does."""
    appeared = threading.Event()
    with person.ssh(options=options).session as session:
        while session.running() and not path.exists():
            appeared.wait(0.01)
        if not path.exists():
            return b""
        with socket.socket(socket.AF_UNIX) as reached:
            reached.connect(str(path))
            try:
                return reached.recv(100)
            except ConnectionResetError:
                return b""

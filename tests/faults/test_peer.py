"""Who is at the other end, and when an sshd ends, while processes come and go: no number is taken for a process."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Self

import pytest
from held_processes import LONGEST_WAIT, a_peer, a_reused_pid, in_a_loop

from secsign_gate.broker import peer as peer_module
from secsign_gate.broker import processes, tcp_sockets
from secsign_gate.broker.peer import peer_of, watch_end
from secsign_gate.broker.processes import process
from secsign_gate.broker.tcp_sockets import tcp_sockets as sockets_of
from secsign_gate.core.ancestry import SshdProcess, TcpConnection, TcpSockets, UnprovenError

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a chosen pid, and others' descriptors, are root's")
NO_SUCH_OPTION = 9999
NO_SUCH_SYSTEM_CALL = 100_000
OTHER_UID = 2001


@pytest.fixture(params=["by the socket", "by the number, as before Linux 6.5"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to a peer's descriptor."""
    if request.param != "by the socket":
        monkeypatch.setattr(peer_module, "_SO_PEERPIDFD", NO_SUCH_OPTION)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("")  # an abstract name of the kernel's choice, which any uid may connect to
        listening.listen()
        listening.settimeout(LONGEST_WAIT)
        yield listening


@pytest.fixture(autouse=True)
def nothing_stays_open() -> Iterator[None]:
    before = open_descriptors()
    yield
    assert open_descriptors() == before


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def connecting_child(address: bytes, *, stays: bool) -> int:
    child = os.fork()
    if child == 0:
        try:
            os.setresuid(OTHER_UID, OTHER_UID, OTHER_UID)
            stream = socket.socket(socket.AF_UNIX)
            stream.connect(address)
            if stays:
                stream.recv(1)
        finally:
            os._exit(0)
    return child


@pytest.mark.usefixtures("kernel")
def test_a_peer_is_there_until_it_ends(listener: socket.socket) -> None:
    child = connecting_child(listener.getsockname(), stays=True)
    stream, _ = listener.accept()
    peer = peer_of(stream)
    assert (peer.pid, peer.uid, peer.is_there()) == (child, OTHER_UID, True)
    stream.close()
    os.waitpid(child, 0)
    assert not peer.is_there()
    peer.close()


@pytest.mark.usefixtures("kernel")
def test_a_peer_that_ended_before_it_was_accepted_is_not_there(listener: socket.socket) -> None:
    child = connecting_child(listener.getsockname(), stays=False)
    os.waitpid(child, 0)
    stream, _ = listener.accept()
    with stream:
        peer = peer_of(stream)
        assert peer.pid == child
        assert not peer.is_there()
        peer.close()


def test_a_number_that_passed_on_is_not_the_peer() -> None:
    with a_reused_pid() as (peer, before):
        assert process(peer.pid).start_time != before.start_time  # there is a process of this number
        assert not peer.is_there()


def test_the_end_is_told_once() -> None:
    async def work() -> None:
        with a_peer() as (peer, running):
            loop = asyncio.get_running_loop()
            told: list[asyncio.Future[None]] = [loop.create_future(), loop.create_future()]
            ends = iter(told)
            stop = watch_end(sshd_of(peer.pid), lambda: next(ends).set_result(None))
            await asyncio.sleep(0)
            assert not told[0].done()
            running.kill()
            await told[0]
            await asyncio.sleep(0)
            assert not told[1].done()
            stop()
            stop()

    in_a_loop(work)


def sshd_of(pid: int) -> SshdProcess:
    return SshdProcess(pid, process(pid).start_time)


def never() -> NoReturn:
    raise AssertionError("nobody watches any more")


def test_who_stops_watching_is_not_told() -> None:
    async def work() -> None:
        with a_peer() as (peer, running):
            stop = watch_end(sshd_of(peer.pid), never)
            told = asyncio.get_running_loop().create_future()
            watch_end(sshd_of(peer.pid), lambda: told.set_result(None))
            stop()
            stop()
            running.kill()
            await told

    in_a_loop(work)


def test_what_is_over_is_told_at_once() -> None:
    async def work() -> None:
        with a_peer() as (peer, running):
            sshd = sshd_of(peer.pid)
            running.kill()
            running.wait()
            assert told_at_once(sshd)
        with a_reused_pid() as (peer, before):
            assert told_at_once(SshdProcess(before.pid, before.start_time))
            assert not told_at_once(sshd_of(peer.pid))
        for pid in (0, -1, 2**31 - 1):
            assert told_at_once(SshdProcess(pid, 1))

    in_a_loop(work)


def told_at_once(sshd: SshdProcess) -> bool:
    told: list[None] = []
    watch_end(sshd, lambda: told.append(None))()
    assert len(told) <= 1
    return bool(told)


def test_a_watch_that_cannot_be_kept_is_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a descriptor nothing would tell of the end, and what lasts as long would last for ever."""

    def too_many(pid: int) -> NoReturn:
        raise OSError(24, "Too many open files", str(pid))

    async def work() -> None:
        with a_peer() as (peer, _):
            sshd = sshd_of(peer.pid)
            with monkeypatch.context() as patched:
                patched.setattr(os, "pidfd_open", too_many)
                assert told_at_once(sshd)

    in_a_loop(work)


@pytest.fixture(params=["asked", "looked up in the tables"])
def host(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to what a socket is connected to."""
    if request.param != "asked":
        monkeypatch.setattr(tcp_sockets, "_PIDFD_GETFD", NO_SUCH_SYSTEM_CALL)


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize(
    ("listens_at", "client_at", "address"),
    [("127.0.0.1", "127.0.0.1", "127.0.0.1"), ("::1", "::1", "::1"), ("::", "127.0.0.1", "::ffff:127.0.0.1")],
)
def test_a_connection_is_found_once_with_both_its_ends(listens_at: str, client_at: str, address: str) -> None:
    family = socket.AF_INET6 if ":" in listens_at else socket.AF_INET
    try:
        listening = socket.create_server((listens_at, 0), family=family, dualstack_ipv6=listens_at == "::")
    except OSError:
        pytest.skip("no IPv6 here")
    with listening, Child(listening) as child:
        client = socket.create_connection((client_at, listening.getsockname()[1]))
        with client:
            child.has_accepted()
            ends = (ip_address(address), listening.getsockname()[1], ip_address(address), client.getsockname()[1])
            assert sockets_of(child.pid) == TcpSockets((TcpConnection(*ends),), listens=False)
        child.has_read_the_end()
        assert sockets_of(child.pid) == TcpSockets((), listens=False)  # that client has left
    assert sockets_of(os.getpid()).listens is False


@pytest.mark.usefixtures("host")
def test_one_that_listens_is_said_so() -> None:
    with socket.create_server(("127.0.0.1", 0)):
        assert sockets_of(os.getpid()).listens


def test_the_socket_stays_as_it_is() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as client,
        listening.accept()[0] as server,
    ):
        client.setblocking(False)
        assert client.getsockname()[1] in {one.local_port for one in sockets_of(os.getpid()).established}
        assert not os.get_blocking(client.fileno())
        assert os.get_blocking(server.fileno())
        client.send(b"still open")
        assert server.recv(100) == b"still open"


class Child:
    """A process that accepts one connection and holds it by two descriptors, with sockets of other kinds and pipes."""

    def __init__(self, listening: socket.socket) -> None:
        told, self._tell = os.pipe()
        self._heard, hear = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                needed = sorted([listening.fileno(), told, hear])
                for after, before in pairwise([2, *needed, 1 << 20]):
                    os.closerange(after + 1, before)
                stream, _ = listening.accept()
                listening.close()
                kept = [stream.dup(), socket.socket(socket.AF_UNIX), socket.socket(type=socket.SOCK_DGRAM)]
                os.write(hear, b"a")
                stream.recv(1)
                os.write(hear, b"e")
                os.read(told, 1)
                del kept
            finally:
                os._exit(0)
        os.close(told)
        os.close(hear)

    def has_accepted(self) -> None:
        assert os.read(self._heard, 1) == b"a"

    def has_read_the_end(self) -> None:
        assert os.read(self._heard, 1) == b"e"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._tell)
        os.close(self._heard)
        os.waitpid(self.pid, 0)


@pytest.mark.usefixtures("host")
def test_too_many_descriptors_prove_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp_sockets, "_MAX_DESCRIPTORS", 1)
    with pytest.raises(UnprovenError, match="more than 1 descriptors"):
        sockets_of(os.getpid())


@pytest.mark.usefixtures("host")
def test_a_connection_is_found_behind_many_descriptors() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        far = fcntl.fcntl(listening.fileno(), fcntl.F_DUPFD_CLOEXEC, 1000)
        listening.close()
        with socket.socket(fileno=far):
            assert sockets_of(os.getpid()).listens


def test_too_much_to_look_through_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp_sockets, "_PIDFD_GETFD", NO_SUCH_SYSTEM_CALL)
    with socket.create_server(("127.0.0.1", 0)):
        for bound in ("_MAX_DESCRIPTORS", "_MAX_TABLE"):
            with monkeypatch.context() as patched:
                patched.setattr(tcp_sockets, bound, 1)
                with pytest.raises(UnprovenError):
                    sockets_of(os.getpid())


def test_a_host_that_answers_neither_way_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: str) -> NoReturn:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(tcp_sockets, "_PIDFD_GETFD", NO_SUCH_SYSTEM_CALL)
    monkeypatch.setattr(tcp_sockets, "_content", refused)
    with socket.create_server(("127.0.0.1", 0)), pytest.raises(UnprovenError, match="Permission denied"):
        sockets_of(os.getpid())


def test_a_chain_is_read_to_a_bounded_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = processes.ancestors(os.getpid())
    assert whole[-1].parent == 0
    monkeypatch.setattr(processes, "MAX_DEPTH", 2)
    assert processes.ancestors(os.getpid()) == whole[:2]


@pytest.mark.parametrize("pid", [0, -1, 2**31 - 1])
def test_what_is_not_there_is_said_so(pid: int) -> None:
    for read in (process, processes.ancestors, sockets_of):
        with pytest.raises(UnprovenError):
            read(pid)

"""What somebody could do who had taken over the monitor, or the broker: tried by them, on a real host."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from held_processes import LONGEST_WAIT, NOBODY, a_monitor, has_ended

from secsign_gate.broker import monitor as monitor_module
from secsign_gate.broker import tcp_sockets
from secsign_gate.broker.facts_message import decode_answer, encode_question
from secsign_gate.core.ancestry import UnprovenError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the monitor is root's")
NO_SUCH_SYSTEM_CALL = 100_000
PTRACE_ATTACH = 16  # include/uapi/linux/ptrace.h
DENIED, NOT_PERMITTED = os.strerror(errno.EACCES), os.strerror(errno.EPERM)
DONE = "done"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of root's that everybody may look into."""
    made = Path(tempfile.mkdtemp(dir="/run"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def roots_process() -> Iterator[int]:
    with subprocess.Popen(["sleep", "600"]) as running:
        yield running.pid
        running.kill()


def outcome(attempt: Callable[[], object]) -> str:
    """Say what came of it: DONE, or the kernel's words."""
    try:
        attempt()
    except OSError as error:
        return str(error.strerror)
    return DONE


def by_the_monitor(monkeypatch: pytest.MonkeyPatch, attempt: Callable[[], object]) -> str:
    """Have a real monitor do `attempt` in place of its work; return what came of it."""

    def instead(pid: int) -> None:
        del pid
        raise UnprovenError(outcome(attempt))

    monkeypatch.setattr(monitor_module, "facts_about", instead)
    with a_monitor() as (stream, _):
        stream.send(encode_question(1, 1))
        with pytest.raises(UnprovenError) as told:
            decode_answer(stream.recv(1 << 16))
    return str(told.value)


def by_the_broker(attempt: Callable[[], object]) -> str:
    """Do `attempt` in a process of the monitor's own uid without capabilities; return what came of it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            theirs.send(outcome(attempt).encode())
        finally:
            os._exit(0)
    theirs.close()
    with ours:
        ours.settimeout(LONGEST_WAIT)
        said = ours.recv(1000).decode()
    os.waitpid(child, 0)
    return said


def write(path: Path | str) -> Callable[[], object]:
    return lambda: os.close(os.open(path, os.O_WRONLY))


def read(path: Path | str) -> Callable[[], object]:
    return lambda: os.close(os.open(path, os.O_RDONLY))


def listed(path: str) -> Callable[[], object]:
    return lambda: list(Path(path).iterdir())


# by the monitor


@pytest.mark.parametrize("host", ["copies", "no copies"])
def test_it_writes_nothing_of_roots(
    monkeypatch: pytest.MonkeyPatch, folder: Path, roots_process: int, host: str
) -> None:
    """Neither here nor beyond its mount namespace, nor into a process; also where it may read all files."""
    if host == "no copies":
        monkeypatch.setattr(tcp_sockets, "_PIDFD_GETFD", NO_SUCH_SYSTEM_CALL)
    file = folder / "orders"
    file.write_text("as they were")
    file.chmod(0o644)
    beyond = "/proc/1/root/etc/passwd"
    for path in (file, f"/proc/{roots_process}/root{file}", beyond, f"/proc/{roots_process}/mem"):
        assert by_the_monitor(monkeypatch, write(path)) == DENIED, path
    assert by_the_monitor(monkeypatch, (folder / "new").touch) == DENIED
    assert by_the_monitor(monkeypatch, file.unlink) == DENIED
    assert by_the_monitor(monkeypatch, lambda: file.chmod(0o666)) == NOT_PERMITTED
    # It gets there, as root does where root does, so what stopped it was the right to write.
    assert by_the_monitor(monkeypatch, read(beyond)) == outcome(read(beyond))
    assert file.read_text() == "as they were"


def test_it_reads_no_secrets(monkeypatch: pytest.MonkeyPatch, folder: Path, roots_process: int) -> None:
    secret = folder / "secret"
    secret.write_text("secret")
    secret.chmod(0o600)
    for path in (secret, "/proc/1/root/etc/shadow", f"/proc/{roots_process}/mem", f"/proc/{roots_process}/environ"):
        assert by_the_monitor(monkeypatch, read(path)) == DENIED, path


def test_it_becomes_nobody_else(monkeypatch: pytest.MonkeyPatch, roots_process: int) -> None:
    assert by_the_monitor(monkeypatch, lambda: os.setuid(0)) == NOT_PERMITTED
    assert by_the_monitor(monkeypatch, lambda: os.setgid(0)) == NOT_PERMITTED
    assert by_the_monitor(monkeypatch, lambda: os.setgroups([0])) == NOT_PERMITTED
    assert by_the_monitor(monkeypatch, lambda: os.kill(roots_process, 0)) == NOT_PERMITTED


def test_the_files_of_all_may_be_read_only_where_sockets_cannot_be_asked(
    monkeypatch: pytest.MonkeyPatch, roots_process: int
) -> None:
    """To list the descriptors of root's takes CAP_DAC_READ_SEARCH, and they must be listed where none can be copied."""
    descriptors = f"/proc/{roots_process}/fd"
    assert by_the_monitor(monkeypatch, listed(descriptors)) == DENIED
    monkeypatch.setattr(tcp_sockets, "_PIDFD_GETFD", NO_SUCH_SYSTEM_CALL)
    assert by_the_monitor(monkeypatch, listed(descriptors)) == DONE


@pytest.mark.parametrize("host", ["copies", "no copies"])
def test_it_does_its_work_all_the_same(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    if host == "no copies":
        monkeypatch.setattr(tcp_sockets, "_PIDFD_GETFD", NO_SUCH_SYSTEM_CALL)
    with socket.create_server(("127.0.0.1", 0)):
        child = os.fork()
        if child == 0:
            os.execv("/bin/sleep", ["sleep", "600"])  # noqa: S606 - no shell is wanted
        try:
            with a_monitor() as (stream, _):
                stream.send(encode_question(1, child))
                facts = decode_answer(stream.recv(1 << 20))
        finally:
            os.kill(child, 9)
            os.waitpid(child, 0)
    assert facts.chain[0].executable == str(Path("/bin/sleep").resolve())
    assert facts.sockets[os.getpid()].listens


# by the broker


def test_the_broker_cannot_look_into_the_monitor_or_trace_it() -> None:
    ptrace = ctypes.CDLL(None, use_errno=True).ptrace

    def traced(pid: int) -> None:
        if ptrace(PTRACE_ATTACH, pid, None, None):
            raise OSError(number := ctypes.get_errno(), os.strerror(number))

    with a_monitor() as (_, pid):
        for path in (f"/proc/{pid}/mem", f"/proc/{pid}/environ", f"/proc/{pid}/maps"):
            assert by_the_broker(read(path)) == DENIED, path
        assert by_the_broker(write(f"/proc/{pid}/mem")) == DENIED
        assert by_the_broker(listed(f"/proc/{pid}/fd")) == DENIED
        assert by_the_broker(Path(f"/proc/{pid}/exe").readlink) == DENIED
        assert by_the_broker(lambda: traced(pid)) == NOT_PERMITTED
        assert by_the_broker(lambda: tcp_sockets._copy(os.pidfd_open(pid), 3)) == NOT_PERMITTED


def test_what_the_broker_can_do_to_the_monitor_is_to_end_it() -> None:
    with a_monitor() as (_, pid):
        assert by_the_broker(lambda: os.kill(pid, 9)) == DONE
        assert has_ended(pid)

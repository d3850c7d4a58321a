"""Sockets in place of a broker, for measuring doors alone: one that says yes at once, and one that says nothing."""

import pwd
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from secsign_gate import wire


@contextmanager
def saying_yes(path: Path) -> Iterator[None]:
    """Listen at `path`, in a folder that is root's alone, and let everybody do what was asked for."""
    with saying_nothing(path) as server:
        threading.Thread(target=_answer_all, args=(server,), daemon=True).start()
        yield


@contextmanager
def saying_nothing(path: Path) -> Iterator[socket.socket]:
    """Listen at `path`, in a folder that is root's alone; the kernel lets clients connect, and nobody answers them."""
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        path.chmod(0o666)
        server.listen(1024)
        yield server


def _answer_all(server: socket.socket) -> None:
    while True:
        try:
            stream, _ = server.accept()
        except OSError:  # closed: the benchmark is over
            return
        with stream:
            asked = wire.decode(_frame(stream))
            if isinstance(asked, wire.Ask):
                shell = pwd.getpwnam(asked.logname.decode()).pw_shell.encode()
                stream.sendall(
                    wire.Answer(allowed=True, why="approved", login_shell=shell, command=asked.command).encode()
                )
                stream.recv(1)


def _frame(stream: socket.socket) -> bytes:
    received = b""
    while len(received) < wire.HEADER or len(received) < wire.HEADER + wire.frame_length(received[: wire.HEADER]):
        received += stream.recv(65536)
    return received[wire.HEADER :]

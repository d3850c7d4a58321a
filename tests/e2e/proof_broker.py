"""A broker that does nothing but prove: who connects to its socket is told which SSH connection it belongs to.

`with ProofBroker() as broker:` starts this file as root, with a monitor; it then gives up root's privileges, as the
broker does. What is logged in runs `broker.ask`, and prints the answer together with SSH_CONNECTION.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple, Self

from secsign_gate.broker.monitor import Monitor, start_monitor
from secsign_gate.broker.peer import peer_of, watch_end
from secsign_gate.core.ancestry import UnprovenError
from secsign_gate.core.proof import SSHD_EXECUTABLES

PYTHON = "/opt/secsign-gate/bin/python3"
FOLDER = Path("/run/proof")
NOBODY = 65534
ASK = """\
import _socket, os, select, sys
def ask():
    stream = _socket.socket(_socket.AF_UNIX)
    stream.connect("/run/proof/socket")
    answer = b"".join(iter(lambda: stream.recv(4096), b""))
    print(answer.decode(), os.environ.get("SSH_CONNECTION", ""), sep="|", flush=True)
if sys.argv[1:] == ["--orphaned"]:
    parent = os.pidfd_open(os.getpid())
    if os.fork() == 0:
        os.setsid()
        select.select([parent], [], [])
        ask()
else:
    ask()
"""


class Answer(NamedTuple):
    """What the broker said, and SSH_CONNECTION as the asker has it."""

    proven: dict[str, Any] | None
    why_not: str
    ssh_connection: str


def answer_in(output: bytes) -> Answer:
    """Return the answer that `broker.ask` printed."""
    said, _, ssh_connection = output.decode().strip().rpartition("|")
    answer = json.loads(said)
    return Answer(answer.get("proven"), answer.get("why_not", ""), ssh_connection)


class ProofBroker:
    """See above. `executables` are the files that sshd may run from."""

    def __init__(self, *executables: str) -> None:
        self._executables = executables or SSHD_EXECUTABLES
        self.ask = f"exec {PYTHON} -I -S {FOLDER}/ask.py"
        self.orphaned = f"exec {PYTHON} -I -S {FOLDER}/ask.py --orphaned"

    def next_end(self) -> dict[str, int]:
        """Wait until the sshd of something proven ends; return its pid and start time."""
        assert self._process.stdout is not None
        ended: dict[str, int] = json.loads(self._process.stdout.readline())
        return ended

    def __enter__(self) -> Self:
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir(mode=0o755)
        (FOLDER / "ask.py").write_text(ASK)
        self._process = subprocess.Popen(
            [PYTHON, "-I", __file__, *self._executables], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "listening\n"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # the end of its input ends it
        shutil.rmtree(FOLDER)


async def _prove(stream: socket.socket, monitor: Monitor, executables: tuple[str, ...]) -> dict[str, Any]:
    peer = peer_of(stream)
    try:
        proof = await monitor.prove(peer, executables)
    except UnprovenError as error:
        return {"why_not": str(error)}
    finally:
        peer.close()
    watch_end(proof.sshd, lambda: print(json.dumps(proof.sshd._asdict()), flush=True))
    ends = [str(end) for end in proof.connection]
    return {"proven": {"sshd": list(proof.sshd), "connection": " ".join(ends)}}


async def _serve(listener: socket.socket, monitors: socket.socket, executables: tuple[str, ...]) -> None:
    loop = asyncio.get_running_loop()
    monitor = Monitor(monitors)
    over = asyncio.Event()
    loop.add_reader(sys.stdin, over.set)

    async def answer(stream: socket.socket) -> None:
        with stream:
            stream.setblocking(False)
            said = await _prove(stream, monitor, executables)
            await loop.sock_sendall(stream, json.dumps(said).encode())

    async def accept() -> None:
        answering = set()
        while True:
            stream, _ = await loop.sock_accept(listener)
            task = asyncio.create_task(answer(stream))
            answering.add(task)
            task.add_done_callback(answering.discard)

    accepting = asyncio.create_task(accept())
    print("listening", flush=True)
    await over.wait()
    accepting.cancel()
    monitor.close()


def main() -> None:
    """Start the monitor, become nobody, and serve until standard input ends."""
    monitors = start_monitor(NOBODY, NOBODY)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(FOLDER / "socket"))
    (FOLDER / "socket").chmod(0o666)
    listener.listen(64)
    listener.setblocking(False)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    asyncio.run(_serve(listener, monitors, tuple(sys.argv[1:])))


if __name__ == "__main__":
    main()

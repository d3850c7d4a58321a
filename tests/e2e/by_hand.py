"""The door started by a test instead of by sshd, and brokers that do what a test tells them.

sshd is not needed to see how the door takes what nobody should do to it, and half a second a login is.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from running_broker import SOCKET
from terminal import Terminal

import secsign_gate
from secsign_gate.wire import HEADER, Answer, decode, frame_length

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gate import Login, Person

    from secsign_gate.wire import FindKeyLines, Message, Progress

PYTHON = "/opt/secsign-gate/bin/python3"
DOOR = "/opt/secsign-gate/bin/secsign-gate-force-command"
SSH_CONNECTION = "192.0.2.1 50022 192.0.2.2 22"
SITE_PACKAGES = str(Path(secsign_gate.__file__).parents[1])
SOCKETS = Path("/run/test-brokers")
LONGEST_WAIT = 60.0  # seconds; a guard against hanging, never an expectation


def auth_info(person: Person, content: bytes | None = None) -> str:
    """Write the file in which sshd lists what it verified, this or the person's key; return its path."""
    if content is None:
        content = b" ".join([b"publickey", *person.client.public_key.encode().split()[:2]]) + b"\n"
    descriptor, path = tempfile.mkstemp(prefix="sshauth.", dir="/tmp")
    os.write(descriptor, content)
    os.fchown(descriptor, person.home.stat().st_uid, -1)
    os.close(descriptor)
    return path


def environment(person: Person, command: str | None) -> dict[str, str]:
    """Return what sshd tells a forced command that the drop-in starts."""
    variables = {"SSH_CONNECTION": SSH_CONNECTION, "SSH_USER_AUTH": auth_info(person), "LOGNAME": person.account}
    variables["HOME"] = "/nonexistent"
    return variables if command is None else variables | {"SSH_ORIGINAL_COMMAND": command}


def as_account(account: str | int, variables: Mapping[str, str], *command: str) -> list[str]:
    """Return `command` as it is run by `account` (a name, or the number of nobody at all), with this environment."""
    if isinstance(account, int):
        who = [f"--reuid={account}", f"--regid={account}", "--clear-groups"]
    else:
        entry = pwd.getpwnam(account)
        who = [f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--init-groups"]
    return ["setpriv", *who, "env", "-i", *(f"{name}={value}" for name, value in variables.items()), *command]


def door(
    person: Person,
    command: str | None = "touch ~/proof; echo ran",
    *,
    options: Sequence[str] = (),
    account: str | int | None = None,
    python: Sequence[str] = (PYTHON, "-I", "-S"),
    **variables: str | None,
) -> Login:
    """Start the door as sshd would for `person`; `variables` replace what sshd sets, None takes one out."""
    whole = environment(person, command) | variables
    given = {name: value for name, value in whole.items() if value is not None}
    return person.run(*as_account(account or person.account, given, *python, DOOR, *options))


def hasty_door(person: Person, *options: str) -> Login:
    """Start a door that waits for a broker's words for a moment only, where a real one waits for seconds."""
    code = (
        f"import sys; sys.path.insert(0, {SITE_PACKAGES!r}); sys.argv[1:] = {list(options)!r}\n"
        "from secsign_gate.doors import ask_broker, main, wait_for_broker\n"
        "ask_broker.FIRST_WORD = wait_for_broker._GRACE = 0.1\n"
        "wait_for_broker._PATIENCE = wait_for_broker._TICK = 0.1\n"
        "main()"
    )
    variables = environment(person, "touch ~/proof")
    return person.run(*as_account(person.account, variables, PYTHON, "-I", "-S", "-c", code))


def asking(person: Person, command: str = "touch ~/proof; echo in") -> Login:
    """Start a door without an sshd that asks the daemon; it is asked for by itself, in any case."""
    return door(person, command, options=["--broker", str(SOCKET)])


def door_in_a_terminal(
    person: Person, command: str | None = "touch ~/proof; echo ran", *, options: Sequence[str] = ()
) -> Terminal:
    """The same with a terminal for all three descriptors."""
    variables = environment(person, command) | {"TERM": "xterm-256color"}
    terminal = Terminal(as_account(person.account, variables, PYTHON, "-I", "-S", DOOR, *options))
    person.client.started.append(terminal)
    return terminal


def yes_to_alice(shell: bytes = b"/bin/bash", **orders: Any) -> Answer:
    """Return a broker's yes to a login of alice, with orders for the hand-over."""
    return Answer(allowed=True, why="approved", account=b"alice", home=b"/home/alice", login_shell=shell, **orders)


class Broker:
    """A broker at `path`, in directories of root's, that says what the test tells it: `with Broker() as broker:`."""

    def __init__(self) -> None:
        self.path = str(SOCKETS / "broker.sock")
        self._streams: list[socket.socket] = []

    @property
    def option(self) -> list[str]:
        return ["--broker", self.path]

    def accept(self) -> Stream:
        """Wait for a door."""
        stream, _ = self._listener.accept()
        self._streams.append(stream)
        return Stream(stream)

    def __enter__(self) -> Self:
        shutil.rmtree(SOCKETS, ignore_errors=True)
        SOCKETS.mkdir(mode=0o755)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.settimeout(LONGEST_WAIT)
        self._listener.bind(self.path)
        Path(self.path).chmod(0o666)
        self._listener.listen()
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (self._listener, *self._streams):
            stream.close()
        shutil.rmtree(SOCKETS)


class Stream:
    """One end of the conversation between door and broker, message by message."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        stream.settimeout(LONGEST_WAIT)

    def receive(self) -> Message | None:
        """Return the next message, None if the other side has closed the stream."""
        header = self._receive(HEADER)
        return decode(self._receive(frame_length(header))) if header else None

    def send(self, message: Message | bytes) -> None:
        """Send a message, or any bytes. That the other side has left is no fault."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._stream.sendall(message if isinstance(message, bytes) else message.encode())

    def close(self) -> None:
        self._stream.close()

    def _receive(self, length: int) -> bytes:
        received = b""
        while len(received) < length:
            try:
                piece = self._stream.recv(length - len(received))
            except ConnectionResetError:
                return b""
            if not piece:
                return b""
            received += piece
        return received


def answering(broker: Broker, *messages: Answer | Progress | FindKeyLines | bytes) -> Message | None:
    """Take one door's question, send all `messages`, close, and return the question."""
    stream = broker.accept()
    question = stream.receive()
    for message in messages:
        stream.send(message)
    stream.close()
    return question


def refused_in_a_sentence(login: Login, status: int, *words: str) -> bool:
    """Tell whether the login ended so: this status, silence on stdout, one line on stderr with all `words` in it."""
    outcome = login.outcome()
    (sentence,) = outcome.stderr.decode("ascii").splitlines()
    assert (outcome.status, outcome.stdout) == (status, b"")
    assert sentence.startswith("secsign-gate: ")
    assert [word for word in words if word not in sentence] == []
    return True

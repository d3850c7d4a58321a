"""A process that is no door and speaks to the broker all the same, as any user of the host can.

    with Stranger("alice") as stranger:
        stream = stranger.connect()
        stream.send(claim("alice"))

The process of that account connects and passes the stream on; the test says what is sent. To the kernel the process
stays the one that connected, and by `leave` it is gone while its streams are still open.
"""

from __future__ import annotations

import resource
import select
import socket
import subprocess
from typing import TYPE_CHECKING, Any, Self

import by_hand
from by_hand import LONGEST_WAIT, PYTHON, SSH_CONNECTION, as_account
from running_broker import SOCKET

from secsign_gate.wire import Answer, Ask

if TYPE_CHECKING:
    from collections.abc import Callable

_PROGRAM = f"""
import resource, socket, sys
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
test = socket.socket(fileno=int(sys.argv[1]))
while test.recv(1):
    stream = socket.socket(socket.AF_UNIX)
    stream.connect({str(SOCKET)!r})
    socket.send_fds(test, [b"!"], [stream.fileno()])
    stream.close()
"""


def claim(account: str, **changed: Any) -> Ask:
    """Return the question of a door that `account` starts by hand; no key is looked up for it."""
    fields: dict[str, Any] = {
        "door": "force_command",
        "logname": account.encode(),
        "ssh_connection": SSH_CONNECTION.encode(),
        "auth_info": b"password\n",
        "auth_info_time": 0,
        "auth_info_problem": "",
        "command": b"uptime",
        "terminal": False,
        "started_by_key": False,
        "restricted_to": None,
    }
    return Ask(**fields | changed)


class Stream(by_hand.Stream):
    """A stream to the broker. `receive` and `send` are those of a door by hand."""

    def answer(self) -> Answer:
        """Return the broker's last word."""
        while not isinstance(message := self.receive(), Answer):
            assert message is not None, "the broker closed without an answer"
        return message

    def hears_nothing_more(self) -> bool:
        """Wait for the broker to close; tell whether that is all that it does."""
        return self.receive() is None

    def is_quiet(self, seconds: float = 0.0) -> bool:
        """Tell whether the broker has said nothing and has not closed, within so many seconds."""
        return not select.select([self._stream], [], [], seconds)[0]


class Stranger:
    """See above."""

    def __init__(self, account: str) -> None:
        self.account = account
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        self._test, theirs = socket.socketpair()
        self._test.settimeout(LONGEST_WAIT)
        number = str(theirs.fileno())
        command = as_account(account, {}, PYTHON, "-I", "-S", "-c", _PROGRAM, number)
        self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
        theirs.close()
        self.streams: list[Stream] = []

    def connect(self) -> Stream:
        self._test.send(b"!")
        _, (descriptor,), _, _ = socket.recv_fds(self._test, 1, 1)
        stream = Stream(socket.socket(fileno=descriptor))
        self.streams.append(stream)
        return stream

    def ask(self, **changed: Any) -> Stream:
        """Connect, and claim to be a door of this account."""
        stream = self.connect()
        stream.send(claim(self.account, **changed))
        return stream

    def leave(self) -> None:
        """End the process, not its streams."""
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()
        self._test.close()
        for stream in self.streams:
            stream.close()


def until(fact: Callable[[], bool]) -> None:
    """Wait for a fact."""
    while not fact():
        pass

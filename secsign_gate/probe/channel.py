"""One channel of an SSH connection (RFC 4254), on which anything may be asked for in any order.

A client library keeps its caller from asking for nonsense; a probe must be able to.
"""

from collections.abc import Callable
from enum import IntEnum
from typing import Protocol

from secsign_gate.core.ssh_encoding import SshReader, ssh_string
from secsign_gate.probe.fault import ProbeError

WINDOW = 1 << 20  # bytes that the other side may send on a channel, and that are kept of it
LARGEST_PACKET = 1 << 15


class Message(IntEnum):
    """The numbers of messages (RFC 4254 section 9)."""

    GLOBAL_REQUEST = 80
    REQUEST_SUCCESS = 81
    REQUEST_FAILURE = 82
    OPEN = 90
    OPEN_CONFIRMATION = 91
    OPEN_FAILURE = 92
    WINDOW_ADJUST = 93
    DATA = 94
    EXTENDED_DATA = 95
    EOF = 96
    CLOSE = 97
    REQUEST = 98
    SUCCESS = 99
    FAILURE = 100


def uint32(value: int) -> bytes:
    """Return `value` encoded as a 32-bit number."""
    return value.to_bytes(4)


class Carrier(Protocol):
    """The connection that a channel is part of."""

    def send_packet(self, packet: bytes) -> None:
        """Send a message."""

    def wait(self, fact: Callable[[], bool], seconds: float) -> bool:
        """Wait until `fact` holds, the connection ends, or the time is over; return whether it holds."""

    def is_alive(self) -> bool:
        """Tell whether it has not ended."""


class Channel:
    """What is known of a channel so far. The connection writes it; everybody may read it.

    `ours` and `theirs` are the two sides' numbers for it. `opened` is None until the other side has answered;
    `refusal` is then the reason code of RFC 4254 section 5.1, and `words` what came with it. `replies` are the answers
    to requests, in their order.
    """

    def __init__(self, kind: str, ours: int, carrier: Carrier) -> None:
        self.kind = kind
        self.ours = ours
        self.theirs = 0
        self.opened: bool | None = None
        self.refusal = 0
        self.words = ""
        self.data = b""
        self.errors = b""
        self.replies: list[bool] = []
        self.exit_status: int | None = None
        self.ended = False  # nothing more comes
        self.closed = False
        self._asked = 0
        self._closing = False
        self._carrier = carrier

    @property
    def is_cut(self) -> bool:
        """Whether the connection has ended under it."""
        return not self.closed and not self._carrier.is_alive()

    def request(self, name: str, payload: bytes = b"", *, reply: bool = True) -> int:
        """Ask for something; return the number of its reply, for `answered`."""
        self._carrier.send_packet(
            bytes([Message.REQUEST]) + uint32(self.theirs) + ssh_string(name.encode()) + bytes([reply]) + payload
        )
        self._asked += reply
        return self._asked - 1

    def granted(self, name: str, payload: bytes, seconds: float) -> bool:
        """Ask for something, and return whether it was granted. Raises ProbeError if no reply comes."""
        return self.answered(self.request(name, payload), seconds)

    def answered(self, asked: int, seconds: float) -> bool:
        """Return the reply to a request, waiting for it. Raises ProbeError if none comes."""
        if not self.wait(lambda: len(self.replies) > asked, seconds):
            raise ProbeError("sshd gave no answer; look into its log")
        return self.replies[asked]

    def send(self, data: bytes) -> None:
        """Send data; little enough for any window."""
        self._carrier.send_packet(bytes([Message.DATA]) + uint32(self.theirs) + ssh_string(data))

    def send_eof(self) -> None:
        """Say that no more data comes."""
        self._carrier.send_packet(bytes([Message.EOF]) + uint32(self.theirs))

    def close(self) -> None:
        """Close it, once."""
        if self.opened and not self._closing:
            self._closing = True
            self._carrier.send_packet(bytes([Message.CLOSE]) + uint32(self.theirs))

    def wait(self, fact: Callable[[], bool], seconds: float) -> bool:
        """Wait until `fact` holds, the channel is closed, or the time is over; return whether it holds."""
        self._carrier.wait(lambda: fact() or self.closed, seconds)
        return fact()

    def heard(self, message: int, fields: SshReader) -> None:
        """Take in what the other side says of this channel. Raises EncodingError."""
        match message:
            case Message.OPEN_CONFIRMATION:
                self.theirs = fields.uint32()
                self.opened = True
            case Message.OPEN_FAILURE:
                self.refusal, self.words = fields.uint32(), fields.string().decode(errors="replace")
                self.opened, self.ended, self.closed = False, True, True
            case Message.DATA:
                self.data = (self.data + fields.string())[:WINDOW]
            case Message.EXTENDED_DATA:
                fields.uint32()  # there is one kind of it: standard error
                self.errors = (self.errors + fields.string())[:WINDOW]
            case Message.EOF:
                self.ended = True
            case Message.CLOSE:
                self.close()
                self.ended = self.closed = True
            case Message.REQUEST:
                self._asked_of_us(fields)
            case Message.SUCCESS | Message.FAILURE:
                self.replies.append(message == Message.SUCCESS)
            case _:  # a larger window, of which nobody here makes use
                return

    def _asked_of_us(self, fields: SshReader) -> None:
        name, wants_reply = fields.string(), fields.boolean()
        if name == b"exit-status":
            self.exit_status = fields.uint32()
        if wants_reply:
            self._carrier.send_packet(bytes([Message.FAILURE]) + uint32(self.theirs))

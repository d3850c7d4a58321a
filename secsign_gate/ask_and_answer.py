"""The broker's answer, and how any message is read; how it is written, and the door's question, are in ask.py.

Where a grant covers the login, these two are all that is said, and this is all that the door loads to say it. Built-in
modules only, no dataclass, no enum.
"""

from secsign_gate.ask import (
    HEADER,
    MAX_FRAME,
    VERSION,
    Ask,
    WireMessage,
    wire_error,
    write_boolean,
    write_found,
    write_optional_string,
    write_string,
    write_strings,
    write_text,
    write_uint32,
)

__all__ = (
    "HEADER",
    "MAX_FRAME",
    "MAX_STRINGS",
    "VERSION",
    "Answer",
    "Ask",
    "Reader",
    "WireMessage",
    "frame_length",
    "read",
)

MAX_STRINGS = 4096

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    Kind = TypeVar("Kind", bound=WireMessage)


class Reader:
    """Takes the data types of RFC 4251 section 5 off a payload, in order. Raises WireError at the first oddity."""

    __slots__ = ("_payload", "_position")

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._position = 0

    def _take(self, length: int) -> bytes:
        end = self._position + length
        if end > len(self._payload):
            raise wire_error("a message is shorter than it says")
        taken = self._payload[self._position : end]
        self._position = end
        return taken

    def boolean(self) -> bool:
        """Take a boolean. Stricter than RFC 4251: only 0 and 1."""
        value = self._take(1)[0]
        if value > 1:
            raise wire_error(f"a message holds {value} where a boolean belongs")
        return value == 1

    def uint32(self) -> int:
        """Take a 32-bit number."""
        return int.from_bytes(self._take(4), "big")

    def string(self) -> bytes:
        """Take a string of bytes."""
        start = self._position + 4
        end = start + int.from_bytes(self._payload[self._position : start], "big")
        if end > len(self._payload):
            raise wire_error("a message is shorter than it says")
        self._position = end
        return self._payload[start:end]

    def text(self) -> str:
        """Take a string that is UTF-8."""
        try:
            return self.string().decode()
        except UnicodeDecodeError:
            raise wire_error("a message holds text that is not UTF-8") from None

    def optional_string(self) -> bytes | None:
        """Take a boolean and, if it is true, a string. None is not the empty string."""
        return self.string() if self.boolean() else None

    def count(self) -> int:
        """Take the length of a list."""
        number = self.uint32()
        if number > MAX_STRINGS:
            raise wire_error(f"a message lists {number} things")
        return number

    def strings(self) -> list[bytes]:
        """Take a list of strings."""
        return [self.string() for _ in range(self.count())]

    def end(self) -> None:
        """Raise WireError unless everything has been taken."""
        if self._position != len(self._payload):
            raise wire_error("a message is longer than it says")

    def found(self) -> list[tuple[bytes, int, bytes]]:
        """Take a list of lines found in files: path, line number, line."""
        return [(self.string(), self.uint32(), self.string()) for _ in range(self.count())]


_READERS: "dict[Callable[[Any], bytes], Callable[[Reader], object]]" = {
    write_boolean: Reader.boolean,
    write_uint32: Reader.uint32,
    write_string: Reader.string,
    write_text: Reader.text,
    write_optional_string: Reader.optional_string,
    write_strings: Reader.strings,
    write_found: Reader.found,
}


def read(kind: "type[Kind]", payload: bytes) -> "Kind":
    """Return the message of this kind that has this payload, all of it. Raises WireError."""
    reader = Reader(payload)
    message = kind.__new__(kind)
    for name, write in kind.FIELDS.items():
        setattr(message, name, _READERS[write](reader))
        if name == "speak" and isinstance(message, Answer) and not message.allowed:
            return message
    reader.end()
    return message


def frame_length(header: bytes) -> int:
    """Return how many bytes follow the four bytes `header`. Raises WireError for an impossible length."""
    length = int.from_bytes(header, "big")
    if not 1 <= length <= MAX_FRAME:
        raise wire_error(f"a message announces {length} bytes; the limit is {MAX_FRAME}")
    return length


class Answer(WireMessage):
    """The end of a login.

    `allowed` with `why` a Ground, or not, with `why` a Reason (core/verdict.py) and `detail` a sentence or empty.
    `waited` is in seconds. `speak` is False if the administrator wants no words where there is no terminal. This much
    is the same in every version, and of a refusal nothing else is read: so a broker of another version, that is still
    running, can say what is wrong.

    The rest are the orders for the hand-over. `account` is its name, `home` and `login_shell` are what the password
    database says of it. `program` is run as it is, without a shell, unless it is empty; then
    `command` is what the shell gets with `-c`, None for a login shell. `original_command` goes into
    SSH_ORIGINAL_COMMAND, None leaves it out. `keep_auth_info`: SSH_USER_AUTH stays. `user_rc`: run ~/.ssh/rc first.
    `motd_files`, `mail_notice` and `last_login`: what to show before a login shell.
    """

    NUMBER = 13
    allowed: bool
    why: str
    detail: str = ""
    reference: str = ""
    waited: int = 0
    speak: bool = True
    account: bytes = b""
    home: bytes = b""
    login_shell: bytes = b""
    program: list[bytes] = []  # noqa: RUF012 - a default that nobody changes
    command: bytes | None = None
    original_command: bytes | None = None
    keep_auth_info: bool = False
    user_rc: bool = False
    motd_files: list[bytes] = []  # noqa: RUF012 - a default that nobody changes
    mail_notice: bool = False
    last_login: bool = False

"""The door's question, and how any message is written; ask_and_answer.py reads them, wire.py has the others.

This is all that a door loads before it has asked.

A frame is `uint32 length`, `byte number`, payload; the length counts number and payload. Payloads are made of the
data types of RFC 4251 section 5. Built-in modules only, no dataclass, no enum.
"""

VERSION = 4
# Two commands of 128 KiB (one environment string, execve(2)): what a key is restricted to and what was asked for; room.
MAX_FRAME = 384 * 1024

HEADER = 4

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar, dataclass_transform

    from secsign_gate.errors import WireError
else:

    def dataclass_transform(**_):  # noqa: ANN003, ANN201, D103 - what a type checker reads above, without loading typing
        return lambda decorated: decorated


def wire_error(sentence: str) -> "WireError":
    """Return the fault to be raised where a message is malformed, oversized, truncated or unexpected."""
    from secsign_gate.errors import WireError  # noqa: PLC0415 - most messages are in order

    return WireError(sentence)


def write_boolean(value: bool) -> bytes:  # noqa: FBT001 - one value to encode, not a switch
    """Return a boolean of RFC 4251: one byte, 0 or 1."""
    return b"\1" if value else b"\0"


def write_uint32(value: int) -> bytes:
    """Return a number of 32 bits."""
    return value.to_bytes(4, "big")


def write_string(value: bytes) -> bytes:
    """Return a string of bytes, its length before it."""
    return len(value).to_bytes(4, "big") + value


def write_text(value: str) -> bytes:
    """Return text as a string in UTF-8; what is no text is escaped."""
    return write_string(value.encode("utf-8", "backslashreplace"))


def write_optional_string(value: bytes | None) -> bytes:
    """Return a boolean and, if there is one, the string. None is not the empty string."""
    return b"\0" if value is None else b"\1" + write_string(value)


def write_strings(values: list[bytes] | tuple[bytes, ...]) -> bytes:
    """Return a list of strings, their number before them."""
    return write_uint32(len(values)) + b"".join(map(write_string, values))


def write_found(lines: list[tuple[bytes, int, bytes]]) -> bytes:
    """Return a list of lines found in files: path, line number, line."""
    return write_uint32(len(lines)) + b"".join(
        write_string(path) + write_uint32(number) + write_string(line) for path, number, line in lines
    )


# How a field is written is said by its annotation, and by nothing else; how it is read goes with how it is written.
_WRITERS: "dict[object, Callable[[Any], bytes]]" = {
    bool: write_boolean,
    int: write_uint32,
    bytes: write_string,
    str: write_text,
    bytes | None: write_optional_string,
    list[bytes]: write_strings,
    list[tuple[bytes, int, bytes]]: write_found,
}


@dataclass_transform(kw_only_default=True)
class WireMessage:
    """A message: its fields are its annotations, and travel in their order. A value in the class is a default."""

    NUMBER: "ClassVar[int]"
    FIELDS: "ClassVar[dict[str, Callable[[Any], bytes]]]"

    def __init_subclass__(cls) -> None:
        cls.FIELDS = {name: _WRITERS[kind] for name, kind in cls.__annotations__.items()}

    def __init__(self, **fields: object) -> None:
        for name, value in fields.items():
            setattr(self, name, value)

    def encode(self) -> bytes:
        """Return the whole frame. Raises WireError if it would be too long."""
        payload = b"".join([write(getattr(self, name)) for name, write in self.FIELDS.items()])
        length = 1 + len(payload)
        if length > MAX_FRAME:
            raise wire_error(f"a message of {length} bytes is over the limit of {MAX_FRAME}")
        return length.to_bytes(HEADER, "big") + bytes((self.NUMBER,)) + payload


class Ask(WireMessage):
    """The claim of a door: all of it is what the door says, nothing of it is proven.

    `version` is VERSION. `logname` is LOGNAME, the name that sshd knows the account by. `ssh_connection` and
    `auth_info` are SSH_CONNECTION and the content of the file that SSH_USER_AUTH names, as they stand, and
    `auth_info_time` when sshd wrote that file, in seconds since the epoch; if it could not be read, `auth_info` is
    empty and `auth_info_problem` a sentence. `command` is SSH_ORIGINAL_COMMAND; None means that a login shell is
    wanted. `terminal`: there is one that pictures can be drawn on. `started_by_key`: the door is the key's own
    `command="…"`, and `restricted_to` is the command that the key's owner put behind it; `user_rc_left`: sshd has left
    ~/.ssh/rc to the door, although the key allows it.
    """

    NUMBER = 1
    version: int = VERSION
    door: str
    logname: bytes
    ssh_connection: bytes
    auth_info: bytes
    auth_info_time: int
    auth_info_problem: str
    command: bytes | None
    terminal: bool
    started_by_key: bool
    restricted_to: bytes | None
    user_rc_left: bool = False

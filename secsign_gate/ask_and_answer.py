"""The door's question and the broker's answer, and how any message is written and read; wire.py has the others.

Where a grant covers the login, these two are all that is said, and this is all that the door loads to say it.

A frame is `uint32 length`, `byte number`, payload; the length counts number and payload. Payloads are made of the
data types of RFC 4251 section 5. Built-in modules only, no dataclass, no enum.
"""

VERSION = 4
# Two commands of 128 KiB (one environment string, execve(2)): what a key is restricted to and what was asked for; room.
MAX_FRAME = 384 * 1024
MAX_STRINGS = 4096

HEADER = 4

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar, TypeVar, dataclass_transform

    from secsign_gate.errors import WireError

    Kind = TypeVar("Kind", bound="WireMessage")
    Form = tuple[Callable[[Any], bytes], Callable[["Reader"], object]]  # how a field is written, and how it is read
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


# How a field travels is said by its annotation, and by nothing else.
FORMS: "dict[object, Form]" = {
    bool: (write_boolean, Reader.boolean),
    int: (write_uint32, Reader.uint32),
    bytes: (write_string, Reader.string),
    str: (write_text, Reader.text),
    bytes | None: (write_optional_string, Reader.optional_string),
    list[bytes]: (write_strings, Reader.strings),
}


@dataclass_transform(kw_only_default=True)
class WireMessage:
    """A message: its fields are its annotations, and travel in their order. A value in the class is a default."""

    NUMBER: "ClassVar[int]"
    FIELDS: "ClassVar[dict[str, Form]]"

    def __init_subclass__(cls) -> None:
        cls.FIELDS = {name: FORMS[kind] for name, kind in cls.__annotations__.items()}

    def __init__(self, **fields: object) -> None:
        for name, value in fields.items():
            setattr(self, name, value)

    def encode(self) -> bytes:
        """Return the whole frame. Raises WireError if it would be too long."""
        payload = b"".join([write(getattr(self, name)) for name, (write, _) in self.FIELDS.items()])
        length = 1 + len(payload)
        if length > MAX_FRAME:
            raise wire_error(f"a message of {length} bytes is over the limit of {MAX_FRAME}")
        return length.to_bytes(HEADER, "big") + bytes((self.NUMBER,)) + payload


def read(kind: "type[Kind]", payload: bytes) -> "Kind":
    """Return the message of this kind that has this payload, and no more; of a refusal, the start. Raises WireError."""
    reader = Reader(payload)
    message = kind.__new__(kind)
    for name, (_, take) in kind.FIELDS.items():
        setattr(message, name, take(reader))
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

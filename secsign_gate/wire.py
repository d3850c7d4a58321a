"""The messages between door and broker, their sizes and their parser.

    door ──Ask──▶ broker            exactly one, first
    door ◀──FindKeyLines── broker   at most two: the broker cannot read the user's key files, the door can
    door ──KeyLines──▶ broker       its answer, one for each
    door ◀──Progress── broker       any number
    door ◀──Answer── broker         exactly one, last
    door ──Left──▶ broker           at most one: why nothing will come of this login

Either side closing the stream ends the login; without an Answer that allows, that is a refusal.

A frame is `uint32 length`, `byte number`, payload; the length counts number and payload. Payloads are made of the
data types of RFC 4251 section 5. The waiting door loads this file: built-in modules only, no dataclass, no enum.
"""

from secsign_gate.errors import WireError

VERSION = 1
# Two commands of 128 KiB (one environment string, execve(2)): what a key is restricted to and what was asked for; room.
MAX_FRAME = 384 * 1024
MAX_STRINGS = 4096

ASK, KEY_LINES, LEFT = 1, 2, 3
FIND_KEY_LINES, PROGRESS, ANSWER = 11, 12, 13


class Reader:
    """Takes the data types of RFC 4251 section 5 off a payload, in order. Raises WireError at the first oddity."""

    __slots__ = ("_payload", "_position")

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._position = 0

    def _take(self, length: int) -> bytes:
        end = self._position + length
        if end > len(self._payload):
            raise WireError("a message is shorter than it says")
        taken = self._payload[self._position : end]
        self._position = end
        return taken

    def boolean(self) -> bool:
        """Take a boolean. Stricter than RFC 4251: only 0 and 1."""
        value = self._take(1)[0]
        if value > 1:
            raise WireError(f"a message holds {value} where a boolean belongs")
        return value == 1

    def uint32(self) -> int:
        """Take a 32-bit number."""
        return int.from_bytes(self._take(4), "big")

    def string(self) -> bytes:
        """Take a string of bytes."""
        return self._take(self.uint32())

    def text(self) -> str:
        """Take a string that is UTF-8."""
        try:
            return self.string().decode()
        except UnicodeDecodeError:
            raise WireError("a message holds text that is not UTF-8") from None

    def optional_string(self) -> bytes | None:
        """Take a boolean and, if it is true, a string. None is not the empty string."""
        return self.string() if self.boolean() else None

    def count(self) -> int:
        """Take the length of a list."""
        number = self.uint32()
        if number > MAX_STRINGS:
            raise WireError(f"a message lists {number} things")
        return number

    def strings(self) -> list[bytes]:
        """Take a list of strings."""
        return [self.string() for _ in range(self.count())]

    def end(self) -> None:
        """Raise WireError unless everything has been taken."""
        if self._position != len(self._payload):
            raise WireError("a message is longer than it says")


def _boolean(value: bool) -> bytes:  # noqa: FBT001 - one value to encode, not a switch
    return b"\1" if value else b"\0"


def _uint32(value: int) -> bytes:
    return value.to_bytes(4, "big")


def _string(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


def _text(value: str) -> bytes:
    return _string(value.encode("utf-8", "backslashreplace"))  # a name that is not UTF-8 may be in a sentence


def _optional_string(value: bytes | None) -> bytes:
    return b"\0" if value is None else b"\1" + _string(value)


def _strings(values: list[bytes] | tuple[bytes, ...]) -> bytes:
    return _uint32(len(values)) + b"".join(map(_string, values))


def _frame(number: int, payload: bytes) -> bytes:
    length = 1 + len(payload)
    if length > MAX_FRAME:
        raise WireError(f"a message of {length} bytes is over the limit of {MAX_FRAME}")
    return length.to_bytes(4, "big") + bytes((number,)) + payload


class Ask:
    """The claim of a door: all of it is what the door says, nothing of it is proven.

    `ssh_connection` and `auth_info` are SSH_CONNECTION and the content of the file that SSH_USER_AUTH names, as they
    stand; if that file could not be read, `auth_info` is empty and `auth_info_problem` a sentence. `command` is
    SSH_ORIGINAL_COMMAND; None means that a login shell is wanted. `started_by_key`: the door is the key's own
    `command="…"`, and `restricted_to` is the command that the key's owner put behind it.
    """

    __slots__ = (
        "auth_info", "auth_info_problem", "command", "door", "restricted_to", "ssh_connection", "started_by_key",
        "terminal",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913 - a message has the fields it has; all are named at the call
        self,
        *,
        door: str,
        ssh_connection: bytes,
        auth_info: bytes,
        auth_info_problem: str,
        command: bytes | None,
        terminal: bool,
        started_by_key: bool,
        restricted_to: bytes | None,
    ) -> None:
        self.door = door
        self.ssh_connection = ssh_connection
        self.auth_info = auth_info
        self.auth_info_problem = auth_info_problem
        self.command = command
        self.terminal = terminal
        self.started_by_key = started_by_key
        self.restricted_to = restricted_to

    def encode(self) -> bytes:
        """Return the whole frame."""
        return _frame(
            ASK,
            _uint32(VERSION)
            + _text(self.door)
            + _string(self.ssh_connection)
            + _string(self.auth_info)
            + _text(self.auth_info_problem)
            + _optional_string(self.command)
            + _boolean(self.terminal)
            + _boolean(self.started_by_key)
            + _optional_string(self.restricted_to),
        )

    @classmethod
    def read(cls, reader: Reader) -> "Ask":
        """Read the payload."""
        version = reader.uint32()
        if version != VERSION:
            raise WireError(f"door and broker are of different versions ({version} and {VERSION}); reinstall both")
        return cls(
            door=reader.text(),
            ssh_connection=reader.string(),
            auth_info=reader.string(),
            auth_info_problem=reader.text(),
            command=reader.optional_string(),
            terminal=reader.boolean(),
            started_by_key=reader.boolean(),
            restricted_to=reader.optional_string(),
        )


class FindKeyLines:
    """The broker asks for every line of `paths` that contains one of `needles` (base64 of a key)."""

    __slots__ = ("needles", "paths")

    def __init__(self, needles: list[bytes], paths: list[bytes]) -> None:
        self.needles = needles
        self.paths = paths

    def encode(self) -> bytes:
        """Return the whole frame."""
        return _frame(FIND_KEY_LINES, _strings(self.needles) + _strings(self.paths))

    @classmethod
    def read(cls, reader: Reader) -> "FindKeyLines":
        """Read the payload."""
        return cls(reader.strings(), reader.strings())


class KeyLines:
    """The lines found, in file order: (path, line number from 1, line without its newline).

    `unsafe` are the paths of the files among them that somebody else could have written to.
    """

    __slots__ = ("lines", "unsafe")

    def __init__(self, lines: list[tuple[bytes, int, bytes]], unsafe: list[bytes]) -> None:
        self.lines = lines
        self.unsafe = unsafe

    def encode(self) -> bytes:
        """Return the whole frame."""
        lines = (_string(path) + _uint32(number) + _string(line) for path, number, line in self.lines)
        return _frame(KEY_LINES, _uint32(len(self.lines)) + b"".join(lines) + _strings(self.unsafe))

    @classmethod
    def read(cls, reader: Reader) -> "KeyLines":
        """Read the payload."""
        lines = [(reader.string(), reader.uint32(), reader.string()) for _ in range(reader.count())]
        return cls(lines, reader.strings())


class Progress:
    """Where the approval stands, for the person who waits.

    `stage` is `asking`, `pushed` or `fetched`. `seconds_left` counts from when the message was sent. `access_pass` is
    a PNG or empty; it comes once. `speak` is False if the administrator wants no words where there is no terminal.
    """

    __slots__ = (
        "access_pass",
        "account",
        "host",
        "phone_text",
        "seconds_left",
        "secsign_id",
        "speak",
        "stage",
        "wants",
    )

    def __init__(  # noqa: PLR0913 - a message has the fields it has; all are named at the call
        self,
        *,
        stage: str,
        account: str,
        host: str,
        secsign_id: str,
        seconds_left: int,
        wants: str,
        phone_text: str,
        access_pass: bytes,
        speak: bool,
    ) -> None:
        self.stage = stage
        self.account = account
        self.host = host
        self.secsign_id = secsign_id
        self.seconds_left = seconds_left
        self.wants = wants
        self.phone_text = phone_text
        self.access_pass = access_pass
        self.speak = speak

    def encode(self) -> bytes:
        """Return the whole frame."""
        texts = (self.stage, self.account, self.host, self.secsign_id, self.wants, self.phone_text)
        rest = _uint32(self.seconds_left) + _string(self.access_pass) + _boolean(self.speak)
        return _frame(PROGRESS, b"".join(map(_text, texts)) + rest)

    @classmethod
    def read(cls, reader: Reader) -> "Progress":
        """Read the payload."""
        return cls(
            stage=reader.text(),
            account=reader.text(),
            host=reader.text(),
            secsign_id=reader.text(),
            wants=reader.text(),
            phone_text=reader.text(),
            seconds_left=reader.uint32(),
            access_pass=reader.string(),
            speak=reader.boolean(),
        )


class Answer:
    """The end of a login.

    `allowed` with `why` a Ground, or not, with `why` a Reason (core/verdict.py) and `detail` a sentence or empty.
    `waited` is in seconds. `speak` is False if the administrator wants no words where there is no terminal.

    The rest are the orders for the hand-over. `program` is run as it is, without a shell, unless it is empty; then
    `command` is what the shell gets with `-c`, None for a login shell. `original_command` goes into
    SSH_ORIGINAL_COMMAND, None leaves it out. `keep_auth_info`: SSH_USER_AUTH stays. `user_rc`: run ~/.ssh/rc first.
    `motd_files`, `mail_notice` and `last_login`: what to show before a login shell.
    """

    __slots__ = (
        "allowed", "command", "detail", "keep_auth_info", "last_login", "mail_notice", "motd_files",
        "original_command", "program", "reference", "speak", "user_rc", "waited", "why",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913 - a message has the fields it has; all are named at the call
        self,
        *,
        allowed: bool,
        why: str,
        detail: str = "",
        reference: str = "",
        waited: int = 0,
        speak: bool = True,
        program: tuple[bytes, ...] = (),
        command: bytes | None = None,
        original_command: bytes | None = None,
        keep_auth_info: bool = False,
        user_rc: bool = False,
        motd_files: tuple[bytes, ...] = (),
        mail_notice: bool = False,
        last_login: bool = False,
    ) -> None:
        self.allowed = allowed
        self.why = why
        self.detail = detail
        self.reference = reference
        self.waited = waited
        self.speak = speak
        self.program = program
        self.command = command
        self.original_command = original_command
        self.keep_auth_info = keep_auth_info
        self.user_rc = user_rc
        self.motd_files = motd_files
        self.mail_notice = mail_notice
        self.last_login = last_login

    def encode(self) -> bytes:
        """Return the whole frame."""
        return _frame(
            ANSWER,
            _boolean(self.allowed)
            + _text(self.why)
            + _text(self.detail)
            + _text(self.reference)
            + _uint32(self.waited)
            + _boolean(self.speak)
            + _strings(self.program)
            + _optional_string(self.command)
            + _optional_string(self.original_command)
            + _boolean(self.keep_auth_info)
            + _boolean(self.user_rc)
            + _strings(self.motd_files)
            + _boolean(self.mail_notice)
            + _boolean(self.last_login),
        )

    @classmethod
    def read(cls, reader: Reader) -> "Answer":
        """Read the payload."""
        return cls(
            allowed=reader.boolean(),
            why=reader.text(),
            detail=reader.text(),
            reference=reader.text(),
            waited=reader.uint32(),
            speak=reader.boolean(),
            program=tuple(reader.strings()),
            command=reader.optional_string(),
            original_command=reader.optional_string(),
            keep_auth_info=reader.boolean(),
            user_rc=reader.boolean(),
            motd_files=tuple(reader.strings()),
            mail_notice=reader.boolean(),
            last_login=reader.boolean(),
        )


class Left:
    """The door will not go on: `why` is a Reason, e.g. `client_left`."""

    __slots__ = ("why",)

    def __init__(self, why: str) -> None:
        self.why = why

    def encode(self) -> bytes:
        """Return the whole frame."""
        return _frame(LEFT, _text(self.why))

    @classmethod
    def read(cls, reader: Reader) -> "Left":
        """Read the payload."""
        return cls(reader.text())


Message = Ask | KeyLines | Left | FindKeyLines | Progress | Answer

_KINDS: dict[int, type[Ask] | type[KeyLines] | type[Left] | type[FindKeyLines] | type[Progress] | type[Answer]] = {
    ASK: Ask,
    KEY_LINES: KeyLines,
    LEFT: Left,
    FIND_KEY_LINES: FindKeyLines,
    PROGRESS: Progress,
    ANSWER: Answer,
}

HEADER = 4


def frame_length(header: bytes) -> int:
    """Return how many bytes follow the four bytes `header`. Raises WireError for an impossible length."""
    length = int.from_bytes(header, "big")
    if not 1 <= length <= MAX_FRAME:
        raise WireError(f"a message announces {length} bytes; the limit is {MAX_FRAME}")
    return length


def decode(frame: bytes) -> Message:
    """Return the message in `frame` (number and payload, without the length). Raises WireError for anything else."""
    if not frame:
        raise WireError("a message is empty")
    kind = _KINDS.get(frame[0])
    if kind is None:
        raise WireError(f"a message of the unknown kind {frame[0]}")
    reader = Reader(frame[1:])
    message = kind.read(reader)
    reader.end()
    return message

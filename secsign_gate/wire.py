"""The messages between door and broker, their sizes and their parser.

    door ──Ask──▶ broker            exactly one, first; the PAM door's is an AskForPam
    door ◀──FindKeyLines── broker   at most two: the broker cannot read the user's key files, the door can
    door ──KeyLines──▶ broker       its answer, one for each
    door ◀──Progress── broker       any number
    door ◀──Answer── broker         exactly one, last
    door ──Left──▶ broker           at most one: why nothing will come of this login

Either side closing the stream ends the login; without an Answer that allows, that is a refusal.
"""

from secsign_gate.ask_and_answer import (
    FORMS,
    HEADER,
    MAX_FRAME,
    MAX_STRINGS,
    VERSION,
    Answer,
    Ask,
    Reader,
    WireMessage,
    frame_length,
    read,
    write_string,
    write_uint32,
)
from secsign_gate.errors import WireError

PAM_DOOR = "pam_exec"  # what the door of an AskForPam is called; no other may call itself so

__all__ = (  # noqa: RUF022 - the messages, then how long one may be, then how it is read
    "Ask",
    "AskForPam",
    "KeyLines",
    "Left",
    "FindKeyLines",
    "Progress",
    "Answer",
    "Message",
    "PAM_DOOR",
    "VERSION",
    "HEADER",
    "MAX_FRAME",
    "MAX_STRINGS",
    "decode",
    "frame_length",
)


def _write_found(lines: list[tuple[bytes, int, bytes]]) -> bytes:
    """Return a list of lines found in files: path, line number, line."""
    return write_uint32(len(lines)) + b"".join(
        write_string(path) + write_uint32(number) + write_string(line) for path, number, line in lines
    )


def _take_found(reader: Reader) -> list[tuple[bytes, int, bytes]]:
    """Take what `_write_found` returns."""
    return [(reader.string(), reader.uint32(), reader.string()) for _ in range(reader.count())]


FORMS[list[tuple[bytes, int, bytes]]] = _write_found, _take_found


class KeyLines(WireMessage):
    """The lines found, in file order: (path, line number from 1, line without its newline).

    `unsafe` are the paths of the files among them that somebody else could have written to.
    """

    NUMBER = 2
    lines: list[tuple[bytes, int, bytes]]
    unsafe: list[bytes]


class Left(WireMessage):
    """The door will not go on: `why` is a Reason, e.g. `client_left`."""

    NUMBER = 3
    why: str


class AskForPam(WireMessage):
    """The claim of a PAM door: what pam_exec(8) puts into its environment. It is believed of root only.

    `phase` is PAM_TYPE, `service` PAM_SERVICE, `account` PAM_USER, `remote_user` PAM_RUSER, `remote_host` PAM_RHOST,
    `terminal` PAM_TTY, `ssh_connection` SSH_CONNECTION and `auth_info` SSH_AUTH_INFO_0, each empty where PAM has none.
    `after_password`: the administrator says that a module before this one has verified a password. `seconds`: how long
    the door can wait for its answer.
    """

    NUMBER = 4
    version: int = VERSION
    phase: bytes
    service: bytes
    account: bytes
    remote_user: bytes
    remote_host: bytes
    terminal: bytes
    ssh_connection: bytes
    auth_info: bytes
    after_password: bool
    seconds: int


class FindKeyLines(WireMessage):
    """The broker asks for every line of `paths` that contains one of `needles` (base64 of a key)."""

    NUMBER = 11
    needles: list[bytes]
    paths: list[bytes]


class Progress(WireMessage):
    """Where the approval stands, for the person who waits.

    `stage` is `queued`, `asking`, `pushed` or `fetched`. `place` is, while queued, how many other requests for the same
    SecSign ID come first. `seconds_left` counts from when the message was sent. `access_pass` is a PNG or empty; it
    comes once. `speak` is False if the administrator wants no words where there is no terminal.
    """

    NUMBER = 12
    stage: str
    place: int
    account: str
    host: str
    secsign_id: str
    seconds_left: int
    wants: str
    phone_text: str
    access_pass: bytes
    speak: bool


Message = Ask | AskForPam | KeyLines | Left | FindKeyLines | Progress | Answer

_KINDS: dict[int, "type[Message]"] = {
    kind.NUMBER: kind for kind in (Ask, AskForPam, KeyLines, Left, FindKeyLines, Progress, Answer)
}


def decode(frame: bytes) -> Message:
    """Return the message in `frame` (number and payload, without the length). Raises WireError for anything else."""
    if not frame:
        raise WireError("a message is empty")
    kind = _KINDS.get(frame[0])
    if kind is None:
        raise WireError(f"a message of the unknown kind {frame[0]}")
    if kind in (Ask, AskForPam) and (version := Reader(frame[1:]).uint32()) != VERSION:
        both = f"{version} and {VERSION}"
        raise WireError(f"door and broker are of different versions ({both}); restart the broker, or reinstall both")
    return read(kind, frame[1:])

"""One change to sshd's configuration: what it replaces, how far it has come, and when it is to be undone.

       enable                                confirm
  ────▶ ARMED ─────────▶ WAITING ──────────────────────▶ CONFIRMED
          │                 │                                │
          │ interrupted,    │ time is up, host started       │ disable
          │ or a test fails │ anew, disable                  │
          ▼                 ▼                                ▼
       UNDOING ◀────────────┴────────────────────────────────┘
          │
          ▼  as before the change; begun again as often as it is interrupted

Pure: values and their JSON. Time comes in as a Moment. The journal (journal.py) holds one Change, or none.
"""

import base64
import hashlib
import json
from enum import StrEnum
from typing import Any, NamedTuple

from secsign_gate.errors import GateError


class JournalError(GateError):
    """What the journal holds is no change that this program knows. `str()` is one sentence."""


class Phase(StrEnum):
    """How far a change has come. What is on disk follows: the phase is written before what it announces is done."""

    ARMED = "armed"  # the undo is ready; files may have been changed
    WAITING = "waiting"  # the new configuration is in force, for as long as it takes to confirm it
    CONFIRMED = "confirmed"  # the new configuration is in force
    UNDOING = "undoing"  # the files are put back; they may be the old ones, the new ones, or some of each


class Moment(NamedTuple):
    """A point in time. `boot` is the kernel's boot_id, `since_boot` seconds of CLOCK_BOOTTIME, `wall` of Unix time.

    What is due is told by the first two only: nobody sets them. The third is for people.
    """

    boot: str
    since_boot: float
    wall: float

    def later(self, seconds: float) -> "Moment":
        """Return the moment `seconds` after this one."""
        return Moment(self.boot, self.since_boot + seconds, self.wall + seconds)


class KeptFile(NamedTuple):
    """A file as it was. `content` None: there was none, and the rest means nothing. `mtime` is in nanoseconds."""

    path: str
    content: bytes | None
    mode: int = 0
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    attributes: tuple[tuple[str, bytes], ...] = ()


class WrittenFile(NamedTuple):
    """A file as this program wrote it: enough to see whether somebody has changed it since."""

    path: str
    digest: str


class Listener(NamedTuple):
    """The sshd that takes connections, when the change began. `start_time` is in clock ticks since boot.

    `unit` is the service of systemd that it belongs to, empty if to none.
    """

    pid: int
    start_time: int
    unit: str = ""


class Server(NamedTuple):
    """Which sshd the change is for. `options` are those of the running one's command line."""

    executable: str
    configuration: str
    options: tuple[str, ...]
    listeners: tuple[Listener, ...]


class Change(NamedTuple):
    """A change. `gated`, `break_glass` and `doors` are as given to `enable`, for people and for the next `enable`.

    `before` is what an undo puts back, `original` what `disable` puts back: what was there before the first of several
    changes. `previous` is the confirmed change that was in force before, None if there was none. `in_force` is when
    sshd had read the new configuration, None until then. `why` is why it is being undone.
    """

    phase: Phase
    server: Server
    gated: str
    break_glass: tuple[str, ...]
    doors: tuple[str, ...]
    started: Moment
    deadline: Moment
    in_force: Moment | None
    before: tuple[KeptFile, ...]
    original: tuple[KeptFile, ...]
    written: tuple[WrittenFile, ...]
    previous: "Change | None"
    why: str = ""


_FORMAT = 1  # of the journal; another one is not guessed at
INTERRUPTED = "the command that made the change was interrupted"
NOT_CONFIRMED = "nobody confirmed the change in time"
NEW_START = "the host was started anew before the change was confirmed"


def why_due(change: Change | None, now: Moment, *, at_boot: bool = False) -> str:
    """Return why the change must be undone now, a sentence; empty if it need not.

    The caller holds the journal's lock: an ARMED change whose maker still worked on it would keep others from it.
    `at_boot` says that the host has just been started, whatever the kernel says (a container's has been up for long).
    """
    if change is None or change.phase is Phase.CONFIRMED:
        return ""
    if change.phase is Phase.UNDOING:
        return change.why or INTERRUPTED
    if at_boot or change.deadline.boot != now.boot:
        return NEW_START
    if change.phase is Phase.ARMED:
        return INTERRUPTED
    return NOT_CONFIRMED if now.since_boot >= change.deadline.since_boot else ""


def put_in_force(change: Change, now: Moment, seconds: float) -> Change:
    """Return the change once sshd runs it: it waits for `seconds` to be confirmed."""
    return change._replace(phase=Phase.WAITING, in_force=now, deadline=now.later(seconds))


def confirmed(change: Change) -> Change:
    """Return the change once somebody has shown that he gets in. What it replaced is kept for `disable` only.

    Which sshd listened is forgotten: should none do so when the gate is switched off, somebody has wanted that.
    """
    server = change.server._replace(listeners=())
    return change._replace(phase=Phase.CONFIRMED, server=server, before=(), previous=None)


def undoing(change: Change, why: str) -> Change:
    """Return the change while it is undone: back to what was before it."""
    return change if change.phase is Phase.UNDOING else change._replace(phase=Phase.UNDOING, why=why)


def disabling(change: Change) -> Change:
    """Return the change while all is undone: back to what was before the first change."""
    why = "the gate was switched off"
    return change._replace(phase=Phase.UNDOING, why=why, before=change.original, previous=None)


def digest(content: bytes) -> str:
    """Return what tells a file's content from any other."""
    return hashlib.sha256(content).hexdigest()


def to_json(change: Change) -> str:
    """Return the change as the journal holds it."""
    return json.dumps({"format": _FORMAT, "change": _plain(change)}, indent=1) + "\n"


def from_json(text: str) -> Change:
    """Return the change that `to_json` wrote. Raises JournalError for anything else, also of another version."""
    try:
        value = json.loads(text)
        if value["format"] != _FORMAT:
            raise JournalError(f"the journal is of format {value['format']!a}, and this version knows {_FORMAT}")
        return _change(value["change"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise JournalError("the journal holds no change that this version knows") from None


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _plain(part) for name, part in value._asdict().items()}
    return [_plain(part) for part in value] if isinstance(value, tuple) else value


def _change(value: dict[str, Any]) -> Change:
    server = value["server"]
    return Change(
        phase=Phase(value["phase"]),
        server=Server(
            executable=_text(server["executable"]),
            configuration=_text(server["configuration"]),
            options=_texts(server["options"]),
            listeners=tuple(
                Listener(int(one["pid"]), int(one["start_time"]), _text(one["unit"])) for one in server["listeners"]
            ),
        ),
        gated=_text(value["gated"]),
        break_glass=_texts(value["break_glass"]),
        doors=_texts(value["doors"]),
        started=_moment(value["started"]),
        deadline=_moment(value["deadline"]),
        in_force=None if value["in_force"] is None else _moment(value["in_force"]),
        before=_kept_files(value["before"]),
        original=_kept_files(value["original"]),
        written=tuple(WrittenFile(_path(one["path"]), _text(one["digest"])) for one in value["written"]),
        previous=None if value["previous"] is None else _change(value["previous"]),
        why=_text(value["why"]),
    )


def _kept_files(values: list[dict[str, Any]]) -> tuple[KeptFile, ...]:
    return tuple(
        KeptFile(
            path=_path(one["path"]),
            content=None if one["content"] is None else base64.b64decode(_text(one["content"]), validate=True),
            mode=int(one["mode"]),
            uid=int(one["uid"]),
            gid=int(one["gid"]),
            mtime=int(one["mtime"]),
            attributes=tuple((_text(name), base64.b64decode(data, validate=True)) for name, data in one["attributes"]),
        )
        for one in values
    )


def _moment(value: dict[str, Any]) -> Moment:
    return Moment(_text(value["boot"]), float(value["since_boot"]), float(value["wall"]))


def _texts(values: list[str]) -> tuple[str, ...]:
    return tuple(_text(value) for value in values)


def _path(value: object) -> str:
    path = _text(value)
    if not path.startswith("/") or "\0" in path:
        raise ValueError("a journal names files by their whole path")
    return path


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text was expected")
    return value

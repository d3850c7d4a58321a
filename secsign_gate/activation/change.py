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

Pure: values. Time comes in as a Moment. The journal (journal.py) holds one Change, or none.
"""

import hashlib
from enum import StrEnum
from typing import NamedTuple


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

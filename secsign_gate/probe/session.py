"""What a session says before any approval: that the phone is asked, that it is refused, or that a command has run."""

import re
from enum import StrEnum
from typing import NamedTuple

from secsign_gate.core.ssh_encoding import ssh_string
from secsign_gate.core.verdict import CONFIGURATION_ERROR, COULD_NOT_ASK, REFUSED
from secsign_gate.probe.channel import Channel
from secsign_gate.probe.connection import Connection
from secsign_gate.probe.foreign_text import printable
from secsign_gate.probe.marker import Marker

SECONDS = 8.0  # to wait for a sign of life; a gate that is told to say nothing gives none

# The gate's own words (terminal/words.py) while it waits: on one line, and on a terminal also on a screen.
_ASKING = re.compile(rb"secsign-gate: (?:accept |[^\r\n]{0,80} to be answered first)|Ctrl-C gives up\.")
_LONGEST_SENTENCE = 160
_OURS = b"secsign-gate: "
_STATUSES = (REFUSED, COULD_NOT_ASK, CONFIGURATION_ERROR)


class Seen(StrEnum):
    """What became of a session."""

    RAN = "ran"  # our command, or a shell: nobody was asked
    ASKED = "asked"  # the gate waits for the phone
    REFUSED = "refused"  # the gate said no by itself
    ENDED = "ended"  # it ended, and nothing of ours ran
    SILENT = "silent"  # nothing was heard in time
    CUT = "cut"  # the connection ended before anything was heard


class Heard(NamedTuple):
    """What was seen of a session, and the words that go with it, fit to be shown; `status` if it ended with one.

    `raw` is all that it said, as it came.
    """

    seen: Seen
    words: str = ""
    status: int | None = None
    raw: bytes = b""

    @property
    def sentence(self) -> str:
        """One clause for people."""
        said = f": {self.words}" if self.words else ""
        match self.seen:
            case Seen.RAN:
                return "a command ran, and nobody was asked"
            case Seen.ASKED:
                return f"the gate asked first{said}"
            case Seen.REFUSED:
                return f"the gate refused (exit status {self.status}){said}"
            case Seen.ENDED:
                how = "was closed" if self.status is None else f"ended with status {self.status}"
                return f"the session {how}, and nothing of ours ran{said}"
            case Seen.SILENT:
                return f"nothing of ours ran{said or ', and nothing was said'}"
            case Seen.CUT:
                return f"the connection ended before anything was seen{said}"


def begin(connection: Connection, command: str) -> Channel:
    """Open a session and ask for `command` in it. Raises ProbeError."""
    channel = connection.open("session")
    if channel.opened:
        channel.request("exec", ssh_string(command.encode()))
    return channel


def listen(channel: Channel, marker: Marker, seconds: float = SECONDS) -> Heard:
    """Return what is first heard of a session that was begun: the marker, the gate's words, its end, or nothing."""

    def ran() -> bool:
        return marker.is_in(channel.data) or marker.is_in(channel.errors)

    def asked() -> bool:
        return _ASKING.search(channel.errors + channel.data) is not None

    channel.wait(lambda: ran() or asked() or (channel.ended and channel.exit_status is not None), seconds)
    words, said = _sentence(channel), channel.errors + channel.data
    if ran():
        return Heard(Seen.RAN, words, channel.exit_status, said)
    if channel.exit_status in _STATUSES and _OURS in said:
        return Heard(Seen.REFUSED, words, channel.exit_status, said)
    if asked():
        return Heard(Seen.ASKED, words, None, said)
    if channel.closed or channel.exit_status is not None:
        return Heard(Seen.ENDED, words or printable(channel.words), channel.exit_status, said)
    return Heard(Seen.CUT if channel.is_cut else Seen.SILENT, words, None, said)


def _sentence(channel: Channel) -> str:
    """Return the gate's sentence if there is one, else what was said last."""
    said = channel.errors or channel.data
    lines = [line for line in said.splitlines() if line.strip()]
    ours = [line for line in lines if _OURS in line]
    return printable((ours or lines or [b""])[-1].rpartition(_OURS)[2], _LONGEST_SENTENCE)

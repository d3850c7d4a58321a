"""What the doctor says of one thing that it looked at."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple


class Status(StrEnum):
    """How it stands. The worst comes first here, and in every report."""

    OPEN = "open"  # a hole, now
    BROKEN = "broken"  # does not work, or locks somebody out
    WEAK = "weak"  # could become a hole, or break
    UNKNOWN = "unknown"  # could not be looked at
    NOTE = "note"  # is as it is, and worth knowing
    CLOSED = "closed"  # looked at, and in order

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return list(Status).index(self)


class Finding(NamedTuple):
    """One finding. Everything but `status` and `what` may be empty where there is nothing to say.

    `bypass` is the name of a way around the gate (core/bypass.py). `account` is the one that it is about, or several
    with a comma and a blank between them, empty for the host as a whole. `what` is one sentence about what was found,
    without a full stop. `why` says why it matters, `mend` how to mend it; `line` is the exact line, or the lines, to
    write, or the command to run. All of it may hold text of foreign origin: who prints it makes it printable.
    """

    status: Status
    bypass: str
    account: str
    what: str
    why: str = ""
    mend: str = ""
    line: str = ""


def what_and_mend(sentence: str) -> tuple[str, str]:
    """Return what an error's sentence says that happened, and what to do: what stands behind its last semicolon."""
    what, _, mend = sentence.rpartition("; ")
    return (what, mend) if what else (mend, "")


def worst(findings: Iterable[Finding]) -> Status:
    """Return the worst status among `findings`, CLOSED if there are none."""
    return min((finding.status for finding in findings), key=lambda status: status.rank, default=Status.CLOSED)


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return `findings` with the worst at the top, otherwise in their own order."""
    return tuple(sorted(findings, key=lambda finding: finding.status.rank))

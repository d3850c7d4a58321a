"""What came of an attempt. It got through only if something was observed that could not be there otherwise."""

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import NamedTuple

from secsign_gate.probe.fault import ProbeError


class Status(StrEnum):
    """How an attempt ended, the worst first."""

    GOT_THROUGH = "got through"  # bytes came, a command ran, a listener was used
    AGREED = "agreed to"  # sshd said yes, and where it leads could not be seen from here
    HELD = "held"  # sshd, or the gate, said no or asked first
    UNKNOWN = "unknown"  # it could not be tried, or the answer does not tell


class Outcome(NamedTuple):
    """The status of an attempt and what was seen, in a clause without a full stop."""

    status: Status
    what: str

    @property
    def is_open(self) -> bool:
        """Whether the way is not closed, as far as could be seen."""
        return self.status in (Status.GOT_THROUGH, Status.AGREED)


def through(what: str) -> Outcome:
    """Return the outcome of an attempt that has proven a way."""
    return Outcome(Status.GOT_THROUGH, what)


def agreed(what: str) -> Outcome:
    """Return the outcome of an attempt that sshd agreed to, without a proof."""
    return Outcome(Status.AGREED, what)


def held(what: str) -> Outcome:
    """Return the outcome of an attempt that came to nothing."""
    return Outcome(Status.HELD, what)


def unknown(why: str) -> Outcome:
    """Return the outcome of an attempt that was not made, or does not tell."""
    return Outcome(Status.UNKNOWN, why)


def worst(outcomes: list[Outcome], otherwise: Outcome) -> Outcome:
    """Return the worst of several, the first of its kind; `otherwise` if there is none."""
    order = list(Status)
    return min(outcomes, key=lambda one: order.index(one.status), default=otherwise)


def worst_of(attempts: Iterable[Callable[[], Outcome]], otherwise: Outcome) -> Outcome:
    """Make attempts one after the other, and return the worst outcome; `otherwise` if there is none.

    A fault in one ends them, and hides nothing that was found before. Raises ProbeError if nothing open was.
    """
    outcomes: list[Outcome] = []
    try:
        for attempt in attempts:
            outcomes.append(attempt())  # noqa: PERF401 - what came before a fault is kept
    except ProbeError:
        if not any(one.is_open for one in outcomes):
            raise
    return worst(outcomes, otherwise)

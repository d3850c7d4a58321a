"""The results of a probe, for people and for scripts."""

from collections.abc import Sequence
from typing import NamedTuple

from secsign_gate.probe.outcome import Status
from secsign_gate.probe.run import Result

_HEADINGS = {
    Status.GOT_THROUGH: "GOT THROUGH",
    Status.AGREED: "AGREED TO (sshd said yes; where it leads could not be seen from here)",
    Status.HELD: "held",
    Status.UNKNOWN: "unknown",
}


class Line(NamedTuple):
    """A line of the report. `status` says how to colour it, None is not at all; `heading`: it begins a group."""

    text: str
    status: Status | None = None
    heading: bool = False


class Whole(NamedTuple):
    """A probe that is over: who was probed, by which key, and all that came of it."""

    place: str
    host_key: str
    server: str
    identity: str
    results: Sequence[Result]

    def count(self, status: Status) -> int:
        """Return how many attempts ended so."""
        return sum(result.outcome.status is status for result in self.results)

    @property
    def is_tight(self) -> bool:
        """Whether nothing got through, and sshd agreed to nothing."""
        return not any(result.outcome.is_open for result in self.results)


def lines(whole: Whole) -> list[Line]:
    """Return the report for people: the worst first, what was seen, and of what is open also how to close it."""
    said = []
    for status, heading in _HEADINGS.items():
        group = [result for result in whole.results if result.outcome.status is status]
        if group:
            said.append(Line(heading, status, heading=True))
        for result in group:
            said += _open(result) if result.outcome.is_open else [_closed(result)]
    return [*said, Line(summary(whole), None if whole.is_tight else Status.GOT_THROUGH, heading=True)]


def _open(result: Result) -> list[Line]:
    bypass, outcome = result.attempt.bypass, result.outcome
    return [
        Line(f"  {bypass.name}: {bypass.title}", outcome.status),
        Line(f"      {outcome.what}"),
        Line(f"      {bypass.way}"),
        Line(f"      closed by: {'; '.join(map(_directive, bypass.closed_by))}"),
    ]


def _directive(line: str) -> str:
    in_a_comment = line.startswith("#")
    return f"{line[1:]} (in the drop-in in a comment: yours to decide)" if in_a_comment else line


def _closed(result: Result) -> Line:
    return Line(f"  {result.attempt.bypass.name}: {result.outcome.what}")


def summary(whole: Whole) -> str:
    """Return how many attempts ended how."""
    return ", ".join(f"{whole.count(status)} {status.value}" for status in Status)


def as_json(whole: Whole) -> dict[str, object]:
    """Return the report for scripts."""
    return {
        "place": whole.place,
        "host_key": whole.host_key,
        "server": whole.server,
        "identity": whole.identity,
        "tight": whole.is_tight,
        "counts": {status.name.lower(): whole.count(status) for status in Status},
        "attempts": [
            {
                "name": result.attempt.bypass.name,
                "title": result.attempt.bypass.title,
                "status": result.outcome.status.name.lower(),
                "what": result.outcome.what,
                "closed_by": list(result.attempt.bypass.closed_by),
            }
            for result in whole.results
        ],
    }

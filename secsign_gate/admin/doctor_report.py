"""What the doctor found, as one JSON object and as an exit status: docs/doctor.md promises both."""

from collections.abc import Sequence
from typing import Any

from secsign_gate import __version__
from secsign_gate.core.verdict import CONFIGURATION_ERROR, COULD_NOT_ASK
from secsign_gate.doctor.finding import Status, worst, worst_first
from secsign_gate.doctor.station import Examined, Station

SCHEMA = 1  # counts up when a field changes its meaning or goes; new ones may come at any time
OPEN = 1
_OTHERS_DO_NOT_ANSWER = frozenset({Station.BROKER, Station.ID_SERVER})


def exit_status(examined: Sequence[Examined]) -> int:
    """Return 1 if something is open; else 78 if something of ours is broken; else 75 if others do not answer; else 0.

    What could not be looked at counts as not answering: it may be open.
    """
    findings = [(one.station, finding.status) for one in examined for finding in one.findings]
    if any(status is Status.OPEN for _, status in findings):
        return OPEN
    broken = {station for station, status in findings if status is Status.BROKEN}
    if broken - _OTHERS_DO_NOT_ANSWER:
        return CONFIGURATION_ERROR
    if broken or any(status is Status.UNKNOWN for _, status in findings):
        return COULD_NOT_ASK
    return 0


def report(examined: Sequence[Examined]) -> dict[str, Any]:
    """Return the findings by station, in the order of a login's way, the worst first at each."""
    findings = [finding for one in examined for finding in one.findings]
    return {
        "schema": SCHEMA,
        "version": __version__,
        "worst": worst(findings).value,
        "counts": {status.value: sum(finding.status is status for finding in findings) for status in Status},
        "stations": [
            {
                "station": one.station.value,
                "worst": worst(one.findings).value,
                "findings": [
                    finding._asdict() | {"status": finding.status.value} for finding in worst_first(one.findings)
                ],
            }
            for one in examined
        ],
    }

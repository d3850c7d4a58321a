"""What the doctor is to say of a change to sshd that is under way."""

import time

from secsign_gate.activation.change import Change, Phase
from secsign_gate.activation.journal import Journal
from secsign_gate.doctor.finding import Finding, Status
from secsign_gate.errors import GateError


def examine_change(journal: Journal) -> tuple[Finding, ...]:
    """Return what there is to say of the change on record: nothing if there is none, or if it is confirmed."""
    try:
        change = journal.read()
    except GateError as error:
        what, _, mend = str(error).rpartition("; ")
        why = "whether a change to sshd waits to be confirmed is not known, and `secsign-gate disable` does not work"
        return (Finding(Status.UNKNOWN, "", "", what or mend, why, mend if what else ""),)
    return () if change is None else _of(change)


def _of(change: Change) -> tuple[Finding, ...]:
    match change.phase:
        case Phase.CONFIRMED:
            return ()
        case Phase.WAITING:
            until = time.strftime("%H:%M:%S", time.localtime(change.deadline.wall))
            what = f"the gate in front of {change.gated} waits to be confirmed, and is taken away at {until} otherwise"
            mend = "log in anew, by SSH, and confirm it there"
            return (Finding(Status.NOTE, "", "", what, "", mend, "secsign-gate confirm"),)
        case Phase.ARMED:
            return (Finding(Status.NOTE, "", "", f"the gate is being put in front of {change.gated} just now"),)
        case Phase.UNDOING:
            what = f"a change to sshd is to be undone ({change.why}), and that is not finished"
            why = "sshd may not run what its files say; it is tried again until it is done"
            mend = "see what is in the way"
            return (Finding(Status.BROKEN, "", "", what, why, mend, "secsign-gate disable --unconfirmed"),)

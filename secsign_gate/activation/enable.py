"""Switching the gate on: plan, checkpoint, undo armed, files, tests, sshd told; then it waits to be confirmed.

The order is the safety: what can be found out beforehand is, what is to be done stands in the journal before it is
done, and the undo is ready before the first byte is another. Whatever fails after that, everything is put back.
"""

from collections.abc import Callable

from secsign_gate.activation.arming import arm, disarm_boot
from secsign_gate.activation.change import (
    Change,
    Moment,
    Phase,
    WrittenFile,
    digest,
    put_in_force,
    undoing,
)
from secsign_gate.activation.checkpoint import put_back, write_file
from secsign_gate.activation.journal import Journal, now
from secsign_gate.activation.planning import Plan, Request, plan_change
from secsign_gate.activation.reload import reload_sshd
from secsign_gate.activation.server import require_root
from secsign_gate.activation.shipped import boot_unit
from secsign_gate.activation.steps import Steps, no_steps
from secsign_gate.activation.trial import Trial, examine_sshd
from secsign_gate.activation.undo import told, undo, undo_what_is_due
from secsign_gate.errors import GateError

_TO_WORK = 300.0  # seconds that the command itself may take before the watcher ends it; people are not waited for then


class EnableError(GateError):
    """The gate was not switched on, and everything is as it was. `str()` is one sentence."""


def enable_gate(  # noqa: PLR0913 - what to do, where, how to try it, and three ways to speak with the caller
    request: Request,
    journal: Journal,
    trial: Trial,
    *,
    agree: Callable[[Plan], bool],
    say: Callable[[str], None],
    at_step: Steps = no_steps,
) -> Change | None:
    """Switch the gate on; return the change that waits to be confirmed, None if there is nothing to change.

    `agree` is shown the plan first and says whether to go on. `say` is told each thing that was done, a sentence.
    Raises GateError if the gate could not be switched on; then everything is as it was, or the watcher sees to it.
    """
    require_root()
    with journal.locked():
        why = undo_what_is_due(journal)
        if why:
            say(f"an earlier change was undone first: {why}")
        planned = plan_change(request, journal)
        if not planned.diff or not agree(planned):
            return None
        change = _armed(request, planned, now())
        journal.write(change)
        at_step("checkpoint is on disk")
        try:
            how = arm(journal, boot_unit(request.doors.prefix))
        except GateError:
            disarm_boot()
            _forget(journal, change)
            raise
        at_step("undo is armed")
        say(f"the undo is ready ({how})")
        try:
            _carry_out(request, planned, trial, say, at_step)
            change = put_in_force(change, now(), request.seconds)
            journal.write(change)
        except (GateError, OSError, KeyboardInterrupt) as error:
            why = str(error) or "interrupted"
            try:
                undo(journal, undoing(change, why))
            except GateError as another:
                raise EnableError(f"{why}; {another}") from None
            told(f"undone: {why}")
            raise EnableError(f"{why}; everything is as it was before") from None
        at_step("waits to be confirmed")
    told(f"the gate stands in front of {request.gated}, until it is confirmed or undone")
    return change


def _carry_out(request: Request, planned: Plan, trial: Trial, say: Callable[[str], None], at_step: Steps) -> None:
    """Do what was planned, testing after each step. Raises GateError and OSError."""
    for file in planned.files:
        if file.content is None:
            put_back(file)
        else:
            write_file(file)
        say(f"{file.path} is {'removed' if file.content is None else 'written'}")
        at_step("a file is written")
    planned.sshd.validate()
    served, break_glass = planned.reach.served, request.break_glass
    for sentence in examine_sshd(planned.sshd, served, break_glass, planned.settings.sshd):
        say(sentence)
    at_step("sshd takes the configuration")
    for sentence in trial.before_reload(planned.sshd, served, break_glass):
        say(sentence)
    at_step("the trial is over")
    say(reload_sshd(planned.sshd, planned.server))
    at_step("sshd runs the configuration")
    for sentence in trial.after_reload(planned.server, served, break_glass):
        say(sentence)
    at_step("logins are tried")


def _armed(request: Request, planned: Plan, moment: Moment) -> Change:
    earlier = planned.in_force
    original = () if earlier is None else earlier.original
    kept = {file.path for file in original}
    written = {one.path: one for one in (() if earlier is None else earlier.written)}
    for file in planned.files:
        written.pop(file.path, None)
        if not any(file == one for one in original):  # else a door is taken away, and its file is as it was before
            written[file.path] = WrittenFile(file.path, digest(file.content or b""))
    return Change(
        phase=Phase.ARMED,
        server=planned.server,
        gated=str(request.gated),
        break_glass=request.break_glass,
        doors=tuple(sorted(request.door_names)),
        started=moment,
        deadline=moment.later(_TO_WORK),
        in_force=None,
        before=planned.before,
        original=(*original, *(file for file in planned.before if file.path not in kept)),
        written=tuple(written.values()),
        previous=earlier,
    )


def _forget(journal: Journal, change: Change) -> None:
    """Take a change off the record that nothing was done for yet."""
    if change.previous is None:
        journal.remove()
    else:
        journal.write(change.previous)

"""Switching the gate on: plan, checkpoint, undo armed, files, tests, sshd told; then it waits to be confirmed.

The order is the safety: what can be found out beforehand is, what is to be done stands in the journal before it is
done, and the undo is ready before the first byte is another. Whatever fails after that, everything is put back.
"""

from collections.abc import Callable
from typing import NamedTuple

from secsign_gate.activation.arming import arm, disarm_boot
from secsign_gate.activation.change import (
    Change,
    KeptFile,
    Moment,
    Phase,
    Server,
    WrittenFile,
    digest,
    put_in_force,
    undoing,
    why_due,
)
from secsign_gate.activation.checkpoint import keep, write_file
from secsign_gate.activation.journal import Journal, now
from secsign_gate.activation.orders import Reach, reach, require_answers, usable_orders
from secsign_gate.activation.plan import Doors, Gated, diff, drop_in_text, shipped_name
from secsign_gate.activation.reload import reload_sshd
from secsign_gate.activation.server import PreconditionError, drop_in_path, require_root, require_writable, sshd_meant
from secsign_gate.activation.shipped import boot_unit, shipped_drop_in
from secsign_gate.activation.steps import Steps, no_steps
from secsign_gate.activation.trial import Trial, examine_sshd
from secsign_gate.activation.undo import told, undo
from secsign_gate.config import Settings
from secsign_gate.errors import GateError
from secsign_gate.sshd.program import Sshd

_MODE = 0o644
_TO_WORK = 300.0  # seconds that the command itself may take before the watcher ends it; people are not waited for then


class EnableError(GateError):
    """The gate was not switched on, and everything is as it was. `str()` is one sentence."""


class Request(NamedTuple):
    """What the administrator asks for. `orders` is our configuration's path; None elsewhere means: find it.

    `seconds` is how long the change waits to be confirmed.
    """

    gated: Gated
    break_glass: tuple[str, ...]
    doors: Doors
    seconds: float
    orders: str
    sshd: str | None = None
    sshd_config: str | None = None
    directory: str | None = None


class Plan(NamedTuple):
    """What would be done: `files` as they are to be, `before` as they are, and the `diff` between the two."""

    sshd: Sshd
    server: Server
    files: tuple[KeptFile, ...]
    before: tuple[KeptFile, ...]
    diff: str
    reach: Reach
    settings: Settings
    in_force: Change | None


def plan_change(request: Request, journal: Journal) -> Plan:
    """Return what `enable` would do; changes nothing, and makes no file. Raises GateError if it could not be done."""
    require_root()
    change = journal.read()
    if change is not None and change.phase is not Phase.CONFIRMED:
        raise PreconditionError(
            "an earlier change is not confirmed yet; `secsign-gate confirm` or `disable` comes first"
        )
    sshd, server = sshd_meant(request.sshd, request.sshd_config)
    sshd.validate()
    path = drop_in_path(sshd, request.directory)
    require_writable(path)
    before = keep(path)
    _require_ours(change, before)
    settings, users = usable_orders(request.orders)
    doors = request.doors
    text = drop_in_text(shipped_drop_in(shipped_name(request.gated)), request.gated, request.break_glass, doors)
    reached = reach(request.gated, request.break_glass, settings, users)
    require_answers(settings, users, broker=bool(doors.broker))
    content = text.encode()
    return Plan(
        sshd=sshd,
        server=server,
        files=(KeptFile(path, content, _MODE),),
        before=(before,),
        diff=diff(path, before.content, content),
        reach=reached,
        settings=settings,
        in_force=change,
    )


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
        _finish_what_was_begun(journal, say)
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
        write_file(file)
        say(f"{file.path} is written")
        at_step("a file is written")
    planned.sshd.validate()
    for sentence in examine_sshd(planned.sshd, planned.reach.served, request.break_glass, planned.settings.sshd):
        say(sentence)
    at_step("sshd takes the configuration")
    for sentence in trial.before_reload(planned.sshd, planned.reach.served, request.break_glass):
        say(sentence)
    at_step("the trial is over")
    say(reload_sshd(planned.sshd, planned.server))
    at_step("sshd runs the configuration")
    for sentence in trial.after_reload(planned.server, planned.reach.served, request.break_glass):
        say(sentence)
    at_step("logins are tried")


def _armed(request: Request, planned: Plan, moment: Moment) -> Change:
    before = planned.in_force
    doors = request.doors
    return Change(
        phase=Phase.ARMED,
        server=planned.server,
        gated=str(request.gated),
        break_glass=request.break_glass,
        doors=("force-command", doors.broker or doors.configuration),
        started=moment,
        deadline=moment.later(_TO_WORK),
        in_force=None,
        before=planned.before,
        original=planned.before if before is None else before.original,
        written=tuple(WrittenFile(file.path, digest(file.content or b"")) for file in planned.files),
        previous=before,
    )


def _forget(journal: Journal, change: Change) -> None:
    """Take a change off the record that nothing was done for yet."""
    if change.previous is None:
        journal.remove()
    else:
        journal.write(change.previous)


def _finish_what_was_begun(journal: Journal, say: Callable[[str], None]) -> None:
    change = journal.read()
    why = why_due(change, now())
    if change is not None and why:
        undo(journal, undoing(change, why))
        say(f"an earlier change was undone first: {why}")


def _require_ours(change: Change | None, present: KeptFile) -> None:
    """Raise PreconditionError if somebody has changed by hand what this program wrote."""
    if change is None:
        return
    for written in change.written:
        if written.path == present.path and (present.content is None or digest(present.content) != written.digest):
            raise PreconditionError(
                f"{present.path} has been changed by hand since `secsign-gate enable` wrote it; keep your change in "
                "another file, then run `secsign-gate disable` first"
            )

"""Confirming a change from a new login, and switching the gate off."""

import os
from collections.abc import Callable

from secsign_gate.activation.arming import arm, disarm_boot
from secsign_gate.activation.change import Change, Phase, confirmed, disabling, undoing, why_due
from secsign_gate.activation.checkpoint import is_as_written
from secsign_gate.activation.journal import Journal, now
from secsign_gate.activation.process import ancestry, ticks_since_boot
from secsign_gate.activation.server import listeners_of, require_root
from secsign_gate.activation.session import ANEW, connection_of, why_no_proof
from secsign_gate.activation.shipped import boot_unit
from secsign_gate.activation.steps import Steps, no_steps
from secsign_gate.activation.undo import Reload, told, undo, undo_what_is_due
from secsign_gate.errors import GateError
from secsign_gate.sshd.running import listeners


class ConfirmError(GateError):
    """The change was not confirmed. `str()` is one sentence."""


def confirm(journal: Journal, *, at_the_console: bool = False, at_step: Steps = no_steps) -> Change:
    """Keep the change that waits. Raises ConfirmError unless this runs in a login that proves that one gets in.

    `at_the_console` says that the administrator sits where no sshd is needed, and takes it upon himself.
    """
    require_root()
    with journal.locked():
        why = undo_what_is_due(journal)
        if why:
            raise ConfirmError(f"it is too late, for {why}; everything is as it was before, so `enable` comes first")
        change = journal.read()
        if change is None or change.phase is not Phase.WAITING or change.in_force is None:
            already = "it is confirmed already" if change is not None else "`secsign-gate enable` comes first"
            raise ConfirmError(f"no change waits to be confirmed: {already}")
        for written in change.written:
            if not is_as_written(written):
                raise ConfirmError(
                    f"{written.path} is no longer what was tried; `secsign-gate disable --unconfirmed`, and enable anew"
                )
        _require_proof(change, ticks_since_boot(change.in_force.since_boot), at_the_console=at_the_console)
        journal.write(confirmed(change))
        at_step("confirmed")
        disarm_boot()
    told(f"confirmed: the gate stands in front of {change.gated}")
    return change


def disable(journal: Journal, prefix: str, *, say: Callable[[str], None], at_step: Steps = no_steps) -> Change | None:
    """Put back what was there before `enable`; return the change that was undone, None if there was none.

    `say` is told of a file that somebody has changed by hand since, and that is kept elsewhere. Raises GateError; what
    is not done then is done by the watcher.
    """
    require_root()
    if not journal.exists():
        return None
    with journal.locked():
        change = journal.read()
        if change is None:
            return None
        undone = disabling(change)
        journal.write(undone)
        at_step("disabling is on record")
        arm(journal, boot_unit(prefix))
        at_step("undo is armed")
        undo(journal, undone, say=say, at_step=at_step)
    told("the gate was switched off")
    return change


def undo_unconfirmed(journal: Journal, *, at_boot: bool) -> str:
    """Undo what nobody has confirmed, whether its time is up or not; return what was done, a sentence."""
    require_root()
    if not journal.exists():
        return "no change was ever made"
    with journal.locked():
        change = journal.read()
        if change is None or change.phase is Phase.CONFIRMED:
            return "no change waits to be confirmed"
        why = why_due(change, now(), at_boot=at_boot) or "it was undone by hand"
        undo(journal, undoing(change, why), reload=Reload.NOT if at_boot else Reload.TELL_OR_START)
    told(f"undone: {why}")
    return f"everything is as it was before: {why}"


def _require_proof(change: Change, in_force: int, *, at_the_console: bool) -> None:
    every = frozenset(one.pid for one in listeners() if one.is_openssh)
    chain = ancestry(os.getpid())
    if at_the_console:
        if connection_of(chain, every) is not None:
            raise ConfirmError(f"this is a login by SSH and not the console; {ANEW}")
        return
    meant = frozenset(one.pid for one in listeners_of(change.server.configuration))
    why = why_no_proof(chain, every, meant, in_force)
    if why:
        raise ConfirmError(why)

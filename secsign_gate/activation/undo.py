"""Putting back what was there before a change. It may be interrupted anywhere, and is begun again until it is done."""

import syslog
from contextlib import suppress

from secsign_gate.activation.arming import disarm_boot
from secsign_gate.activation.change import Change, Phase, Server, undoing, why_due
from secsign_gate.activation.checkpoint import put_back
from secsign_gate.activation.journal import BusyError, Journal, now
from secsign_gate.activation.reload import ReloadError, is_there, reload_sshd, start_again
from secsign_gate.activation.steps import Steps, no_steps
from secsign_gate.errors import GateError
from secsign_gate.sshd.program import Sshd, SshdError
from secsign_gate.sshd.version import Version


class UndoError(GateError):
    """The files are as they were, but sshd does not run them yet. `str()` is one sentence."""


def undo(journal: Journal, change: Change, *, reload: bool = True, at_step: Steps = no_steps) -> None:
    """Put back what was before `change`, whose phase is UNDOING or becomes it, and have sshd read it.

    The caller holds the journal's lock. Raises CheckpointError if a file cannot be put back; UndoError if sshd cannot
    be made to read its configuration. In both cases the journal still says UNDOING, and the watcher goes on trying.
    """
    if change.phase is not Phase.UNDOING:
        raise ValueError("say why it is undone: undoing() or disabling()")
    journal.write(change)
    at_step("undo is on record")
    for kept in change.before:
        put_back(kept)
        at_step("a file is put back")
    if reload:
        sshd = sshd_of_server(change.server)
        try:
            _have_it_read(sshd, change.server)
        except (SshdError, ReloadError) as error:
            raise UndoError(
                f"the files are as they were before, but {error}; mend that, and sshd is told again by itself"
            ) from None
        at_step("sshd runs the old configuration")
    disarm_boot(reload=reload)
    at_step("nothing is armed")
    if change.previous is None:
        journal.remove()
    else:
        journal.write(change.previous)


def _have_it_read(sshd: Sshd, server: Server) -> None:
    """Have the listeners read their configuration; start sshd where it has ended. Raises SshdError and ReloadError."""
    try:
        if any(is_there(listener) for listener in server.listeners):
            reload_sshd(sshd, server)
    except ReloadError:
        if any(is_there(listener) for listener in server.listeners):
            raise
    start_again(sshd, server)


def undo_what_is_due(journal: Journal, *, at_boot: bool = False, wait: bool = False) -> str:
    """Undo a change that is to be undone by now; return why, a sentence, or nothing if there was none.

    Does nothing while another process works on the change, unless `wait` says that this is an error. Raises GateError.
    """
    if not journal.exists():
        return ""
    try:
        with journal.locked():
            change = journal.read()
            why = why_due(change, now(), at_boot=at_boot)
            if change is None or not why:
                return ""
            undo(journal, undoing(change, why), reload=not at_boot)
            told(f"undone: {why}")
            return why
    except BusyError:
        if wait:
            raise
        return ""


def sshd_of_server(server: Server) -> Sshd:
    """Return the sshd that the change is for; what its version is does not matter here."""
    return Sshd(server.executable, Version(0, 0, ""), server.configuration, server.options)


def told(sentence: str) -> None:
    """Tell the system's log what became of a change."""
    with suppress(OSError):
        syslog.openlog("secsign-gate-enable", syslog.LOG_PID, syslog.LOG_AUTHPRIV)
        syslog.syslog(syslog.LOG_NOTICE, "".join(letter if letter.isprintable() else "?" for letter in sentence))

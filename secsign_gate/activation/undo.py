"""Putting back what was there before a change. It may be interrupted anywhere, and is begun again until it is done."""

import os
import syslog
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from pathlib import Path

from secsign_gate.activation.arming import disarm_boot
from secsign_gate.activation.change import Change, KeptFile, Phase, Server, digest, undoing, why_due
from secsign_gate.activation.checkpoint import CheckpointError, keep_or_none, put_back, write_file
from secsign_gate.activation.journal import BusyError, Journal, now
from secsign_gate.activation.reload import ReloadError, reload_sshd, start_again
from secsign_gate.activation.server import listeners_of
from secsign_gate.activation.steps import Steps, no_steps
from secsign_gate.errors import GateError
from secsign_gate.sshd.program import Sshd, SshdError
from secsign_gate.sshd.version import Version


class UndoError(GateError):
    """The files are as they were, but sshd does not run them yet. `str()` is one sentence."""


class Reload(Enum):
    """What an undo does with the sshd that listens."""

    NOT = "not"  # at boot: none does yet
    TELL = "tell"  # have it read its configuration
    TELL_OR_START = "tell or start"  # start it as well, should it have ended over the change


def undo(
    journal: Journal,
    change: Change,
    *,
    reload: Reload = Reload.TELL_OR_START,
    say: Callable[[str], None] = lambda _: None,
    at_step: Steps = no_steps,
) -> None:
    """Put back what was before `change`, an `undoing` or `disabling` one, and have sshd read it.

    A file that somebody has changed by hand since is kept beside the journal first, which `say` is told. The caller
    holds the journal's lock. Raises CheckpointError if a file cannot be put back; UndoError if sshd cannot be made to
    read its configuration. In both cases the change stays on record, and the watcher goes on trying.
    """
    if change.phase is not Phase.UNDOING:
        raise ValueError("say why it is undone: undoing() or disabling()")
    _record(journal, change)
    at_step("undo is on record")
    for kept in change.before:
        _put_aside(journal, change, kept, say)
        put_back(kept)
        at_step("a file is put back")
    if reload is not Reload.NOT:
        sshd = sshd_of_server(change.server)
        try:
            _have_it_read(sshd, change.server, start=reload is Reload.TELL_OR_START)
        except (SshdError, ReloadError) as error:
            raise UndoError(
                f"the files are as they were before, but {error}; mend that, and sshd is told again by itself"
            ) from None
        at_step("sshd runs the old configuration")
    disarm_boot(reload=reload is not Reload.NOT)
    at_step("nothing is armed")
    if change.previous is None:
        journal.remove()
    else:
        journal.write(change.previous)


def _record(journal: Journal, change: Change) -> None:
    """Write down that the change is undone. Where the disk is full, what stands there is as good unless confirmed."""
    try:
        journal.write(change)
    except CheckpointError:
        present = journal.read()
        if present is None or present.phase is Phase.CONFIRMED:
            raise


def _put_aside(journal: Journal, change: Change, kept: KeptFile, say: Callable[[str], None]) -> None:
    """Keep a copy of a file that is neither what was written nor what is put back."""
    present = keep_or_none(kept.path)
    known = {written.digest for written in change.written if written.path == kept.path}
    if (
        present is None
        or present.content is None
        or present.content == kept.content
        or digest(present.content) in known
    ):
        return
    name = kept.path.rpartition("/")[2]
    number = 1
    while Path(f"{journal.folder}/{name}.{number}").exists():
        number += 1
    aside = f"{journal.folder}/{name}.{number}"
    try:
        write_file(present._replace(path=aside))
    except CheckpointError:  # a disk that is full must not keep the undo waiting; a second name takes no room
        aside = f"{kept.path}.by-hand"
        with suppress(FileExistsError):
            os.link(kept.path, aside)
    say(f"{kept.path} was changed by hand meanwhile; that is kept as {aside}")
    told(f"{kept.path} was changed by hand meanwhile; that is kept as {aside}")


def _have_it_read(sshd: Sshd, server: Server, *, start: bool) -> None:
    """Have the listeners read their configuration; start sshd where it has ended. Raises SshdError and ReloadError."""
    try:
        if listeners_of(server.configuration):
            reload_sshd(sshd, server)
    except ReloadError:
        if listeners_of(server.configuration):
            raise
    if start:
        start_again(sshd, server)


def undo_what_is_due(journal: Journal, reload: Reload = Reload.TELL_OR_START) -> str:
    """Undo a change that is to be undone by now; return why, a sentence, or nothing if there was none.

    The caller holds the journal's lock. Raises JournalError, and what undo() raises.
    """
    change = journal.read()
    why = why_due(change, now())
    if change is None or not why:
        return ""
    undo(journal, undoing(change, why), reload=reload)
    told(f"undone: {why}")
    return why


def undo_in_passing(journal: Journal) -> str:
    """Do the same for a command that has nothing to do with it: nothing while another process works on the change."""
    if not journal.exists():
        return ""
    try:
        with journal.locked():
            return undo_what_is_due(journal, Reload.TELL)
    except BusyError:
        return ""


def sshd_of_server(server: Server) -> Sshd:
    """Return the sshd that the change is for; what its version is does not matter here."""
    return Sshd(server.executable, Version(0, 0, ""), server.configuration, server.options)


def told(sentence: str) -> None:
    """Tell the system's log what became of a change."""
    with suppress(OSError):
        syslog.openlog("secsign-gate-enable", syslog.LOG_PID, syslog.LOG_AUTHPRIV)
        syslog.syslog(syslog.LOG_NOTICE, "".join(letter if letter.isprintable() else "?" for letter in sentence))

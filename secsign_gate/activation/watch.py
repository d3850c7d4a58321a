"""The watcher: undoes a change that nobody confirms, whoever made it and whatever became of him.

    python3 -I -m secsign_gate.activation.watch FOLDER [--detach]

It ends when there is nothing left to watch. While it lives it holds a lock: one watches a journal, others stand by. It
looks every fifth of a second: at what the journal says, and whether who is at work on a change still holds its lock.
It remembers what it has read, so a journal that is deleted or damaged meanwhile is no way to keep a change.
"""

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from secsign_gate.activation.arming import disarm_boot
from secsign_gate.activation.change import Change, Phase, why_due
from secsign_gate.activation.change_json import JournalError
from secsign_gate.activation.checkpoint import is_as_written
from secsign_gate.activation.journal import BusyError, Journal, held, now
from secsign_gate.activation.process import seconds_since_boot, start_time
from secsign_gate.activation.undo import told, undo_what_is_due
from secsign_gate.errors import GateError

_LOOK_EVERY = 0.2
_AFTER_A_FAULT = 2.0
_FOR_OTHERS = 120.0  # seconds that a `confirm` or a `disable` may take
_DEAF_TO = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGTSTP, signal.SIGPIPE)


def watch(journal: Journal) -> None:
    """Return once there is nothing to watch: the change is confirmed, or undone."""
    fault = ""
    known: Change | None = None
    while True:
        try:
            known = _on_record(journal, known)
            if _looked(journal, known):
                return
            fault = ""
        except (GateError, OSError) as error:
            if str(error) != fault:
                fault = str(error)
                told(f"the change is not undone yet: {fault}")
            time.sleep(_AFTER_A_FAULT)
        time.sleep(_LOOK_EVERY)


def _on_record(journal: Journal, known: Change | None) -> Change | None:
    """Return the change on record. What was `known` before goes on record again if that is lost, or damaged when due.

    It is lost if there is none although its files are in force: who undoes a change puts those back first. Raises
    GateError.
    """
    try:
        present = journal.read()
    except JournalError:
        if known is None or not why_due(known, now()):
            raise
        present = None
    if present is not None or known is None or not _is_in_force(known):
        return present
    with journal.locked():
        if not journal.exists() or why_due(known, now()):
            journal.write(known)
            told("the record of a change that waits was removed or damaged, and is put back")
    return known


def _is_in_force(change: Change) -> bool:
    """Tell whether some file is as an unconfirmed change has made it."""
    touched = {kept.path for kept in change.before}
    in_force = any(written.path in touched and is_as_written(written) for written in change.written)
    return change.phase is not Phase.CONFIRMED and in_force


def _looked(journal: Journal, change: Change | None) -> bool:
    """Look once, at what was just on record; tell whether nothing is left to watch. Raises GateError and OSError."""
    if change is not None and change.phase is Phase.WAITING and not why_due(change, now()):
        return False
    try:
        with journal.locked():
            undo_what_is_due(journal)
            change = journal.read()
            if change is None or change.phase is Phase.CONFIRMED:
                disarm_boot()  # nobody arms it for another change now
                return True
    except BusyError:
        if change is not None:
            end_who_hangs(journal, change)
    return False


def end_who_hangs(journal: Journal, change: Change) -> None:
    """End the command that holds the lock although its time is up: it was stopped, or waits for nothing.

    An `enable` has until the deadline of its change. Another command has two minutes, whatever the age of the change.
    """
    holder = journal.holder()
    if holder is None or change.phase is Phase.CONFIRMED:
        return
    pid, began = holder
    until = change.deadline.since_boot if change.phase is Phase.ARMED else seconds_since_boot(began) + _FOR_OTHERS
    if now().since_boot < until:
        return
    with suppress(OSError):
        descriptor = os.pidfd_open(pid)
        try:
            if start_time(pid) == began:
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        finally:
            os.close(descriptor)


def _detach() -> None:
    """Go on as a process that belongs to no session and no terminal, and has no parent that could end it."""
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)


def main() -> NoReturn:
    """Watch until there is nothing left to watch."""
    for number in _DEAF_TO:
        signal.signal(number, signal.SIG_IGN)
    os.chdir("/")
    os.umask(0o077)
    journal = Journal(sys.argv[1])
    if "--detach" in sys.argv[2:]:
        _detach()
    with held(journal.watcher_lock, wait=True):  # behind another watcher: should that be killed, here is the next
        Path(journal.watcher_lock).write_text(f"{os.getpid()}\n", "ascii")  # for people who look for it
        watch(journal)
    sys.exit(0)


if __name__ == "__main__":
    main()

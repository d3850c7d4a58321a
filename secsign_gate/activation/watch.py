"""The watcher: undoes a change that nobody confirms, whoever made it and whatever became of him.

    python3 -I -m secsign_gate.activation.watch FOLDER [--detach]

It ends when there is nothing left to watch. While it lives it holds a lock: one watches a journal, others stand by. It
looks every fifth of a second: at what the journal says, and whether who is at work on a change still holds its lock.
"""

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from secsign_gate.activation.arming import disarm_boot
from secsign_gate.activation.change import Change, Phase, undoing, why_due
from secsign_gate.activation.journal import BusyError, Journal, held, now
from secsign_gate.activation.process import start_time
from secsign_gate.activation.undo import told, undo
from secsign_gate.errors import GateError

_LOOK_EVERY = 0.2
_AFTER_A_FAULT = 2.0
_FOR_OTHERS = 120.0  # seconds for a `confirm` or a `disable` that is at work when the time is up
_DEAF_TO = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGTSTP, signal.SIGPIPE)


def watch(journal: Journal) -> None:
    """Return once there is nothing to watch: the change is confirmed, or undone."""
    fault = ""
    while True:
        try:
            if _looked(journal):
                return
            fault = ""
        except (GateError, OSError) as error:
            if str(error) != fault:
                fault = str(error)
                told(f"the change is not undone yet: {fault}")
            time.sleep(_AFTER_A_FAULT)
        time.sleep(_LOOK_EVERY)


def _looked(journal: Journal) -> bool:
    """Look once; tell whether nothing is left to watch. Raises GateError and OSError."""
    change = journal.read()
    if change is None or change.phase is Phase.CONFIRMED:
        disarm_boot()
        return True
    if change.phase is Phase.WAITING and not why_due(change, now()):
        return False
    try:
        with journal.locked():
            change = journal.read()
            why = why_due(change, now())
            if change is not None and why:
                undo(journal, undoing(change, why))
                told(f"undone: {why}")
    except BusyError:
        if change is not None:
            _end_who_hangs(journal, change)
    return False


def _end_who_hangs(journal: Journal, change: Change) -> None:
    """End the command that holds the lock although its time is long up: it was stopped, or waits for nothing."""
    patience = 0.0 if change.phase is Phase.ARMED else _FOR_OTHERS
    holder = journal.holder()
    if holder is None or now().since_boot < change.deadline.since_boot + patience:
        return
    pid, began = holder
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

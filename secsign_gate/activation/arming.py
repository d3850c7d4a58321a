"""The undo is armed before the first change: a watcher that outlives the session, and a unit for the next boot.

Under systemd the watcher is a service of its own (systemd-run), for processes of a session may be ended with it
(KillUserProcesses). Elsewhere it leaves the session by itself. Both run watch.py, and both hold the same lock, by which
it is known that one is there.
"""

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from secsign_gate.activation.change import KeptFile
from secsign_gate.activation.checkpoint import CheckpointError, put_back, sync_directory, write_file
from secsign_gate.activation.command import ENVIRONMENT, ran
from secsign_gate.activation.journal import Journal, held
from secsign_gate.errors import GateError

WATCHER = "secsign-gate-undo-watch"
BOOT_UNIT = "secsign-gate-undo.service"
UNITS = "/etc/systemd/system"
_WANTED_BY = "sysinit.target.wants"
_SECONDS = 20.0
_LOOK_EVERY = 0.02


class ArmingError(GateError):
    """The undo cannot be made ready, so nothing may be changed. `str()` is one sentence."""


def systemd_runs() -> bool:
    """Tell whether systemd is process 1 here (sd_booted(3))."""
    return Path("/run/systemd/system").is_dir()


def arm(journal: Journal, boot_unit: str) -> str:
    """Start the watcher, and have the next boot undo what is not confirmed by then; return how, for a sentence.

    `boot_unit` is the text of the unit. Raises ArmingError if no watcher has come up.
    """
    how = ""
    try:
        if systemd_runs():
            _arm_boot(boot_unit)
            how = _start_as_service(journal)
        how = how or _start_detached(journal)
    except (OSError, CheckpointError) as error:
        raise ArmingError(f"the undo cannot be made ready ({error}); nothing was changed") from None
    until = time.monotonic() + _SECONDS
    while not watcher_is_there(journal):
        if time.monotonic() > until:
            raise ArmingError(f"the process that would undo the change did not come up as {how}; nothing was changed")
        time.sleep(_LOOK_EVERY)
    return how


def watcher_is_there(journal: Journal) -> bool:
    """Tell whether a watcher lives."""
    if not os.access(journal.watcher_lock, os.F_OK):
        return False
    with held(journal.watcher_lock) as is_ours:
        return not is_ours


def disarm_boot(*, reload: bool = True) -> None:
    """Have the next boot undo nothing. Never raises: the unit by itself does no harm.

    `reload` tells systemd; a boot that is under way is not disturbed by it.
    """
    link = Path(UNITS, _WANTED_BY, BOOT_UNIT)
    unit = Path(UNITS, BOOT_UNIT)
    if not link.is_symlink() and not unit.exists():
        return
    with suppress(OSError):
        link.unlink(missing_ok=True)
    with suppress(OSError):
        link.parent.rmdir()  # if nothing else is in it
    with suppress(OSError, CheckpointError):
        put_back(KeptFile(str(unit), None))
    if reload and systemd_runs():
        ran("systemctl", "--quiet", "daemon-reload")


def _arm_boot(text: str) -> None:
    """Have systemd run the undo at the next boot, before sshd. Raises OSError and CheckpointError."""
    unit = Path(UNITS, BOOT_UNIT)
    write_file(KeptFile(str(unit), text.encode(), 0o644))
    link = Path(UNITS, _WANTED_BY, BOOT_UNIT)
    link.parent.mkdir(mode=0o755, exist_ok=True)
    with suppress(FileExistsError):
        link.symlink_to(f"../{BOOT_UNIT}")
    for path in (link, link.parent):
        sync_directory(str(path))
    ran("systemctl", "--quiet", "daemon-reload")


def _start_as_service(journal: Journal) -> str:
    """Start the watcher as a service; return its name, empty if systemd does not want to."""
    unit = f"{WATCHER}-{os.getpid()}.service"  # an earlier one may be about to end
    options = ["--quiet", "--collect", f"--unit={unit}", "--description=Undoes a change to sshd that nobody confirms"]
    options += [f"--property={one}" for one in ("Restart=on-failure", "RestartSec=100ms", "StartLimitIntervalSec=0")]
    options += ["--property=TimeoutStopSec=2s"]  # it does not listen to SIGTERM, and the host may be going down
    started = ran("systemd-run", *options, "--", *_watch(journal))
    return unit if started.returncode == 0 else ""


def _start_detached(journal: Journal) -> str:
    """Start the watcher as a process that has left the session, its terminal and its signals."""
    try:
        subprocess.run(
            [*_watch(journal), "--detach"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=ENVIRONMENT,
            cwd="/",
            start_new_session=True,
            timeout=_SECONDS,
            check=True,
        )
    except subprocess.SubprocessError:  # it failed, or takes too long
        raise ArmingError("the process that would undo the change cannot be started; nothing was changed") from None
    return "a process of its own"


def _watch(journal: Journal) -> list[str]:
    return [sys.executable, "-I", "-m", "secsign_gate.activation.watch", journal.folder]

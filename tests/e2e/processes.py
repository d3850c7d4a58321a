"""The gate's own processes on the private host: which there are, and waiting for their end without polling."""

from __future__ import annotations

import os
import pwd
import select
import signal
from contextlib import suppress
from pathlib import Path

DOOR = b"/opt/secsign-gate/bin/secsign-gate-force-command"
BROKER = b"secsign_gate.broker.embedded"
LONGEST_WAIT = 60.0  # seconds; a guard against hanging, never an expectation


def doors_of(account: str) -> list[int]:
    """Return the process ids of the doors that run as `account`."""
    return _running(account, DOOR)


def brokers_of(account: str) -> list[int]:
    """Return the process ids of the embedded brokers that run as `account`."""
    return _running(account, BROKER)


def ended(pids: list[int], seconds: float = LONGEST_WAIT) -> bool:
    """Wait until none of `pids` is there any more. Returns False if one still is after `seconds`."""
    for pid in pids:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            if not select.select([descriptor], [], [], seconds)[0]:
                return False
        finally:
            os.close(descriptor)
    return True


def parent_of(pid: int) -> int:
    """Return the process id of the parent of `pid`: for a door, the sshd that started it."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("\nPPid:")[2].split()[0])


def end_all(accounts: list[str]) -> None:
    """End every door and broker of these accounts, also one that is stopped: what a failed test left is no other's."""
    for account in accounts:
        for pid in doors_of(account) + brokers_of(account):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _running(account: str, word: bytes) -> list[int]:
    uid = pwd.getpwnam(account).pw_uid
    corner = Path("/proc/self/ns/mnt").readlink()  # the demo, when it is tested, has a corner and doors of its own
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (
                folder.stat().st_uid == uid
                and word in (folder / "cmdline").read_bytes().split(b"\0")
                and (folder / "ns/mnt").readlink() == corner
            ):
                found.append(int(folder.name))
        except OSError:
            continue  # it ended while we looked
    return sorted(found)

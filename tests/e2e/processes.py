"""The gate's own processes on the private host: which there are, and waiting for their end without polling."""

from __future__ import annotations

import os
import pwd
import select
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


def _running(account: str, word: bytes) -> list[int]:
    uid = pwd.getpwnam(account).pw_uid
    corner = Path("/proc/self/ns/mnt").readlink()  # of this worker: tests that run beside it have doors of their own
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

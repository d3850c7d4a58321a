"""Files put into the home of a test account for a moment, and whatever was there put back as it was.

What is there is moved aside under another name and moved back: bytes, mode, owner and times are never touched. A
journal in the home says what was begun, so that a probe that was killed is made good by the next one.
"""

import fcntl
import json
import os
import pwd
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from secsign_gate.probe.fault import ProbeError

JOURNAL = ".secsign-gate-probe"
ASIDE = ".before-secsign-gate-probe"
HEADER = "# put here by secsign-gate probe for a moment; what was here is beside it under a longer name"


def why_not(account: str) -> str:
    """Return why this process may not change the home of `account` here, in a clause; empty if it may."""
    try:
        entry = pwd.getpwnam(account)
    except KeyError:
        return f"{account} is no account of this host"
    if os.geteuid() not in (0, entry.pw_uid):
        return f"it takes root, or {account}, to put files into that home"
    return "" if Path(entry.pw_dir).is_dir() else f"{account} has no home on this host"


@contextmanager
def planted(account: str, files: Mapping[str, str]) -> Iterator[None]:
    """Keep files in the home of `account`: their relative names, and what they say. Raises ProbeError, and OSError.

    They are written, and put back, with the rights of the account: a link in its home leads root nowhere.
    """
    home = Path(pwd.getpwnam(account).pw_dir)
    with acting_as(account):
        journal = _begin(home, list(files))
    try:
        with acting_as(account):
            for name, text in files.items():
                _put(home / name, text)
        yield
    finally:
        with acting_as(account):
            _restore(home, journal)


def put_back(account: str) -> bool:
    """Make good what a killed probe has left in the home; tell whether there was something.

    Raises ProbeError if the probe that planted there is still running, and OSError.
    """
    home = Path(pwd.getpwnam(account).pw_dir)
    with acting_as(account):
        try:
            journal = os.open(home / JOURNAL, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return False
        _lock(journal, home)
        _restore(home, journal)
    return True


@contextmanager
def acting_as(account: str) -> Iterator[None]:
    """Have the rights of `account` on files, if this process is root; all its threads have them meanwhile."""
    entry = pwd.getpwnam(account)
    if os.geteuid() != 0 or entry.pw_uid == 0:
        yield
        return
    groups, group = os.getgroups(), os.getegid()
    os.setgroups(os.getgrouplist(account, entry.pw_gid))
    os.setegid(entry.pw_gid)
    os.seteuid(entry.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def _begin(home: Path, names: list[str]) -> int:
    """Write the journal before anything is changed; return its descriptor, which holds a lock."""
    folders = {str(folder) for name in names for folder in Path(name).parents}
    made = sorted((folder for folder in folders if not (home / folder).exists()), key=len)
    times = {folder: _times(home / folder) for folder in sorted(folders - set(made))}
    try:
        journal = os.open(home / JOURNAL, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise ProbeError(f"{home / JOURNAL} is there: another probe plants files in this home; wait for it") from None
    _lock(journal, home)
    os.write(journal, json.dumps({"files": names, "made": made, "times": times}).encode() + b"\n")
    os.fsync(journal)
    _sync(home)
    for folder in made:
        (home / folder).mkdir(mode=0o700)
    return journal


def _put(path: Path, text: str) -> None:
    """Move aside what is there, and write ours in its place."""
    with suppress(FileNotFoundError):
        path.rename(path.with_name(path.name + ASIDE))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o700)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def _restore(home: Path, journal: int) -> None:
    """Do the opposite of what the journal says was begun, as far as it was done; then forget the journal."""
    begun = _read(journal)
    for name in begun["files"]:
        path = home / name
        aside = path.with_name(path.name + ASIDE)
        if os.path.lexists(aside):
            aside.rename(path)
        elif _is_ours(path):
            path.unlink()
    for folder in reversed(begun["made"]):
        with suppress(OSError):  # never made, or somebody has put something into it
            (home / folder).rmdir()
    _sync(home)
    (home / JOURNAL).unlink()
    for folder, times in begun["times"].items():
        os.utime(home / folder, ns=(times[0], times[1]))
    os.close(journal)


def _read(journal: int) -> dict[str, Any]:
    """Return what the journal says; nothing was begun if it was not written to its end. Raises ProbeError."""
    nothing: dict[str, Any] = {"files": [], "made": [], "times": {}}
    size = os.fstat(journal).st_size
    text = os.pread(journal, size, 0)
    if not text.endswith(b"\n"):
        return nothing
    begun: dict[str, Any] = nothing | json.loads(text)
    if any(Path(name).is_absolute() or ".." in Path(name).parts for name in (*begun["files"], *begun["made"])):
        raise ProbeError(f"{JOURNAL} in the home is not of our making; look at it, and remove it")
    return begun


def _lock(journal: int, home: Path) -> None:
    try:
        fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(journal)
        raise ProbeError(f"{home / JOURNAL} is in use: another probe plants files there; wait for it") from None


def _is_ours(path: Path) -> bool:
    try:
        return HEADER in path.read_text(errors="replace")
    except OSError:
        return False


def _times(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_atime_ns, status.st_mtime_ns


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

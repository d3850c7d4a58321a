"""Files put into the home of a test account for a moment, and whatever was there put back as it was.

What is there is moved aside under another name and moved back: bytes, mode, owner and times are never touched. A
journal in the home says what was begun, so that a probe that was killed is made good by the next one.
"""

import fcntl
import json
import os
import pwd
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from secsign_gate.probe.fault import ProbeError

JOURNAL = ".secsign-gate-probe"
ASIDE = ".before-secsign-gate-probe"
EVIDENCE = "secsign-gate-probe-"
_READY = ".ready-for-secsign-gate-probe"
_LONGEST_JOURNAL = 65536  # bytes
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


class _Begun(NamedTuple):
    """What the journal says of names relative to the home.

    `files` are planted, `made` are folders made for them, `times` the times of access and modification, in nanoseconds,
    of the folders that were there.
    """

    files: list[str]
    made: list[str]
    times: dict[str, list[int]]


@contextmanager
def planted(account: str, files: Mapping[str, str]) -> Iterator[None]:
    """Keep files in the home of `account`: their relative names, and what they say; HEADER stands in each.

    They are written, and put back, with the rights of the account: a link in its home leads root nowhere. Raises
    ProbeError, and OSError.
    """
    if any(HEADER not in text for text in files.values()):
        raise ValueError("without HEADER nobody knows which files are to be taken away again")
    home = Path(pwd.getpwnam(account).pw_dir)
    with acting_as(account):
        begun = _plan(home, list(files))
        journal = _write(home, begun)
    try:
        with acting_as(account):
            for folder in begun.made:
                (home / folder).mkdir(mode=0o700)
            for name, text in files.items():
                _put(home / name, text)
        yield
    finally:
        with acting_as(account):
            _restore(home, begun)
        os.close(journal)


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
        try:
            _lock(journal, home)
            _restore(home, _read(journal))
        finally:
            os.close(journal)
        for folder in Path("/tmp").glob(f"{EVIDENCE}*"):  # noqa: S108 - where planted files leave their traces
            if folder.lstat().st_uid == os.geteuid():
                shutil.rmtree(folder, ignore_errors=True)
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


def _plan(home: Path, names: list[str]) -> _Begun:
    folders = sorted({str(folder) for name in names for folder in Path(name).parents}, key=len)
    made = [folder for folder in folders if not (home / folder).exists()]
    return _Begun(names, made, {folder: _times(home / folder) for folder in folders if folder not in made})


def _write(home: Path, begun: _Begun) -> int:
    """Write the journal before anything is changed; return its descriptor, which holds a lock."""
    try:
        journal = os.open(home / JOURNAL, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise ProbeError(f"{home / JOURNAL} is there: another probe plants files in this home; wait for it") from None
    _lock(journal, home)
    os.write(journal, json.dumps(begun._asdict()).encode() + b"\n")
    os.fsync(journal)
    _sync(home)
    return journal


def _put(path: Path, text: str) -> None:
    """Write ours, move aside what is there, and move ours into its place: a file in place is whole, or is not ours."""
    ready = path.with_name(path.name + _READY)
    descriptor = os.open(ready, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o700)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    with suppress(FileNotFoundError):
        path.rename(path.with_name(path.name + ASIDE))
    ready.rename(path)


def _restore(home: Path, begun: _Begun) -> None:
    """Do the opposite of what was begun, as far as it was done; then forget the journal."""
    for name in begun.files:
        path = home / name
        aside = path.with_name(path.name + ASIDE)
        if os.path.lexists(aside):
            aside.rename(path)
        elif _is_ours(path):
            path.unlink()
        path.with_name(path.name + _READY).unlink(missing_ok=True)
    for folder in reversed(begun.made):
        with suppress(OSError):  # never made, or somebody has put something into it
            (home / folder).rmdir()
    _sync(home)
    for folder, times in begun.times.items():
        os.utime(home / folder, ns=(times[0], times[1]))
    (home / JOURNAL).unlink()
    if "." in begun.times:  # where the journal was
        os.utime(home, ns=(begun.times["."][0], begun.times["."][1]))


def _read(journal: int) -> _Begun:
    """Return what the journal says; nothing was begun if it was not written to its end. Raises ProbeError."""
    text = os.pread(journal, _LONGEST_JOURNAL, 0)
    if not text.endswith(b"\n"):
        return _Begun([], [], {})
    fault = ProbeError(f"{JOURNAL} in that home is not of our making; look at it, and remove it")
    try:
        begun = _Begun(**json.loads(text))
        names = [Path(name) for name in (*begun.files, *begun.made, *begun.times)]
        times = {folder: [int(one) for one in pair] for folder, pair in begun.times.items()}
    except (ValueError, TypeError, AttributeError):
        raise fault from None
    if any(name.is_absolute() or ".." in name.parts for name in names) or any(len(one) != 2 for one in times.values()):  # noqa: PLR2004 - a pair
        raise fault
    return begun


def _lock(journal: int, home: Path) -> None:
    try:
        fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ProbeError(f"{home / JOURNAL} is in use: another probe plants files there; wait for it") from None


def _is_ours(path: Path) -> bool:
    try:
        return HEADER in path.read_text(errors="replace")
    except OSError:
        return False


def _times(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_atime_ns, status.st_mtime_ns]


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

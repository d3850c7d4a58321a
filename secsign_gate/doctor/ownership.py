"""Who else could change a file: the owner and the mode of it, and of everything on the way to it.

trusted_file.py judges what it reads, and stops at the first fault. Here nothing is read, and every fault is told.
"""

import grp
import os
import pwd
import stat
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

ROOT = frozenset({0})
_MOST_LINKS = 40  # as the kernel's own limit (path_resolution(7))
_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


class Fault(NamedTuple):
    """Something that others than its owners could change: `path`, what is wrong with it, and the command that mends it.

    `by_everybody`: everybody on the host could, not only a certain account or group.
    """

    path: str
    what: str
    command: str
    by_everybody: bool = False


class Way(NamedTuple):
    """The way to a file: where it leads to in the end, symbolic links followed, and every fault on it."""

    end: str
    faults: tuple[Fault, ...]


def way_to(path: str, owners: frozenset[int] = ROOT, private_gid: int = -1) -> Way:
    """Walk to `path`, which is absolute, and judge every directory, every symbolic link, and what is there.

    Each must belong to one of the uids `owners`, and not be writable by its group or by others; a directory with the
    sticky bit may be, and so may what only the group `private_gid` can write. Raises OSError if there is nothing, or it
    may not be looked at.
    """
    faults: dict[str, Fault] = {}
    names = _parts(path)
    here, links = "/", 0
    _judge(here, os.lstat(here), owners, faults, private_gid)
    while names:
        name = names.pop()
        if name == "..":
            here = str(Path(here).parent)
            continue
        there = str(Path(here, name))
        status = os.lstat(there)
        _judge(there, status, owners, faults, private_gid)
        if not stat.S_ISLNK(status.st_mode):
            here = there
            continue
        links += 1
        if links > _MOST_LINKS:
            raise OSError(f"{path} is behind too many symbolic links")
        target = str(Path(there).readlink())
        here = "/" if target.startswith("/") else here
        names += _parts(target)
    return Way(here, tuple(faults.values()))


def faults_below(folder: str, owners: frozenset[int] = ROOT) -> tuple[Fault, ...]:
    """Judge everything below `folder` as `way_to` does, and what symbolic links there lead to. Raises OSError."""
    faults: dict[str, Fault] = {}
    folders = [folder]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                _judge(entry.path, status, owners, faults)
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif entry.is_symlink():
                    with suppress(OSError):  # one that leads nowhere leads to nobody's file
                        faults |= {fault.path: fault for fault in way_to(entry.path, owners).faults}
    return tuple(faults.values())


def _parts(path: str) -> list[str]:
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]


def _judge(
    path: str, status: os.stat_result, owners: frozenset[int], faults: dict[str, Fault], private_gid: int = -1
) -> None:
    is_link = stat.S_ISLNK(status.st_mode)
    by_others = stat.S_IWOTH if status.st_gid == private_gid else _BY_OTHERS
    if status.st_uid not in owners:
        what = f"{path} belongs to {account_name(status.st_uid)}, not to {account_name(min(owners))}"
        faults[path] = Fault(path, what, f"chown {'-h ' if is_link else ''}{account_name(min(owners))} {path}")
    elif not is_link and status.st_mode & by_others and not _is_sticky_folder(status.st_mode):
        everybody = bool(status.st_mode & stat.S_IWOTH)
        what = f"{path} can be written by {'everybody' if everybody else f'the group {_group_name(status.st_gid)}'}"
        faults[path] = Fault(path, what, f"chmod go-w {path}", everybody)


def _is_sticky_folder(mode: int) -> bool:
    return stat.S_ISDIR(mode) and bool(mode & stat.S_ISVTX)


def account_name(uid: int) -> str:
    """Return the name of a user, or the number of one who has none."""
    with suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return f"uid {uid}"


def private_group(uid: int, gid: int) -> int:
    """Return `gid` if nobody but the user `uid` is in that group, else -1. Debian's sshd trusts such a group."""
    try:
        members = set(grp.getgrgid(gid).gr_mem)
        others = [entry for entry in pwd.getpwall() if entry.pw_gid == gid and entry.pw_uid != uid]
        return gid if not others and members <= {pwd.getpwuid(uid).pw_name} else -1
    except KeyError:
        return -1


def _group_name(gid: int) -> str:
    with suppress(KeyError):
        return grp.getgrgid(gid).gr_name
    return str(gid)

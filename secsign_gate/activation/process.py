"""What /proc says of a process (proc(5)): who it is, whose child, and which program image it runs."""

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

# Fields of proc_pid_stat(5), counted from behind the name, which may hold anything.
_PARENT, _START_TIME = 1, 19
_OF_THE_IMAGE = (23, 25, 45, 46, 47, 48)  # startcode, startstack, arg_start … env_end: exec(2) places all anew
_STATE, _INODE, _LISTEN = 3, 9, "0A"  # of a line of proc_pid_net(5)'s tcp; include/net/tcp_states.h
_MOST_ANCESTORS = 1000


class Process(NamedTuple):
    """A process. `start_time` is in clock ticks since boot.

    `executable` is the file that it runs from, empty if that may not be known.
    """

    pid: int
    parent: int
    start_time: int
    uid: int
    executable: str


def process(pid: int) -> Process | None:
    """Return the process, None if there is none (any more)."""
    try:
        fields = _fields(pid)
        uid = Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return None
    executable = ""
    with suppress(OSError):
        executable = os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")  # noqa: PTH115 - it may have no path
    return Process(pid, int(fields[_PARENT]), int(fields[_START_TIME]), uid, executable)


def start_time(pid: int) -> int:
    """Return when the process started, in clock ticks since boot; 0 if it is gone."""
    found = process(pid)
    return 0 if found is None else found.start_time


def ancestry(pid: int) -> tuple[Process, ...]:
    """Return the process, its parent, and so on."""
    chain: list[Process] = []
    while pid > 0 and len(chain) < _MOST_ANCESTORS:
        found = process(pid)
        if found is None:
            break
        chain.append(found)
        pid = found.parent
    return tuple(chain)


def image_of(pid: int) -> tuple[str, ...]:
    """Return what is another after each exec(2) of a listener: where its program lies, and its listening sockets.

    Where addresses are not chosen by chance, the sockets tell: sshd opens them anew, unless systemd gave it one.
    Raises OSError if the process is gone.
    """
    fields = _fields(pid)
    listening = set()
    for name in ("tcp", "tcp6"):
        with suppress(FileNotFoundError):  # tcp6: a kernel without IPv6
            for line in Path(f"/proc/{pid}/net/{name}").read_text("ascii").splitlines()[1:]:
                words = line.split()
                if words[_STATE] == _LISTEN:
                    listening.add(f"socket:[{words[_INODE]}]")
    held = set()
    for name in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208 - names, not paths
        with suppress(OSError):
            held.add(os.readlink(f"/proc/{pid}/fd/{name}"))  # noqa: PTH115 - `socket:[1]` is no path
    return (*(fields[field] for field in _OF_THE_IMAGE), *sorted(held & listening))


def unit_of(pid: int) -> str:
    """Return the system service of systemd that the process belongs to, empty if systemd does not run it as one."""
    if not Path("/run/systemd/system").is_dir():
        return ""
    try:
        group = Path(f"/proc/{pid}/cgroup").read_text().rpartition(":")[2].strip()
    except OSError:
        return ""
    parts = [part for part in group.split("/") if part]
    inside = len(parts) > 1 and parts[0] == "system.slice" and parts[-1].endswith(".service")
    return parts[-1] if inside else ""


def ticks_since_boot(seconds: float) -> int:
    """Return seconds of CLOCK_BOOTTIME in the unit of `start_time`."""
    return int(seconds * os.sysconf("SC_CLK_TCK"))


def seconds_since_boot(ticks: int) -> float:
    """Return a `start_time` in seconds of CLOCK_BOOTTIME."""
    return ticks / os.sysconf("SC_CLK_TCK")


def _fields(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()

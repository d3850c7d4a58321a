"""SSH servers that listen on this host, found in /proc: what they run, how they were started, and when.

An OpenSSH listener replaces its arguments by a title (`sshd: /usr/sbin/sshd -D -p 22 [listener] 0 of 10-100 startups`),
in which blanks inside of an argument look like blanks between two.
"""

import os
import re
import sys
import time
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import NamedTuple

# Copies and later releases go by names like sshd-old and sshd2; what serves a session already is no listener.
_SERVER = re.compile(
    r"(?!sshd-(?:session|auth)$)(?:.*[-_.])?(?:sshd|dropbear|dropbearmulti|tinysshd|lshd)(?:[-_.0-9].*)?"
)
_DELETED = " (deleted)"
_OF_SSHD = "sshd: "
_TITLE = re.compile(r"sshd: (.*) \[listener\] .*", re.DOTALL)
_LISTEN = "0A"  # include/net/tcp_states.h
_LOCAL, _STATE, _INODE = 1, 3, 9  # fields of a line of /proc/net/tcp (proc_pid_net(5))
_START_TIME = 19  # field 22 of proc_pid_stat(5), counted from behind the name
_WORD = 8  # hexadecimal digits of 32 bits
_IPV6 = 32  # hexadecimal digits
_SOCKET = re.compile(r"socket:\[(\d+)\]")


class Listener(NamedTuple):
    """A server that waits for SSH connections.

    `arguments` are those behind the program's name. `replaced`: the file that it runs from has been replaced or removed
    since it started. `started` is in seconds since 1970. `listens_on` are addresses and ports. `uids` are those that it
    runs with, real, effective and so on, each once: what is not root's alone may be anybody's program of that name.
    """

    pid: int
    executable: str
    arguments: tuple[str, ...]
    replaced: bool
    started: float
    listens_on: tuple[tuple[str, int], ...]
    uids: frozenset[int]

    @property
    def is_roots(self) -> bool:
        """Tell whether root started it, and nobody else."""
        return self.uids == {0}

    @property
    def is_openssh(self) -> bool:
        """Tell whether it goes by OpenSSH's name."""
        name = self.executable.rpartition("/")[2]
        return re.split("[-_.0-9]", name)[0] == "sshd"


def listeners() -> tuple[Listener, ...]:
    """Return the SSH servers that listen, lowest pid first. As another user than root, those of root's are not seen.

    Those of other pid namespaces, which are containers' own, are left out.
    """
    found = []
    ours = _link("/proc/self/ns/pid")
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdecimal()):  # noqa: PTH208 - names, not paths
        executable = _link(f"/proc/{pid}/exe")
        name = executable.removesuffix(_DELETED).rpartition("/")[2]
        if _SERVER.fullmatch(name) and _link(f"/proc/{pid}/ns/pid") == ours:
            with suppress(OSError, ValueError):  # it has ended meanwhile
                arguments = _arguments(Path(f"/proc/{pid}/cmdline").read_bytes())
                listens_on = _listens_on(pid)
                if listens_on and arguments is not None:
                    found.append(_listener(pid, executable, arguments, listens_on))
    return tuple(found)


def _listener(
    pid: int, executable: str, arguments: tuple[str, ...], listens_on: tuple[tuple[str, int], ...]
) -> Listener:
    return Listener(
        pid,
        executable.removesuffix(_DELETED),
        arguments,
        executable.endswith(_DELETED),
        _started(pid),
        listens_on,
        _uids(pid),
    )


def _uids(pid: int) -> frozenset[int]:
    """Return the uids of process `pid`, which the owner of its folder in /proc need not be. Raises OSError."""
    lines = Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines()
    return frozenset(int(uid) for line in lines if line.startswith("Uid:") for uid in line.split()[1:])


def _arguments(command_line: bytes) -> tuple[str, ...] | None:
    """Return the arguments in what /proc/PID/cmdline holds: words ended by NUL each, or a title.

    None for the title of a session, whose sshd may also listen: for a forwarded port, or for X11.
    """
    words = os.fsdecode(command_line).rstrip("\0").split("\0")
    if not words[0].startswith(_OF_SSHD):
        return tuple(words[1:])
    title = _TITLE.fullmatch(words[0])
    return tuple(title[1].split()[1:]) if title else None


def _started(pid: int) -> float:
    """Return when process `pid` started, rounded up to a clock tick. Raises OSError or ValueError."""
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[_START_TIME])
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return booted + (ticks + 1) / os.sysconf("SC_CLK_TCK")


def _listens_on(pid: int) -> tuple[tuple[str, int], ...]:
    inodes = set()
    for entry in os.scandir(f"/proc/{pid}/fd"):
        found = _SOCKET.fullmatch(_link(entry.path))
        if found:
            inodes.add(found[1])
    ends = set()
    for name in ("tcp", "tcp6"):
        with suppress(FileNotFoundError):  # tcp6: a kernel without IPv6
            for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]:
                fields = line.split()
                if len(fields) > _INODE and fields[_STATE] == _LISTEN and fields[_INODE] in inodes:
                    ends.add(_end(fields[_LOCAL]))
    return tuple(sorted(ends))


def _end(text: str) -> tuple[str, int]:
    """Return address and port: `0100007F:0016` is 127.0.0.1 port 22, on a little-endian machine."""
    address, _, port = text.partition(":")
    octets = b"".join(
        int(address[place : place + _WORD], 16).to_bytes(4, sys.byteorder) for place in range(0, len(address), _WORD)
    )
    return str(IPv6Address(octets) if len(address) == _IPV6 else IPv4Address(octets)), int(port, 16)


def _link(path: str) -> str:
    """Return where a link of /proc leads, empty if that may not be known or nothing is there any more."""
    try:
        return os.readlink(path)  # noqa: PTH115 - `socket:[1]` is no path
    except OSError:
        return ""

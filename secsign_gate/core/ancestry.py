"""What the kernel says of a process, of its ancestors and of their TCP sockets. Values only; proof.py judges them."""

from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

ROOT = 0


class UnprovenError(Exception):
    """What was claimed of an SSH connection is not proven. `str()` is one sentence: what was missing, of what."""


class CrowdedError(Exception):
    """There was no turn to find out what could be proven. That proves nothing, and disproves nothing."""


class Process(NamedTuple):
    """A process as the kernel describes it.

    `start_time` is in clock ticks since boot (proc_pid_stat(5), field 22); together with the pid it names the process.
    `uid` is the real one. `executable` is the path of the file that it runs, empty if that is not known.
    """

    pid: int
    parent: int
    start_time: int
    uid: int
    effective_uid: int
    executable: str


class Lineage(NamedTuple):
    """What names a process, by pid and start time in clock ticks since boot, and the pid of its parent."""

    pid: int
    parent: int
    start_time: int


class TcpConnection(NamedTuple):
    """An established TCP connection, seen from this host."""

    local_address: IPv4Address | IPv6Address
    local_port: int
    remote_address: IPv4Address | IPv6Address
    remote_port: int


class TcpSockets(NamedTuple):
    """The TCP sockets that one process holds: its established connections, and whether it listens for more."""

    established: tuple[TcpConnection, ...]
    listens: bool


class SshdProcess(NamedTuple):
    """The root-owned sshd of one SSH connection: the connection's identity on this host until the next boot.

    `start_time` is in clock ticks since boot.
    """

    pid: int
    start_time: int


class Facts(NamedTuple):
    """What is known of a process: itself, its parent and so on, and the sockets of root's among them, by pid."""

    chain: tuple[Process, ...]
    sockets: dict[int, TcpSockets]

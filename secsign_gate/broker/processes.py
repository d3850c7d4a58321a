"""Processes as /proc shows them. Reads and decides nothing; what it means is core/proof.py's business.

Every file of /proc/PID is read by number, and the number may pass to another process at any time. `facts_about` reads
the chain again after all else: a process keeps its parent as long as that lives, so where the second reading is like
the first, each parent lived in between, and what was read under its number was its own.
"""

import os
import re
from collections.abc import Callable

from secsign_gate.broker.tcp_sockets import tcp_sockets
from secsign_gate.core.ancestry import ROOT, Facts, Lineage, Process, TcpSockets, UnprovenError

MAX_DEPTH = 32  # processes from a door to the top; sshd's own are the first four
MAX_EXECUTABLE = 1024  # bytes; a longer path is that of no sshd
_STATUS = 4096  # bytes; what matters stands before the groups, of which there may be many

_STAT = re.compile(rb"\d+ \(.*\) [A-Za-z] (\d+) (?:-?\d+ ){17}(\d+) ", re.DOTALL)  # the name may hold anything
_UIDS = re.compile(rb"^Uid:\t(\d+)\t(\d+)\t", re.MULTILINE)


def facts_about(pid: int) -> Facts:
    """Return process `pid` and its ancestors as far as they matter, read at one time in effect.

    Raises UnprovenError if one of them ended meanwhile, or cannot be read; or if the sockets of one of root's cannot,
    unless one below it holds a connection.
    """
    chain = ancestors(pid)
    sockets: dict[int, TcpSockets] = {}
    for one in chain[1:]:
        if one.uid == ROOT and one.parent != 0:
            try:
                sockets[one.pid] = tcp_sockets(one.pid)
            except UnprovenError:
                if not any(held.established for held in sockets.values()):
                    raise
                break  # what starts sshd may hold whatever it likes: the connection was found below it
    for before in chain:
        if identity(before.pid) != before._replace(executable=""):
            raise UnprovenError(f"process {before.pid} became another one while it was looked at")
    return Facts(chain, sockets)


def process(pid: int) -> Process:
    """Return what /proc says of process `pid`; its executable is empty if this process may not know it.

    Raises UnprovenError if there is no such process.
    """
    found = identity(pid)
    try:
        executable = os.readlink(f"/proc/{pid}/exe")  # noqa: PTH115 - a Path would tidy what the kernel says
    except OSError:  # a thread of the kernel has none, and others' need the right to trace them
        return found
    return found if len(os.fsencode(executable)) > MAX_EXECUTABLE else found._replace(executable=executable)


def ancestors(pid: int) -> tuple[Process, ...]:
    """Return process `pid`, its parent and so on, MAX_DEPTH at most.

    The last one is the first that runs as another user: above it, nothing is that user's. Raises UnprovenError.
    """
    chain = [process(pid)]
    while (last := chain[-1]).parent != 0 and last.uid == chain[0].uid and len(chain) < MAX_DEPTH:
        chain.append(process(last.parent))
    return tuple(chain)


def identity(pid: int) -> Process:
    """Return process `pid` without its executable. Raises UnprovenError if there is no such process."""
    parent, start_time = _found(_STAT.match, pid, "stat")
    return Process(pid, parent, start_time, *_found(_UIDS.search, pid, "status"), executable="")


def lineage(pid: int) -> Lineage:
    """Return what names process `pid`, and its parent. Raises UnprovenError if there is no such process."""
    return Lineage(pid, *_found(_STAT.match, pid, "stat"))


def _found(find: Callable[[bytes], re.Match[bytes] | None], pid: int, name: str) -> tuple[int, int]:
    """Return the two numbers that `find` finds in the file of process `pid` with this name. Raises UnprovenError."""
    try:
        descriptor = os.open(f"/proc/{pid}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            found = find(os.read(descriptor, _STATUS))
        finally:
            os.close(descriptor)
    except OSError:
        raise UnprovenError(f"process {pid} has ended, or is hidden") from None
    if found is None:
        raise UnprovenError(f"what /proc says of process {pid} cannot be read")
    return int(found[1]), int(found[2])

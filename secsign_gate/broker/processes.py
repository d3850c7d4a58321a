"""Processes as /proc shows them. Reads and decides nothing; what it means is core/proof.py's business.

Every file of /proc/PID is read by number, and the number may pass to another process at any time. `facts_about` reads
the chain again after all else: a process keeps its parent as long as that lives, so where the second reading is like
the first, each parent lived in between, and what was read under its number was its own.

Executables and descriptors of root's processes are shown only to who may trace them (ptrace(2), PTRACE_MODE_READ).
"""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise
from typing import NamedTuple

from secsign_gate.core.ancestry import ROOT, Process, TcpConnection, TcpSockets, UnprovenError
from secsign_gate.core.login import IpAddress

MAX_DEPTH = 32  # processes from a door to the top; sshd's own are the first four
MAX_EXECUTABLE = 1024  # bytes; a longer path is that of no sshd
_MAX_DESCRIPTORS = 4096
_MAX_TABLE = 32 << 20  # bytes; some 200,000 connections
_PIECE = 1 << 16
_STATUS = 4096  # bytes; what matters stands before the groups, of which there may be many

_STAT = re.compile(rb"\d+ \(.*\) [A-Za-z] (\d+) (?:-?\d+ ){17}(\d+) ", re.DOTALL)  # the name may hold anything
_UIDS = re.compile(rb"^Uid:\t(\d+)\t(\d+)\t", re.MULTILINE)
_SOCKET = re.compile(r"socket:\[(\d+)\]")
_WORD = 8  # hexadecimal digits
_IPV4 = 8
_IPV6 = 32
_ESTABLISHED, _LISTEN = "01", "0A"  # include/net/tcp_states.h
_LOCAL, _REMOTE, _STATE, _INODE = 1, 2, 3, 9  # fields of a line of /proc/net/tcp (proc_pid_net(5))


class Facts(NamedTuple):
    """What there is to know of a process and its ancestors: `sockets` are those of root's processes, by pid."""

    chain: tuple[Process, ...]
    sockets: dict[int, TcpSockets]


def facts_about(pid: int) -> Facts:
    """Return process `pid` and its ancestors as far as they matter, read at one time in effect.

    Raises UnprovenError if one of them ended meanwhile, or cannot be read.
    """
    chain = ancestors(pid)
    sockets = {one.pid: tcp_sockets(one.pid) for one in chain[1:] if one.uid == ROOT and one.parent != 0}
    for before in chain:
        if _identity(before.pid) != before._replace(executable=""):
            raise UnprovenError(f"process {before.pid} became another one while it was looked at")
    return Facts(chain, sockets)


def process(pid: int) -> Process:
    """Return what /proc says of process `pid`; its executable is empty if this process may not know it.

    Raises UnprovenError if there is no such process.
    """
    identity = _identity(pid)
    try:
        executable = os.readlink(f"/proc/{pid}/exe")  # noqa: PTH115 - a Path would tidy what the kernel says
    except OSError:  # a thread of the kernel has none, and others' need the right to trace them
        return identity
    return identity if len(os.fsencode(executable)) > MAX_EXECUTABLE else identity._replace(executable=executable)


def ancestors(pid: int) -> tuple[Process, ...]:
    """Return process `pid`, its parent and so on, MAX_DEPTH at most.

    The last one is the first that runs as another user: above it, nothing is that user's. Raises UnprovenError.
    """
    chain = [process(pid)]
    while (last := chain[-1]).parent != 0 and last.uid == chain[0].uid and len(chain) < MAX_DEPTH:
        chain.append(process(last.parent))
    for child, parent in pairwise(chain):
        if child.start_time < parent.start_time:
            raise UnprovenError(f"process {parent.pid} became another one while it was looked at")
    return tuple(chain)


def established(pid: int) -> tuple[TcpConnection, ...]:
    """Return the established TCP connections of process `pid`, each once. Raises UnprovenError as `tcp_sockets`."""
    return tcp_sockets(pid).established


def tcp_sockets(pid: int) -> TcpSockets:
    """Return the TCP sockets that process `pid` holds, in its own network namespace.

    Raises UnprovenError if they cannot be read, or if there are too many to look through.
    """
    try:
        inodes = _socket_inodes(pid)
        lines = [line for line in _tcp_lines(pid) if line[_INODE] in inodes] if inodes else []
    except OSError as error:
        raise UnprovenError(f"the sockets of process {pid} cannot be read ({error.strerror})") from None
    connections = {
        line[_INODE]: TcpConnection(*_end(line[_LOCAL]), *_end(line[_REMOTE]))
        for line in lines
        if line[_STATE] == _ESTABLISHED
    }
    return TcpSockets(tuple(connections.values()), any(line[_STATE] == _LISTEN for line in lines))


def _identity(pid: int) -> Process:
    """Return process `pid` without its executable."""
    try:
        stat = _STAT.match(_beginning(f"/proc/{pid}/stat"))
        uids = _UIDS.search(_beginning(f"/proc/{pid}/status"))
    except OSError:
        raise UnprovenError(f"process {pid} has ended, or is hidden") from None
    if stat is None or uids is None:
        raise UnprovenError(f"what /proc says of process {pid} cannot be read")
    return Process(pid, int(stat[1]), int(stat[2]), int(uids[1]), int(uids[2]), "")


def _beginning(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _STATUS)
    finally:
        os.close(descriptor)


def _socket_inodes(pid: int) -> set[str]:
    inodes = set()
    with os.scandir(f"/proc/{pid}/fd") as descriptors:
        for number, descriptor in enumerate(descriptors):
            if number >= _MAX_DESCRIPTORS:
                raise UnprovenError(f"process {pid} holds more than {_MAX_DESCRIPTORS} descriptors")
            with suppress(FileNotFoundError):  # closed meanwhile
                found = _SOCKET.fullmatch(os.readlink(descriptor.path))  # noqa: PTH115 - `socket:[1]` is no path
                if found:
                    inodes.add(found[1])
    return inodes


def _tcp_lines(pid: int) -> Iterator[list[str]]:
    """Yield the fields of every line of the tables of TCP sockets."""
    for name in ("tcp", "tcp6"):
        with suppress(FileNotFoundError):  # tcp6: a kernel without IPv6
            for line in _table(f"/proc/{pid}/net/{name}").splitlines()[1:]:
                fields = line.split()
                if len(fields) > _INODE:
                    yield fields


def _table(path: str) -> str:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        content = bytearray()
        while piece := os.read(descriptor, _PIECE):
            content += piece
            if len(content) > _MAX_TABLE:
                raise UnprovenError("this host has too many TCP connections to look through")
        return content.decode("ascii", "replace")
    finally:
        os.close(descriptor)


def _end(text: str) -> tuple[IpAddress, int]:
    """Return address and port of one end: `0100007F:0016` is 127.0.0.1 port 22, on a little-endian machine."""
    address, _, port = text.partition(":")
    octets = b"".join(
        int(address[place : place + _WORD], 16).to_bytes(4, sys.byteorder) for place in range(0, len(address), _WORD)
    )
    return IPv6Address(octets) if len(address) == _IPV6 else IPv4Address(octets), int(port, 16)

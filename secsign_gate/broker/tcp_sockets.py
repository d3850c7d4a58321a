"""The TCP sockets that a process holds, asked of the sockets themselves, or else looked up in /proc/PID/net.

A copy of a descriptor (pidfd_getfd(2), Linux 5.6) says at once what it is connected to, and takes CAP_SYS_PTRACE alone.
Descriptors are tried by number: to list /proc/PID/fd of root's would take CAP_DAC_READ_SEARCH, which opens every file.

The tables hold all connections of a host, and to read them is to go through the kernel's whole hash table: 15 ms where
that has 262,144 buckets. They are for hosts where no process may trace another one, not even with CAP_SYS_PTRACE (Yama,
SELinux). There the inodes of the sockets are known from /proc/PID/fd only.
"""

import ctypes
import errno
import os
import re
import socket
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address

from secsign_gate.core.ancestry import TcpConnection, TcpSockets, UnprovenError
from secsign_gate.core.login import IpAddress

_MAX_DESCRIPTORS = 4096
_MAX_TABLE = 32 << 20  # bytes; some 200,000 connections
_PIECE = 1 << 16
_PIDFD_GETFD = 438  # on every architecture but alpha (include/uapi/asm-generic/unistd.h); Python has no name for it
_ESTABLISHED, _LISTEN = 1, 10  # include/net/tcp_states.h
_SLOTS = re.compile(
    r"^FDSize:\t(\d+)$", re.MULTILINE
)  # proc_pid_status(5): no descriptor has this number, or a higher one
_SOCKET = re.compile(r"socket:\[(\d+)\]")
_LOCAL, _REMOTE, _STATE, _INODE = 1, 2, 3, 9  # fields of a line of /proc/net/tcp (proc_pid_net(5))
_WORD = 8  # hexadecimal digits of 32 bits
_IPV6 = 32  # hexadecimal digits

_syscall = ctypes.CDLL(None, use_errno=True).syscall
_Socket = tuple[int, TcpConnection | None]  # a state, and what an established one is connected to
_NO_TCP: _Socket = (0, None)


def tcp_sockets(pid: int) -> TcpSockets:
    """Return the TCP sockets that process `pid` holds, in its own network namespace.

    Raises UnprovenError if it may not be known, or if there are too many to look through.
    """
    try:
        try:
            sockets = list(_asked(pid))
        except PermissionError:
            sockets = list(_looked_up(pid, _inodes_of_sockets(pid)))
    except OSError as error:
        raise UnprovenError(f"the sockets of process {pid} cannot be read ({error.strerror})") from None
    connections = tuple(connection for _, connection in sockets if connection is not None)
    return TcpSockets(connections, any(state == _LISTEN for state, _ in sockets))


def can_ask(pid: int) -> bool:
    """Tell whether this process may have copies of the descriptors of process `pid`."""
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        copy = _copy(pidfd, 0)
    except OSError:
        return False
    else:
        if copy is not None:
            os.close(copy)
        return True
    finally:
        os.close(pidfd)


def _asked(pid: int) -> Iterator[_Socket]:
    """Ask copies of the sockets. Raises OSError, PermissionError if copies cannot be had on this host."""
    asked = set()  # one socket may have several descriptors
    pidfd = os.pidfd_open(pid)
    try:
        for descriptor in range(_slots(pid)):
            copy = _copy(pidfd, descriptor)
            if copy is None:
                continue
            status = os.fstat(copy)
            if not stat.S_ISSOCK(status.st_mode) or status.st_ino in asked:
                os.close(copy)
                continue
            asked.add(status.st_ino)
            # The copy shares its state with the original, flags included: it is asked, never changed.
            with socket.socket(fileno=copy) as copied:
                yield _state_of(copied)
    finally:
        os.close(pidfd)


def _slots(pid: int) -> int:
    """Return a number that is higher than that of any descriptor of process `pid`."""
    found = _SLOTS.search(_content(f"/proc/{pid}/status"))
    if found is None or int(found[1]) > _MAX_DESCRIPTORS:
        raise UnprovenError(f"process {pid} may hold more than {_MAX_DESCRIPTORS} descriptors")
    return int(found[1])


def _copy(pidfd: int, descriptor: int) -> int | None:
    """Return a copy of another process's descriptor, None if it has none of that number. Raises OSError."""
    copy: int = _syscall(_PIDFD_GETFD, pidfd, descriptor, 0)
    if copy >= 0:
        return copy
    number = ctypes.get_errno()
    if number == errno.EBADF:
        return None
    raise OSError(errno.EPERM if number == errno.ENOSYS else number, os.strerror(number))


def _state_of(copied: socket.socket) -> _Socket:
    if copied.proto != socket.IPPROTO_TCP:
        return _NO_TCP
    state = copied.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]  # struct tcp_info begins with it
    if state != _ESTABLISHED:
        return state, None
    local, remote = copied.getsockname(), copied.getpeername()
    return state, TcpConnection(ip_address(local[0]), local[1], ip_address(remote[0]), remote[1])


def _inodes_of_sockets(pid: int) -> set[str]:
    inodes = set()
    with os.scandir(f"/proc/{pid}/fd") as entries:
        for number, entry in enumerate(entries):
            if number >= _MAX_DESCRIPTORS:
                raise UnprovenError(f"process {pid} holds more than {_MAX_DESCRIPTORS} descriptors")
            with suppress(FileNotFoundError):  # closed meanwhile
                found = _SOCKET.fullmatch(os.readlink(entry.path))  # noqa: PTH115 - `socket:[1]` is no path
                if found:
                    inodes.add(found[1])
    return inodes


def _looked_up(pid: int, inodes: set[str]) -> Iterator[_Socket]:
    """Look the sockets up in the tables of the process's network namespace. Raises OSError."""
    for name in ("tcp", "tcp6"):
        with suppress(FileNotFoundError):  # tcp6: a kernel without IPv6
            for line in _content(f"/proc/{pid}/net/{name}").splitlines()[1:]:
                fields = line.split()
                if len(fields) > _INODE and fields[_INODE] in inodes:
                    state = int(fields[_STATE], 16)
                    connected = state == _ESTABLISHED
                    yield state, TcpConnection(*_end(fields[_LOCAL]), *_end(fields[_REMOTE])) if connected else None


def _content(path: str) -> str:
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

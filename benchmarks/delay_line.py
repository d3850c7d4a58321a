"""A wire with a length: two network namespaces, a TUN device in each, and a process that passes IP packets on, later.

Both ends speak TCP by their own kernel, so whatever Nagle's algorithm, delayed acknowledgements and slow start cost on
a real wire they cost here. Nothing leaves the machine: the two addresses exist in the two namespaces only.

    near end (this process)                                far end (what is started within `at_far_end`)
    10.77.0.1 ── TUN ── queue of packets with due times ── TUN ── 10.77.0.2
"""

import ctypes
import fcntl
import json
import os
import select
import socket
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Self

NEAR, FAR = "10.77.0.1", "10.77.0.2"
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000  # linux/if_tun.h
SIOCSIFADDR, SIOCSIFDSTADDR, SIOCSIFFLAGS = 0x8916, 0x8918, 0x8914  # linux/sockios.h
IFF_UP, IFF_RUNNING = 0x1, 0x40  # linux/if.h
CLONE_NEWNET = 0x40000000  # linux/sched.h
LONGEST_PACKET = 65536
IP_VERSION_4, PROTOCOL_TCP = 4, 6
FIN, SYN = 0x01, 0x02  # RFC 9293 section 3.1
LIBC = ctypes.CDLL(None, use_errno=True)


class Packet(NamedTuple):
    """A TCP segment, as somebody at the near end sees it.

    `at` is in seconds since the epoch: when it left the near end, or arrived there. `outward`: towards the far end.
    `connection` is the near end's port. `flags` are TCP's, `payload` is in bytes.
    """

    at: float
    outward: bool
    connection: int
    flags: int
    payload: int

    @property
    def says_something(self) -> bool:
        """Whether it is more than an acknowledgement: data, or the beginning or end of a connection."""
        return self.payload > 0 or bool(self.flags & (SYN | FIN))


def round_trips(packets: list[Packet]) -> int:
    """Return how often the near end said something and then something came back, whatever the connection."""
    trips, said = 0, False
    for packet in packets:
        if packet.says_something:
            trips += said and not packet.outward
            said = packet.outward
    return trips


class DelayLine:
    """The line, without delay at first. A context manager; needs root."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-I", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._order("ready")
        self._far = os.open(f"/proc/{self._process.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._far)
        self._process.communicate()  # the end of its input is its end

    def set_round_trip(self, seconds: float) -> None:
        """Make the line so long, half of it each way. What is on its way keeps its due time."""
        self._order("delay", seconds / 2)

    def packets(self) -> list[Packet]:
        """Return what has passed since this was asked last, in the order of the near end."""
        return [Packet(*fields) for fields in self._order("packets")]

    @contextmanager
    def at_far_end(self) -> Iterator[None]:
        """Let this thread open sockets and start processes at the far end meanwhile."""
        here = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(self._far)
            yield
        finally:
            _enter(here)
            os.close(here)

    def _order(self, *words: object) -> list[list[Any]]:
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the delay line has no pipes")
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the delay line ended; it needs root and /dev/net/tun")
        packets: list[list[Any]] = json.loads(answer)
        return packets


def _enter(namespace: int) -> None:
    if LIBC.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns failed")


def _open_tun(name: bytes, address: str, peer: str) -> int:
    """Make a point-to-point device in the present namespace, with its route to `peer`. Return its descriptor."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name, IFF_TUN | IFF_NO_PI))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for request, value in ((SIOCSIFADDR, address), (SIOCSIFDSTADDR, peer)):
            sockaddr = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(value))
            fcntl.ioctl(control, request, struct.pack("16s16s8x", name, sockaddr))
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH22x", name, IFF_UP | IFF_RUNNING))
    return device


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", IFF_UP | IFF_RUNNING))


class _Wire:
    """The process in the middle. One queue for each direction, so nothing overtakes; due times, so nothing drifts."""

    def __init__(self, near: int, far: int) -> None:
        self._ends = (near, far)
        self._queues: tuple[deque[tuple[float, bytes]], ...] = (deque(), deque())  # from near, from far
        self._delay = 0.0
        self._packets: list[tuple[object, ...]] = []

    def run(self) -> None:
        while True:
            now = time.monotonic()
            for source, queue in enumerate(self._queues):
                while queue and queue[0][0] <= now:
                    self._deliver(source, queue.popleft()[1])
            due = min((queue[0][0] for queue in self._queues if queue), default=None)
            patience = None if due is None else max(0.0, due - time.monotonic())
            ready, _, _ = select.select([*self._ends, 0], [], [], patience)
            for source, end in enumerate(self._ends):
                if end in ready:
                    self._take(source, end)
            if 0 in ready and not self._obey():
                return

    def _take(self, source: int, end: int) -> None:
        with suppress(BlockingIOError):
            while True:
                packet = os.read(end, LONGEST_PACKET)
                if packet[0] >> 4 == IP_VERSION_4:  # the kernel also looks for IPv6 routers
                    self._queues[source].append((time.monotonic() + self._delay, packet))
                    if source == 0:
                        self._note(packet, outward=True)

    def _deliver(self, source: int, packet: bytes) -> None:
        with suppress(BlockingIOError):  # a full queue at the end of a wire loses packets, and TCP sends them again
            os.write(self._ends[1 - source], packet)
        if source == 1:
            self._note(packet, outward=False)

    def _note(self, packet: bytes, *, outward: bool) -> None:
        if packet[9] != PROTOCOL_TCP:
            return
        segment = packet[(packet[0] & 15) * 4 : int.from_bytes(packet[2:4], "big")]
        port = int.from_bytes(segment[0:2] if outward else segment[2:4], "big")
        self._packets.append((time.time(), outward, port, segment[13], len(segment) - (segment[12] >> 4) * 4))

    def _obey(self) -> bool:
        """Do what a line on standard input says and answer by one; False at the end of it."""
        line = sys.stdin.readline()
        if not line:
            return False
        answer: list[tuple[object, ...]] = []
        match json.loads(line):
            case ["delay", delay]:
                self._delay = delay
            case ["packets"]:
                answer, self._packets = self._packets, []
        print(json.dumps(answer), flush=True)
        return True


def main() -> None:
    """Be the wire until standard input ends: the near end is here, the far end in a namespace of its own."""
    with suppress(PermissionError):  # a wire does not wait for a processor
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    near = _open_tun(b"near0", NEAR, FAR)
    if LIBC.unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare failed")
    _loopback_up()
    _Wire(near, _open_tun(b"far0", FAR, NEAR)).run()


if __name__ == "__main__":
    if not Path("/dev/net/tun").exists():
        sys.exit("/dev/net/tun is missing; load the module tun")
    main()

"""Question and answer between broker and monitor: one message each, of fixed layout and bounded length.

    question   number u64 · pid u32
    answer     number u64 · 0 · sentence                     there are no facts, and why
               number u64 · 1 · processes · sockets
    processes  count u8 · each: pid u32, parent u32, start_time u64, uid u32, effective_uid u32, executable: length u16
    sockets    count u8 · each: pid u32, listens u8, connections: count u8 · each: two ends
    end        version u8 (4 or 6) · address · port u16

All numbers are in network order. The number of an answer is that of its question.
"""

import os
import struct
from ipaddress import IPv4Address, IPv6Address

from secsign_gate.broker.processes import MAX_DEPTH, MAX_EXECUTABLE
from secsign_gate.core.ancestry import Facts, Process, TcpConnection, TcpSockets, UnprovenError
from secsign_gate.core.login import IpAddress

MAX_CONNECTIONS = 4  # told of one process; an sshd that is there for one connection has one
MAX_ANSWER = 64 << 10  # bytes; the longest possible is about half of it
_MAX_SENTENCE = 512  # bytes
_QUESTION = struct.Struct("!QI")
_NUMBER = struct.Struct("!Q")
_PROCESS = struct.Struct("!IIQIIH")
_SOCKETS = struct.Struct("!IBB")
_PORT = struct.Struct("!H")
_NO_FACTS, _FACTS = 0, 1

QUESTION_SIZE = _QUESTION.size


def encode_question(number: int, pid: int) -> bytes:
    """Return question number `number`, which asks for the facts about process `pid`."""
    return _QUESTION.pack(number, pid)


def decode_question(message: bytes) -> tuple[int, int] | None:
    """Return number and pid, None if the message is no question."""
    if len(message) != _QUESTION.size:
        return None
    number, pid = _QUESTION.unpack(message)
    return number, pid


def encode_facts(number: int, facts: Facts) -> bytes:
    """Return the answer `facts` to question number `number`."""
    pieces = [_NUMBER.pack(number), bytes((_FACTS, len(facts.chain)))]
    for process in facts.chain:
        executable = os.fsencode(process.executable)
        pieces += [_PROCESS.pack(*process[:-1], len(executable)), executable]
    pieces.append(bytes((len(facts.sockets),)))
    for pid, sockets in facts.sockets.items():
        told = sockets.established[:MAX_CONNECTIONS]
        pieces.append(_SOCKETS.pack(pid, sockets.listens, len(told)))
        for connection in told:
            pieces += [_end(connection.local_address, connection.local_port)]
            pieces += [_end(connection.remote_address, connection.remote_port)]
    return b"".join(pieces)


def encode_no_facts(number: int, why: str) -> bytes:
    """Return the answer to question number `number` that there are no facts, with one sentence that says why."""
    return _NUMBER.pack(number) + bytes((_NO_FACTS,)) + why.encode("ascii", "backslashreplace")[:_MAX_SENTENCE]


def number_of(answer: bytes) -> int | None:
    """Return which question this answers, None if it answers none."""
    if len(answer) < _NUMBER.size:
        return None
    (number,) = _NUMBER.unpack_from(answer)
    return int(number)


def decode_answer(answer: bytes) -> Facts:
    """Return the facts. Raises UnprovenError with the monitor's sentence if there are none, or if this is no answer."""
    reader = _Reader(answer, _NUMBER.size)
    kind = reader.octet()
    if kind == _NO_FACTS:
        sentence = reader.take(len(answer) - _NUMBER.size - 1)
        raise UnprovenError(ascii(sentence.decode("ascii", "replace")[:_MAX_SENTENCE])[1:-1])
    if kind != _FACTS:
        raise _unreadable()
    chain = tuple(reader.process() for _ in range(reader.count(MAX_DEPTH)))
    sockets = dict(reader.sockets() for _ in range(reader.count(MAX_DEPTH)))
    reader.expect_end()
    return Facts(chain, sockets)


class _Reader:
    """Takes one thing after the other from a message. Every method raises UnprovenError if it is not there."""

    def __init__(self, message: bytes, place: int) -> None:
        self._message = message
        self._place = place

    def take(self, size: int) -> bytes:
        taken = self._message[self._place : self._place + size]
        if len(taken) != size:
            raise _unreadable()
        self._place += size
        return taken

    def octet(self) -> int:
        return self.take(1)[0]

    def count(self, limit: int) -> int:
        count = self.octet()
        if count > limit:
            raise _unreadable()
        return count

    def process(self) -> Process:
        pid, parent, start_time, uid, effective_uid, length = _PROCESS.unpack(self.take(_PROCESS.size))
        if length > MAX_EXECUTABLE:
            raise _unreadable()
        return Process(pid, parent, start_time, uid, effective_uid, os.fsdecode(self.take(length)))

    def sockets(self) -> tuple[int, TcpSockets]:
        pid, listens, count = _SOCKETS.unpack(self.take(_SOCKETS.size))
        if listens > 1 or count > MAX_CONNECTIONS:
            raise _unreadable()
        connections = tuple(TcpConnection(*self.end(), *self.end()) for _ in range(count))
        return pid, TcpSockets(connections, bool(listens))

    def end(self) -> tuple[IpAddress, int]:
        version = self.octet()
        if version not in _ADDRESSES:
            raise _unreadable()
        kind, size = _ADDRESSES[version]
        address = kind(self.take(size))
        (port,) = _PORT.unpack(self.take(_PORT.size))
        return address, int(port)

    def expect_end(self) -> None:
        if self._place != len(self._message):
            raise _unreadable()


_ADDRESSES: dict[int, tuple[type[IPv4Address | IPv6Address], int]] = {4: (IPv4Address, 4), 6: (IPv6Address, 16)}


def _end(address: IpAddress, port: int) -> bytes:
    return bytes((address.version,)) + address.packed + _PORT.pack(port)


def _unreadable() -> UnprovenError:
    return UnprovenError("the monitor's answer cannot be read; report this")

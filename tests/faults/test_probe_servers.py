"""Servers that are none: the probe says so in a sentence, and does not wait for ever."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
from probe_servers import KEY, KNOWN, SECONDS, Server

from secsign_gate.probe.bounded_socket import BoundedSocket
from secsign_gate.probe.fault import ProbeError
from secsign_gate.probe.handshake import connect
from secsign_gate.probe.login import does_the_gate_ask
from secsign_gate.probe.place import Place

if TYPE_CHECKING:
    from collections.abc import Callable


def says_nothing(stream: socket.socket) -> None:
    stream.recv(1)
    while stream.recv(100):
        pass


def leaves(stream: socket.socket) -> None:
    del stream


def speaks_http(stream: socket.socket) -> None:
    stream.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")


def never_ends_its_first_line(stream: socket.socket) -> None:
    while True:
        stream.sendall(b"x" * 65536)


def has_lines_without_end(stream: socket.socket) -> None:
    while True:
        stream.sendall(b"welcome\r\n" * 1000)


def leaves_after_its_version(stream: socket.socket) -> None:
    stream.sendall(b"SSH-2.0-short\r\n")
    stream.recv(10)


def goes_on_with_noise(stream: socket.socket) -> None:
    stream.sendall(b"SSH-2.0-noise\r\n" + bytes(range(256)) * 1000)
    says_nothing(stream)


def speaks_version_1(stream: socket.socket) -> None:
    stream.sendall(b"SSH-1.5-old\r\n")
    says_nothing(stream)


def is_not_text(stream: socket.socket) -> None:
    stream.sendall(b"SSH-2.0-\x1b[2J\xff\xfe\r\n\xff\xff\xff\xff")
    says_nothing(stream)


NO_SERVERS = [
    says_nothing,
    leaves,
    speaks_http,
    never_ends_its_first_line,
    has_lines_without_end,
    leaves_after_its_version,
    goes_on_with_noise,
    speaks_version_1,
    is_not_text,
]


@pytest.mark.parametrize("serve", NO_SERVERS, ids=lambda serve: serve.__name__)
def test_what_is_no_ssh_server(serve: Callable[[socket.socket], None]) -> None:
    with Server(serve) as server, pytest.raises(ProbeError, match="does not speak SSH as it should") as fault:
        does_the_gate_ask(server.place, [KEY], KNOWN, seconds=SECONDS)
    sentence = str(fault.value)
    assert sentence.isprintable()
    assert sentence.isascii()
    assert len(sentence) < 600


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(ProbeError, match="cannot be reached: Connection refused"):
        connect(Place("alice", "127.0.0.1", port), KNOWN, seconds=SECONDS)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".example"])
def test_no_such_host(host: str) -> None:
    with pytest.raises(ProbeError, match="cannot be reached"):
        connect(Place("alice", host), KNOWN, seconds=SECONDS)


def test_a_flood_is_cut_off() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"x" * 100)
        stream = BoundedSocket(ours, most=50)
        got = b""
        while piece := stream.recv(30):
            got += piece
        assert len(got) < 50

"""Whatever a server says after the login: it is taken in, or refused as no encoding, and what is kept is bounded."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import paramiko  # type: ignore[import-untyped]  # it ships no types
from hypothesis import given
from hypothesis import strategies as st

from secsign_gate.core.ssh_encoding import EncodingError, ssh_string
from secsign_gate.probe.channel import WINDOW, Message, uint32
from secsign_gate.probe.connection import Connection
from secsign_gate.probe.place import Place

NUMBERS = st.sampled_from(list(Message))
SHORT = st.integers(0, 3).map(uint32)
STRINGS = st.one_of(
    st.binary(max_size=20),
    st.sampled_from([b"exit-status", b"exit-signal", b"forwarded-tcpip", b"x11", b"session", b"keepalive@openssh.com"]),
).map(ssh_string)
BODIES = st.one_of(
    st.binary(max_size=80),
    st.lists(st.one_of(SHORT, STRINGS, st.sampled_from([b"\0", b"\1"])), max_size=6).map(b"".join),
)


class Wire:
    """Stands where paramiko's transport stands, and remembers what it was given to send."""

    def __init__(self) -> None:
        self._handler_table: dict[int, Any] = {}
        self.sent: list[bytes] = []

    def is_active(self) -> bool:
        return True

    def _send_user_message(self, message: paramiko.Message) -> None:
        self.sent.append(message.asbytes())


@given(st.lists(st.tuples(NUMBERS, BODIES), max_size=40))
def test_any_message(messages: list[tuple[Message, bytes]]) -> None:
    wire = Wire()
    connection = Connection(wire, Place("alice", "web1"), [])
    ours = [connection.begin("session") for _ in range(3)]
    for number, body in messages:
        with suppress(EncodingError):
            wire._handler_table[number](paramiko.Message(body))
    for channel in (*ours, *connection.arrivals):
        assert channel.opened in (None, True, False)
        assert len(channel.data) <= WINDOW
        channel.close()
        channel.close()
    closes = [packet for packet in wire.sent if packet[0] == Message.CLOSE]
    assert len(closes) <= len(ours) + len(connection.arrivals)


@given(st.integers(2, 5))
def test_more_than_the_window_is_not_kept(pieces: int) -> None:
    wire = Wire()
    channel = Connection(wire, Place("alice", "web1"), []).begin("session")
    for _ in range(pieces):
        wire._handler_table[Message.DATA](paramiko.Message(uint32(0) + ssh_string(bytes(WINDOW))))
        wire._handler_table[Message.EXTENDED_DATA](paramiko.Message(uint32(0) + uint32(1) + ssh_string(bytes(WINDOW))))
    assert (len(channel.data), len(channel.errors)) == (WINDOW, WINDOW)


def test_a_server_that_opens_channels_without_end_is_refused() -> None:
    wire = Wire()
    connection = Connection(wire, Place("alice", "web1"), [])
    body = ssh_string(b"x11") + uint32(7) + uint32(1) + uint32(1) + ssh_string(b"") + uint32(0)
    for _ in range(2000):
        wire._handler_table[Message.OPEN](paramiko.Message(body))
    assert len(connection.arrivals) <= 1000
    assert wire.sent[-1][0] == Message.OPEN_FAILURE

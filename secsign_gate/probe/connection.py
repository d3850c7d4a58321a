"""One SSH connection to the server that is meant: key exchange, authentication, and then whatever is asked of it.

paramiko carries the packets and authenticates; channels and requests are in our own hands (channel.py), because an
attempt is often something that a client library would not do.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from threading import Condition
from typing import Any, NamedTuple, Self

import paramiko  # type: ignore[import-untyped]  # it ships no types

from secsign_gate.core.ssh_encoding import SshReader, ssh_string
from secsign_gate.probe.channel import LARGEST_PACKET, WINDOW, Channel, Message, uint32
from secsign_gate.probe.fault import LoginRefused, LoginWaits, ProbeError
from secsign_gate.probe.foreign_text import printable
from secsign_gate.probe.identity import Identity
from secsign_gate.probe.place import Place
from secsign_gate.probe.this_host import is_this_host

PATIENCE = 15.0  # seconds for each step of a handshake, and for each answer
_MOST_KEYS = 5  # sshd ends a connection after MaxAuthTries, which is 6
_MOST_CHANNELS = 1000  # of one connection; all attempts together open fewer than a hundred
_LOOK_AGAIN = 0.25  # seconds; a connection that has died wakes nobody
_NO = bytes([Message.REQUEST_FAILURE])
# What a server may open towards us: each is the other end of something that an attempt has asked for.
_EXPECTED = ("forwarded-tcpip", "forwarded-streamlocal@openssh.com", "x11", "auth-agent@openssh.com")


class Reply(NamedTuple):
    """The answer to a global request: `granted` is None if none came."""

    granted: bool | None
    data: bytes = b""


class Connection:
    """A connection whose server has been recognised. Close it, or use it as a context manager.

    `arrivals` are the channels that the server opened, `remarks` what it said on the side (debug messages, and why it
    disconnected), in order.
    """

    def __init__(self, transport: Any, place: Place, remarks: list[str]) -> None:
        self.place = place
        self.arrivals: list[Channel] = []
        self.remarks = remarks
        self._transport = transport
        self._grew = Condition()
        self._channels: dict[int, Channel] = {}
        self._replies: list[Reply] = []
        self._asked = 0
        for message in Message:
            # the table of each transport is there to be changed; there is no other way to see such messages
            transport._handler_table[message] = self._hears(message)  # noqa: SLF001

    @property
    def peer(self) -> tuple[str, int]:
        """Address and port of the server, as seen from here."""
        peer: tuple[str, int] = self._transport.sock.getpeername()
        return peer

    @property
    def host_key(self) -> bytes:
        """The server's public key."""
        blob: bytes = self._transport.get_remote_server_key().asbytes()
        return blob

    @property
    def server(self) -> str:
        """What the server calls itself, fit to be shown."""
        return printable(str(self._transport.remote_version).removeprefix("SSH-2.0-"))

    @cached_property
    def is_to_this_host(self) -> bool:
        """Whether the server is on this very host."""
        return is_this_host(self.peer[0], self.host_key)

    def is_alive(self) -> bool:
        """Tell whether the connection has not ended."""
        return bool(self._transport.is_active())

    def methods(self, account: str) -> tuple[str, ...]:
        """Ask for no authentication at all; return the methods that sshd offers instead, none if it let us in."""
        try:
            self._transport.auth_none(account)
        except paramiko.BadAuthenticationType as refused:
            return tuple(str(method) for method in refused.allowed_types)
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise self.fault("did not say which methods it takes") from error
        return ()

    def log_in(self, account: str, identities: list[Identity]) -> Identity:
        """Authenticate by the first key that sshd takes, and return it.

        Raises LoginRefused, LoginWaits if there is no answer in time, and ProbeError.
        """
        more: list[str] = []
        for identity in identities[:_MOST_KEYS]:
            try:
                more = self._transport.auth_publickey(account, identity.key)
            except paramiko.AuthenticationException as error:
                if "timeout" in str(error):  # paramiko has no other name for it
                    raise LoginWaits(
                        f"{self.place.known_as} does not finish the login of {account}; if its PAM door asks the "
                        "phone, nothing is open before that, and nothing can be tried"
                    ) from error
                continue
            except (paramiko.SSHException, EOFError, OSError, ValueError) as error:
                raise self.fault(f"ended the login of {account}") from error
            if not more:
                return identity
        names = ", ".join(identity.name for identity in identities[:_MOST_KEYS]) or "no key at all"
        wants = f" alone; it wants {', '.join(map(str, more))} besides" if more else ""
        raise LoginRefused(
            f"{self.place.known_as} does not take {names} for {account}{wants}; name another by --identity"
        )

    def has_password(self, account: str, password: str, method: str) -> bool:
        """Tell whether this password alone is enough, by the method `password` or `keyboard-interactive`."""
        try:
            if method == "password":
                return not self._transport.auth_password(account, password, fallback=False)
            return not self._transport.auth_interactive(
                account, lambda _title, _words, asked: [password for _ in asked]
            )
        except (paramiko.SSHException, EOFError, OSError):
            return False

    def open(self, kind: str, payload: bytes = b"", seconds: float = PATIENCE) -> Channel:
        """Ask for a channel and wait for the answer, which is in its `opened`. Raises ProbeError."""
        channel = self.begin(kind, payload)
        channel.wait(lambda: channel.opened is not None, seconds)
        if channel.opened is None:
            raise self.fault(f"never answered a request for a channel ({kind})")
        return channel

    def begin(self, kind: str, payload: bytes = b"") -> Channel:
        """Ask for a channel; do not wait."""
        with self._grew:
            channel = self._new_channel(kind)
        self.send_packet(
            bytes([Message.OPEN])
            + ssh_string(kind.encode())
            + b"".join(map(uint32, (channel.ours, WINDOW, LARGEST_PACKET)))
            + payload
        )
        return channel

    def ask(self, name: str, payload: bytes = b"", seconds: float = PATIENCE) -> Reply:
        """Make a global request, and return the answer to it."""
        with self._grew:
            self._asked += 1
            asked = self._asked
        self.send_packet(bytes([Message.GLOBAL_REQUEST]) + ssh_string(name.encode()) + b"\1" + payload)
        self.wait(lambda: len(self._replies) >= asked, seconds)
        return self._replies[asked - 1] if len(self._replies) >= asked else Reply(None)

    def wait(self, fact: Callable[[], bool], seconds: float) -> bool:
        """Wait until `fact` holds, the connection ends, or the time is over; return whether it holds."""
        until = time.monotonic() + seconds
        with self._grew:
            while not fact() and self.is_alive() and (left := until - time.monotonic()) > 0:
                self._grew.wait(min(left, _LOOK_AGAIN))
            return fact()

    def send_packet(self, packet: bytes) -> None:
        """Send a message; if the connection has ended, who waits for an answer will notice."""
        with suppress(paramiko.SSHException, EOFError, OSError):
            # its own name for "send, but not in the middle of a key exchange"
            self._transport._send_user_message(paramiko.Message(packet))  # noqa: SLF001

    def fault(self, what: str) -> ProbeError:
        """Return the fault to be raised when the server `what`."""
        said = f" ({self.remarks[-1]})" if self.remarks and not self.is_alive() else ""
        return ProbeError(f"{self.place.known_as} {what}{said}; look into sshd's log there")

    def close(self) -> None:
        """End the connection, and with it all that was open."""
        for channel in list(self._channels.values()):
            channel.close()
        self._transport.close()
        self._transport.sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _new_channel(self, kind: str) -> Channel:
        channel = Channel(kind, len(self._channels), self)
        self._channels[channel.ours] = channel
        return channel

    def _hears(self, message: Message) -> Callable[[Any], None]:
        def hear(packet: Any) -> None:
            fields = SshReader(packet.get_remainder())
            with self._grew:
                self._heard(message, fields, packet)
                self._grew.notify_all()

        return hear

    def _heard(self, message: Message, fields: SshReader, packet: Any) -> None:
        """Take in one message; paramiko's thread calls this. What cannot be read ends the connection."""
        match message:
            case Message.GLOBAL_REQUEST:
                fields.string()
                if fields.boolean():
                    self.send_packet(_NO)
            case Message.REQUEST_SUCCESS | Message.REQUEST_FAILURE:
                self._replies.append(Reply(message == Message.REQUEST_SUCCESS, packet.asbytes()))
            case Message.OPEN:
                self._opened_to_us(fields)
            case _:
                number = fields.uint32()
                if number in self._channels:
                    self._channels[number].heard(message, fields)

    def _opened_to_us(self, fields: SshReader) -> None:
        kind, theirs = fields.string().decode(errors="replace"), fields.uint32()
        if kind not in _EXPECTED or len(self._channels) >= _MOST_CHANNELS:
            refused = ssh_string(b"") + ssh_string(b"")
            self.send_packet(bytes([Message.OPEN_FAILURE]) + uint32(theirs) + uint32(1) + refused)
            return
        channel = self._new_channel(kind)
        channel.theirs, channel.opened = theirs, True
        self.arrivals.append(channel)
        numbers = (theirs, channel.ours, WINDOW, LARGEST_PACKET)
        self.send_packet(bytes([Message.OPEN_CONFIRMATION]) + b"".join(map(uint32, numbers)))

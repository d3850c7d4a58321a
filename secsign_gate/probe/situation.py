"""What an attempt works with: who probes what, the connection of this moment, and sessions that are still pending."""

import time
from collections.abc import Callable
from typing import NamedTuple

from secsign_gate.core.public_key import fingerprint
from secsign_gate.core.ssh_encoding import ssh_string
from secsign_gate.probe.channel import Channel
from secsign_gate.probe.connection import PATIENCE, Connection
from secsign_gate.probe.fault import LoginRefused
from secsign_gate.probe.handshake import connect
from secsign_gate.probe.host_keys import HostKeys
from secsign_gate.probe.identity import Identity
from secsign_gate.probe.marker import Marker, new_marker
from secsign_gate.probe.outcome import Outcome
from secsign_gate.probe.place import Place
from secsign_gate.probe.session import SECONDS, Heard, Seen, listen

# Seconds that a gate may need to withdraw its push once we have left. It says nothing when it has, and a second request
# while the first is on the phone makes the ID server freeze the SecSign ID.
_WITHDRAWAL = 2.0


class Wishes(NamedTuple):
    """What the administrator asked for. Times are seconds.

    `targets` are what to forward to, `sockets` unix sockets that are known to be on the host. `also_users` are accounts
    besides root; `also_addresses` and `sources` other ways to reach the host, and to come from. `idle` is how long to
    wait for sshd to end a connection without a session; 0 is not at all. `at_once`: sessions may be pending together,
    for a gate with its daemon makes one push of them; without it each is over, and its push withdrawn, before the next.
    """

    place: Place
    identities: list[Identity]
    host_keys: HostKeys
    targets: tuple[tuple[str, int], ...] = ()
    sockets: tuple[str, ...] = ()
    subsystems: tuple[str, ...] = ()
    also_users: tuple[str, ...] = ()
    also_addresses: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    restricted: tuple[Identity, ...] = ()
    password: str = ""
    idle: float = 0.0
    plant: bool = False
    sessions: bool = True
    at_once: bool = False
    seconds: float = PATIENCE
    session_seconds: float = SECONDS


class Situation:
    """One probe under way. Close it, or what it opened stays open.

    `identity` and `server` are what the first login was made with. `sftp` is what two attempts learn from one session:
    whether files are served unasked, and whether from a chroot. `has_put_back`: an earlier probe had left files in the
    home.
    """

    def __init__(self, wishes: Wishes) -> None:
        self.wishes = wishes
        self.identity: Identity | None = None
        self._host_key = b""
        self.server = ""
        self.has_put_back = False
        self.idle: Connection | None = None  # opened before the attempts, watched after them
        self._connection: Connection | None = None
        self._pending: list[Channel] = []
        self._refused: dict[str, LoginRefused] = {}
        self._was_turned_away = False
        self.sftp: tuple[Outcome, Outcome] | None = None

    @property
    def host_key(self) -> str:
        """The fingerprint of the server's key."""
        return fingerprint(self._host_key)

    def connect(
        self,
        place: Place | None = None,
        *,
        account: str = "",
        identities: list[Identity] | None = None,
        source: str = "",
        log_in: bool = True,
    ) -> Connection:
        """Return a new connection, logged in unless told otherwise; by default as the whole probe does.

        Another address must show the host key that the first connection saw. Raises ProbeError.
        """
        where = place or self.wishes.place
        keys = self.wishes.host_keys
        if self._host_key and where[1:] != self.wishes.place[1:]:
            keys = keys.with_only(where, self._host_key)
        connection = connect(where, keys, seconds=self.wishes.seconds, source=source)
        try:
            self._host_key = self._host_key or connection.host_key
            self.server = self.server or connection.server
            if log_in:
                used = self._log_in(connection, account or where.account, identities)
                self.identity = self.identity or used
        except BaseException:
            connection.close()
            raise
        return connection

    def _log_in(self, connection: Connection, account: str, identities: list[Identity] | None) -> Identity:
        """Log in; what was refused once is not tried again, for sshd may punish it (PerSourcePenalties)."""
        if identities is None and account in self._refused:
            raise self._refused[account]
        try:
            return connection.log_in(account, identities or self.wishes.identities)
        except LoginRefused as refused:
            if identities is None:
                self._refused[account] = refused
            raise

    @property
    def connection(self) -> Connection:
        """The connection that attempts share; a new one if it has ended. Raises ProbeError."""
        if self._connection is None or not self._connection.is_alive():
            self.let_go()
            if self._connection is not None:
                self._connection.close()
            self._connection = self.connect()
            self._was_turned_away = False
        return self._connection

    def session(self, connection: Connection | None = None) -> Channel:
        """Open a session without asking for anything in it: no gate is started yet. Raises ProbeError."""
        carrier = connection or self.connection
        channel = carrier.open("session")
        if not channel.opened:
            raise carrier.fault(f"opens no session: {channel.words or 'it gave no reason'}")
        return channel

    def ask_for(
        self,
        begin: Callable[[Channel, Marker], None],
        *,
        connection: Connection | None = None,
    ) -> Heard:
        """Open a session, let `begin` ask for something in it, and return what was first heard. Raises ProbeError."""
        marker = new_marker()
        channel = self.session(connection)
        begin(channel, marker)
        heard = listen(channel, marker, self.wishes.session_seconds)
        self.over(channel, heard, shared=connection is None)
        return heard

    def over(self, channel: Channel, heard: Heard, *, shared: bool = True) -> None:
        """Take note of a session whose outcome is known. It is closed, or stays pending until `let_go`."""
        waits = heard.seen in (Seen.ASKED, Seen.SILENT)
        if shared:
            self._was_turned_away |= heard.seen is not Seen.RAN
        together = waits and shared and self.wishes.at_once
        if together and not self._pending:
            self._pending.append(channel)  # one is enough to keep the push; sshd allows few sessions (MaxSessions)
        else:
            self._close([channel])
            self.withdrawn(heard)

    def withdrawn(self, heard: Heard) -> None:
        """Wait until a gate that was left while it asked has withdrawn its push; a daemon needs no help with that."""
        if heard.seen in (Seen.ASKED, Seen.SILENT) and not self.wishes.at_once:
            time.sleep(_WITHDRAWAL)

    def make_pending(self) -> None:
        """See to it that a session waits for the phone on the shared connection, if there is a gate that asks it."""
        if not self._pending:
            self.ask_for(run_command)

    def be_turned_away(self) -> None:
        """See to it that a session of the shared connection was refused, or was given up, and that none is left."""
        if not self._was_turned_away:
            self.ask_for(run_command)
        self.let_go()

    def let_go(self) -> None:
        """Close the sessions that are pending; the gate then withdraws its push."""
        self._close(self._pending)
        self._pending = []

    def _close(self, channels: list[Channel]) -> None:
        for channel in channels:
            channel.close()
        for channel in channels:
            channel.wait(lambda: False, self.wishes.seconds)  # until it is closed

    def close(self) -> None:
        """End every connection."""
        for connection in (self._connection, self.idle):
            if connection is not None:
                connection.close()


def run_command(channel: Channel, marker: Marker) -> None:
    """Ask for a command that leaves the marker."""
    channel.request("exec", ssh_string(marker.command.encode()))

"""What one approval covers besides its own channel: further channels of the same SSH connection, and nothing else.

An SSH connection is named by the root-owned sshd process that holds it (law 4), so it cannot be claimed, and two
connections of one person, or of two people behind one address, are never the same. Times are seconds of one monotonic
clock, given by the caller.
"""

from typing import Literal, NamedTuple

from secsign_gate.core.ancestry import SshdProcess
from secsign_gate.core.login import AuthenticationMethod, Command, Login, PamService
from secsign_gate.core.patterns import PatternList, matches_pattern
from secsign_gate.core.secsign_id import SecSignId


class GrantSettings(NamedTuple):
    """What an approval covers.

    `per`: the whole SSH connection, or each channel by itself. `seconds`: for how long, 0 for as long as the connection
    lasts. Logins of `per_channel_accounts`, and commands that one of `per_channel_commands` (`*` and `?` are wildcards)
    matches, need an approval of their own in any case.
    """

    per: Literal["connection", "channel"]
    seconds: int
    per_channel_accounts: PatternList
    per_channel_commands: tuple[str, ...]


class Coverage(NamedTuple):
    """What shares one approval: channels of this SSH connection, for this account, with these keys and this phone.

    `methods` is None for all of the connection: PAM is asked before there are channels, and in the account phase before
    it is told the keys. A connection has one set of them, and a channel whose key has another phone is not covered.
    """

    sshd: SshdProcess
    uid: int
    methods: tuple[AuthenticationMethod, ...] | None
    secsign_id: SecSignId


class Grant(NamedTuple):
    """An approval that still covers its SSH connection.

    `reference` is that of the login that was approved. `until` is None if only the connection's end ends it.
    """

    coverage: Coverage
    account: str
    reference: str
    granted_at: float
    until: float | None

    def is_over(self, now: float) -> bool:
        """Tell whether its time has passed."""
        return self.until is not None and now >= self.until


def coverage(login: Login, secsign_id: SecSignId, settings: GrantSettings) -> Coverage | None:
    """Return what `login` shares an approval with; None if it needs one of its own.

    A login whose SSH connection is not proven shares with nobody: anybody could claim to be of it.
    """
    if login.sshd is None or settings.per == "channel" or settings.per_channel_accounts.matches(login.account.name):
        return None
    runs = login.executes
    if isinstance(runs, Command):
        line = runs.line.decode("utf-8", "surrogateescape")
        if any(matches_pattern(line, pattern) for pattern in settings.per_channel_commands):
            return None
    methods = None if isinstance(runs, PamService) else login.methods
    return Coverage(login.sshd, login.account.uid, methods, secsign_id)


def of_the_connection(covered: Coverage) -> Coverage:
    """Return what covers this as well: all of its SSH connection, for the same account and phone."""
    return covered._replace(methods=None)


def granted(covered: Coverage, login: Login, reference: str, now: float, settings: GrantSettings) -> Grant:
    """Return the grant that an approval of `login` has earned."""
    until = now + settings.seconds if settings.seconds else None
    return Grant(covered, login.account.name, reference, now, until)

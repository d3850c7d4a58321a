"""What a broker remembers from one login to the next: grants, whose turn it is, who was pushed how often.

`State` is all that deciding needs of it, so that hosts which share users could share it too. Here it is in memory: gone
with the broker, and nothing on disk that could be forged. What it holds are facts; the rules are in core/grant.py and
core/push_limits.py.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple, Protocol

from secsign_gate.core.ancestry import SshdProcess
from secsign_gate.core.grant import Coverage, Grant
from secsign_gate.core.push_limits import LimitSettings, PushHistory
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.core.verdict import Verdict

_ROOM_BEFORE_TIDYING = 1000  # histories; more than so many people are seldom pushed within ten minutes


class Turn(Protocol):
    """One push's place in the line of those that wait for the same SecSign ID."""

    @property
    def place(self) -> int:
        """How many come before; 0 means that it is our turn until we leave."""

    async def moved(self) -> None:
        """Wait until the place has changed. Returns at once if it may have since the last call."""

    def leave(self) -> None:
        """Leave the line, so that the next may have its turn."""


class State(Protocol):
    """What deciding needs to remember. All times are seconds of the broker's monotonic clock."""

    def grant_for(self, covered: Coverage, now: float) -> Grant | None:
        """Return the grant in force that covers this, or None."""

    def add_grant(self, grant: Grant) -> None:
        """Remember a grant until it is over or its SSH connection has ended."""

    def turn(self, secsign_id: SecSignId) -> Turn:
        """Join the end of the line for this SecSign ID."""

    def histories(self, account: str, secsign_id: SecSignId) -> tuple[PushHistory, PushHistory]:
        """Return the recent pushes for the account, and for the SecSign ID."""

    def pushed(self, account: str, secsign_id: SecSignId, now: float, limits: LimitSettings) -> None:
        """Remember that a push is being made."""

    def not_pushed(self, account: str, secsign_id: SecSignId, at: float) -> None:
        """Forget that a push was being made `at` that time: it has reached nobody."""

    def ended(self, account: str, secsign_id: SecSignId, verdict: Verdict, now: float) -> None:
        """Remember how a push ended."""


class Subject(NamedTuple):
    """Whom pushes are counted for: `kind` is `account` or `secsign_id`."""

    kind: str
    name: str


class StateInMemory:
    """The State of one broker, and what else its status shows."""

    def __init__(self) -> None:
        self._grants: dict[SshdProcess, dict[Coverage, Grant]] = {}
        self._lines: dict[SecSignId, list[_TurnInMemory]] = {}
        self._histories: dict[Subject, PushHistory] = {}
        self._room = _ROOM_BEFORE_TIDYING

    def grant_for(self, covered: Coverage, now: float) -> Grant | None:
        """Return the grant in force that covers this, or None; one whose time has passed is forgotten."""
        grants = self._grants.get(covered.sshd, {})
        grant = grants.get(covered)
        if grant is not None and grant.is_over(now):
            del grants[covered]
            return None
        return grant

    def add_grant(self, grant: Grant) -> None:
        """Remember a grant. Whoever knows when the SSH connection ends calls `forget_connection` then."""
        self._grants.setdefault(grant.coverage.sshd, {})[grant.coverage] = grant

    def forget_connection(self, sshd: SshdProcess) -> None:
        """Forget what was granted for an SSH connection that has ended."""
        self._grants.pop(sshd, None)

    def grants(self, now: float) -> list[Grant]:
        """Return the grants in force, oldest first."""
        found = (grant for grants in self._grants.values() for grant in grants.values() if not grant.is_over(now))
        return sorted(found, key=lambda grant: grant.granted_at)

    def turn(self, secsign_id: SecSignId) -> "_TurnInMemory":
        """Join the end of the line for this SecSign ID."""
        line = self._lines.setdefault(secsign_id, [])
        turn = _TurnInMemory(line, lambda: self._lines.pop(secsign_id, None))
        line.append(turn)
        return turn

    def histories(self, account: str, secsign_id: SecSignId) -> tuple[PushHistory, PushHistory]:
        """Return the recent pushes for the account, and for the SecSign ID."""
        of_account, of_secsign_id = (self._histories.get(one, PushHistory()) for one in _subjects(account, secsign_id))
        return of_account, of_secsign_id

    def pushed(self, account: str, secsign_id: SecSignId, now: float, limits: LimitSettings) -> None:
        """Remember that a push is being made."""
        for subject in _subjects(account, secsign_id):
            self._histories[subject] = self._histories.get(subject, PushHistory()).pushed(now, limits)
        if len(self._histories) > self._room:
            self._histories = {one: has for one, has in self._histories.items() if not has.is_over(now, limits)}
            self._room = max(_ROOM_BEFORE_TIDYING, 2 * len(self._histories))

    def not_pushed(self, account: str, secsign_id: SecSignId, at: float) -> None:
        """Forget that a push was being made `at` that time: it has reached nobody."""
        for subject in _subjects(account, secsign_id):
            left = self._histories.pop(subject, PushHistory()).not_pushed(at)
            if left != PushHistory():
                self._histories[subject] = left

    def ended(self, account: str, secsign_id: SecSignId, verdict: Verdict, now: float) -> None:
        """Remember how a push ended."""
        for subject in _subjects(account, secsign_id):
            self._histories[subject] = self._histories.get(subject, PushHistory()).ended(verdict, now)

    def subjects(self) -> dict[Subject, PushHistory]:
        """Return every history that is remembered."""
        return dict(self._histories)

    def unblock(self, names: set[str]) -> list[Subject]:
        """Forget the pushes for the accounts and for the SecSign IDs of these names; return whose there were."""
        found = sorted(subject for subject in self._histories if subject.name in names)
        for subject in found:
            del self._histories[subject]
        return found


def _subjects(account: str, secsign_id: SecSignId) -> tuple[Subject, Subject]:
    return Subject("account", account), Subject("secsign_id", secsign_id)


class _TurnInMemory:
    """A Turn in a list of turns; `emptied` is called when the last one leaves."""

    def __init__(self, line: "list[_TurnInMemory]", emptied: Callable[[], object]) -> None:
        self._line = line
        self._emptied = emptied
        self._moved = asyncio.Event()

    @property
    def place(self) -> int:
        """How many come before."""
        return self._line.index(self)

    async def moved(self) -> None:
        """Wait until the place has changed."""
        await self._moved.wait()
        self._moved.clear()

    def leave(self) -> None:
        """Leave the line. A second time does nothing."""
        if self not in self._line:
            return
        behind = self._line[self.place + 1 :]
        self._line.remove(self)
        for turn in behind:
            turn.told_to_move()
        if not self._line:
            self._emptied()

    def told_to_move(self) -> None:
        """Note that somebody before us has left."""
        self._moved.set()

"""What an ID server remembers: SecSign IDs, their auth sessions, and how the phone moves them.

No HTTP, no dialect and no clock here: `now` comes in as seconds of a monotonic clock, and everything that time brings
(expiry, a phone that answers by itself) happens when somebody looks.
"""

import secrets
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal, NamedTuple

from secsign_gate.simulator import access_passes
from secsign_gate.simulator.refusals import FrozenSecSignId, NoSuchAuthSession, UnknownSecSignId

FREEZE_SECONDS = 10.0
"""Two collisions of logins for one SecSign ID within this time freeze it."""
KEPT_AUTH_SESSIONS = 10_000


class State(IntEnum):
    """The states of an auth session, with the numbers that both dialects send."""

    PENDING = 1
    EXPIRED = 2
    AUTHENTICATED = 3
    DENIED = 4
    SUSPENDED = 5
    CANCELED = 6
    FETCHED = 7
    INVALID = 8


class Transaction(NamedTuple):
    """A text to accept or deny, instead of a picture to pick (REST only)."""

    title: str
    description: str
    data: tuple[tuple[str, str], ...]


class PushRequest(NamedTuple):
    """What a service asks for when it creates an auth session. `secsign_id` is in lower case."""

    secsign_id: str
    service_name: str
    service_address: str
    wants_access_pass: bool
    transaction: Transaction | None = None


@dataclass
class AuthSession:
    """One push. `number` counts them from 1 and is the phone's name for it; the service knows the two ids only."""

    number: int
    push: PushRequest
    created: float
    expires: float
    authsessionid: int = field(default_factory=lambda: secrets.randbits(64) - 2**63)
    requestid: str = field(default_factory=lambda: secrets.token_hex(32).upper())
    access_pass: str | None = None
    choices: tuple[str, ...] = ()
    state: State = State.PENDING
    disposed: Literal["cancel", "release"] | None = None

    @property
    def is_open(self) -> bool:
        """Whether the phone may still decide."""
        return self.state in (State.PENDING, State.FETCHED)

    def fetch(self) -> None:
        """Open it in the app, which loads and shows it."""
        self.state = State.FETCHED

    def accept(self) -> None:
        """Say yes, as the owner of the phone, with the right picture if there are pictures."""
        self.state = State.AUTHENTICATED

    def deny(self) -> None:
        """Say no, as the owner of the phone."""
        self.state = State.DENIED

    def pick(self, choice: str) -> None:
        """Tap a picture, as the owner of the phone: the right one is a yes, any other a no."""
        self.state = State.AUTHENTICATED if choice == self.access_pass else State.DENIED


class PhoneHabits(NamedTuple):
    """How phones and server behave: lives in seconds, who is enrolled (None: everybody), who answers by itself."""

    auth_session_seconds: float = 120.0
    enrolled: frozenset[str] | None = None
    auto_accept_seconds: float | None = None
    auto_deny_seconds: float | None = None


class AuthSessions:
    """Every auth session of this server, and the SecSign IDs that are frozen."""

    def __init__(self, habits: PhoneHabits) -> None:
        self._habits = habits
        self._all: dict[int, AuthSession] = {}
        self._made = 0
        self._collided: dict[str, float] = {}
        self.frozen: set[str] = set()

    # --- what services do -----------------------------------------------------------------------------------------

    def knows(self, secsign_id: str) -> bool:
        """Tell whether there is such a SecSign ID."""
        return self._habits.enrolled is None or secsign_id in self._habits.enrolled

    def create(self, push: PushRequest, now: float) -> AuthSession:
        """Make an auth session. An older open one of the same ID is suspended; the next collision freezes the ID.

        Raises UnknownSecSignId or FrozenSecSignId.
        """
        if not self.knows(push.secsign_id):
            raise UnknownSecSignId("A SecSign ID with that name does not exist.")
        for older in self.open_ones(push.secsign_id, now):
            older.state = State.SUSPENDED
            if now - self._collided.get(push.secsign_id, -FREEZE_SECONDS) < FREEZE_SECONDS:
                self.frozen.add(push.secsign_id)
            self._collided[push.secsign_id] = now
        if push.secsign_id in self.frozen:
            raise FrozenSecSignId("The SecSign ID is frozen because of concurrent logins. Reactivate it in the app.")
        return self._remember(push, now)

    def _remember(self, push: PushRequest, now: float) -> AuthSession:
        self._made += 1
        made = AuthSession(self._made, push, created=now, expires=now + self._habits.auth_session_seconds)
        if push.wants_access_pass and push.transaction is None:
            made.access_pass, made.choices = access_passes.choose()
        self._all[made.authsessionid] = made
        if len(self._all) > KEPT_AUTH_SESSIONS:
            del self._all[next(iter(self._all))]
        return made

    def find(self, authsessionid: int, now: float) -> AuthSession:
        """Return the auth session with this id. Raises NoSuchAuthSession if it is unknown or was disposed of."""
        found = self._all.get(authsessionid)
        if found is None or found.disposed:
            raise NoSuchAuthSession("The authentication session does not exist.")
        self._advance(found, now)
        return found

    def cancel(self, auth_session: AuthSession) -> None:
        """Withdraw it. One that has ended keeps the state it ended in; either way nobody can ask for it again."""
        if auth_session.is_open:
            auth_session.state = State.CANCELED
        auth_session.disposed = "cancel"

    def release(self, auth_session: AuthSession) -> None:
        """Dispose of one that has ended. An open one is not released but cancelled: NoSuchAuthSession."""
        if auth_session.is_open:
            raise NoSuchAuthSession("The authentication session is still open: cancel it.")
        auth_session.disposed = "release"

    # --- what the phone does --------------------------------------------------------------------------------------

    def on_phone(self, number: int, now: float) -> AuthSession | None:
        """Return the open auth session that the phone knows by this number, or None if it is no longer open."""
        return next((one for one in self.open_ones(None, now) if one.number == number), None)

    def freeze(self, secsign_id: str, now: float) -> None:
        """Freeze the ID, as strangers' concurrent logins would; its open auth session is suspended."""
        self.frozen.add(secsign_id)
        for one in self.open_ones(secsign_id, now):
            one.state = State.SUSPENDED

    def unfreeze(self, secsign_id: str) -> None:
        """Tap a frozen ID, which reactivates it."""
        self.frozen.discard(secsign_id)
        self._collided.pop(secsign_id, None)

    # --- looking --------------------------------------------------------------------------------------------------

    def open_ones(self, secsign_id: str | None, now: float) -> list[AuthSession]:
        """Return the auth sessions waiting for the phone, oldest first; None: of every ID."""
        return [one for one in self.all(now) if one.is_open and secsign_id in (None, one.push.secsign_id)]

    def all(self, now: float) -> list[AuthSession]:
        """Return every auth session remembered, oldest first, as time has made it by now."""
        for one in self._all.values():
            self._advance(one, now)
        return list(self._all.values())

    def _advance(self, auth_session: AuthSession, now: float) -> None:
        """Let happen what time brings: the phone's own answer, if it comes before the end of the auth session."""
        endings = [(auth_session.expires, State.EXPIRED)]
        if self._habits.auto_accept_seconds is not None:
            endings.append((auth_session.created + self._habits.auto_accept_seconds, State.AUTHENTICATED))
        if self._habits.auto_deny_seconds is not None:
            endings.append((auth_session.created + self._habits.auto_deny_seconds, State.DENIED))
        when, ending = min(endings)
        if auth_session.is_open and now >= when:
            auth_session.state = ending

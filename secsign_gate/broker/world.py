"""What a broker holds while it runs: orders, mapping, ID server, record, clock. decide.py asks it, and nothing else."""

import asyncio
import os
import random
import secrets
from collections import Counter
from collections.abc import Callable, Coroutine
from time import monotonic, time
from typing import TYPE_CHECKING, NamedTuple

from secsign_gate.broker.audit_record import Event
from secsign_gate.broker.case import Case
from secsign_gate.broker.connections import Connections
from secsign_gate.broker.peer import Peer
from secsign_gate.broker.recorder import Recorder
from secsign_gate.broker.state import State
from secsign_gate.config import Settings
from secsign_gate.core.approval import Approval, is_used_up
from secsign_gate.core.auth_session import AuthSession
from secsign_gate.core.grant import Coverage, Grant, of_the_connection
from secsign_gate.core.key_holder import HeldLine, holders, registered_keys
from secsign_gate.core.line_judgement import Circumstances
from secsign_gate.core.login import AuthenticationMethod, Login
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.core.verdict import Allow, Verdict
from secsign_gate.directory.registry import held_lines, is_registered
from secsign_gate.directory.users_file import Users
from secsign_gate.errors import IdServerError
from secsign_gate.id_server.interface import IdServer

if TYPE_CHECKING:
    from secsign_gate.broker.monitor import Monitor
    from secsign_gate.broker.push import Push
    from secsign_gate.core.proof import Proof

# Withdrawing a push keeps nobody waiting, and a server that is down must not keep us (protocol reference 7, row 28).
TIDY_UP_SECONDS = 5.0
_REFERENCE_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # none that is taken for another when read out
_REFERENCE_LENGTH = 6
_BITS_OF_A_LETTER, _LAST_LETTER = 5, 31


class Proving(NamedTuple):
    """How a daemon proves what doors say, and what it knows of the SSH connections that were proven."""

    monitor: "Monitor"
    connections: Connections


class Kept:
    """What outlives a change of orders: what the broker remembers, which pushes are under way, who is here.

    `proving` is None in an embedded broker, which has no means to prove what its door says, and no need: the door is
    the process that started it. `pushes` counts them, and `last_push_at` is on the broker's clock, in seconds. `tally`
    counts verdicts by `allow` or `refuse` and their ground or reason. `stopping` is set when all pushes are to be
    withdrawn, for which the daemon has a deadline of its own.
    """

    def __init__(self, state: State, proving: Proving | None = None) -> None:
        self.state = state
        self.proving = proving
        self.under_way: dict[Coverage, Push] = {}
        self.pushes = 0
        self.last_push_at: float | None = None
        self.present: set[Case] = set()
        self.tally: Counter[tuple[str, str]] = Counter()
        self.stopping = False


class World:
    """One broker's belongings under one set of orders.

    `connect` makes the ID server's client when the first login needs one. `kept` is what the broker had before.
    """

    def __init__(
        self, settings: Settings, users: Users, recorder: Recorder, connect: Callable[[], IdServer], kept: Kept
    ) -> None:
        self.settings = settings
        self.users = users
        self.recorder = recorder
        self.kept = kept
        self.host = os.uname().nodename
        self._connect = connect
        self._id_server: IdServer | None = None
        self._following: set[asyncio.Task[None]] = set()

    @property
    def state(self) -> State:
        """What the broker remembers from one login to the next."""
        return self.kept.state

    @property
    def id_server(self) -> IdServer:
        """The ID server's client, connected at first use: an exempt login never loads it."""
        if self._id_server is None:
            self._id_server = self._connect()
        return self._id_server

    @staticmethod
    def clock() -> float:
        """Return seconds that only go forward."""
        return monotonic()

    @staticmethod
    def jitter() -> float:
        """Return a number from 0 to 1 that spreads the looks of many waiters."""
        return random.random()  # noqa: S311 - spreads requests, guards nothing

    @staticmethod
    def new_reference() -> str:
        """Return a word by which a person and an auditor can name the same login."""
        number = secrets.randbits(_REFERENCE_LENGTH * _BITS_OF_A_LETTER)
        places = range(0, _REFERENCE_LENGTH * _BITS_OF_A_LETTER, _BITS_OF_A_LETTER)
        return "".join([_REFERENCE_LETTERS[number >> place & _LAST_LETTER] for place in places])

    def held_lines(self, account: str, methods: tuple[AuthenticationMethod, ...]) -> tuple[HeldLine, ...]:
        """Return what the registry says of `account` and the keys used in `methods`, as it is now; nothing without one.

        Raises ConfigError, CertificateError and EncodingError.
        """
        if self.settings.registry_file is None:
            return ()
        keys = registered_keys(methods)
        return held_lines(self.settings.registry_file, account, keys) if keys else ()

    def secsign_id(self, login: Login, judged_at: int) -> SecSignId | None:
        """Return whom to ask for `login`. `judged_at` is when sshd let the key in, seconds since 1970; 0 means now.

        Raises ConfigError if the registry cannot be used.
        """
        lines = self.held_lines(login.account.name, login.methods)
        here = Circumstances(login.account.name, login.connection.client_address, judged_at or int(time()))
        return self.users.secsign_id(login.account.name, login.fingerprints, holders(login.methods, lines, here))

    def depends_on_key(self, account: str) -> bool:
        """Tell whether several people may share `account`, so that the key must be known. Raises ConfigError."""
        registry = self.settings.registry_file
        return self.users.depends_on_key(account) or (registry is not None and is_registered(registry, account))

    def begin_proof(self, peer: Peer) -> "asyncio.Future[Proof] | None":
        """Begin to find out which SSH connection `peer` belongs to; None where that is neither possible nor needed."""
        if self.kept.proving is None:
            return None
        monitor, executables = self.kept.proving.monitor, self.settings.sshd.executables
        known = monitor.proof_for(peer, executables)
        if known is not None:
            at_once: asyncio.Future[Proof] = asyncio.get_running_loop().create_future()
            at_once.set_result(known)
            return at_once
        proof = asyncio.create_task(monitor.prove(peer, executables))
        proof.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may ask for it after all
        return proof

    async def record(self, case: Case, verdict: Verdict, event: Event = Event.VERDICT) -> None:
        """Put `verdict` on record. Raises AuditError if that is not certain; it must not take effect then."""
        await self.recorder.record(case.record(verdict, time(), self.clock() - case.started, event))
        if event is Event.VERDICT:
            kind, why = ("allow", verdict.ground) if isinstance(verdict, Allow) else ("refuse", verdict.reason)
            self.kept.tally[kind, why] += 1

    def grant_for(self, covered: Coverage | None) -> Grant | None:
        """Return the grant in force that covers this: one of its own, or one for the whole of its SSH connection."""
        if covered is None:
            return None
        now = self.clock()
        return self.state.grant_for(covered, now) or self.state.grant_for(of_the_connection(covered), now)

    def add_grant(self, grant: Grant) -> None:
        """Let `grant` count until its SSH connection ends, which it may have by now."""
        self.state.add_grant(grant)
        if self.kept.proving is not None:
            # One that has ended is forgotten here, grant and all.
            self.kept.proving.connections.of(grant.coverage.sshd, grant.coverage.uid)

    def follow(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Do `work` whoever stops waiting for it; `aclose` sees it end."""
        task = asyncio.create_task(work)
        self._following.add(task)
        task.add_done_callback(self._following.discard)
        return task

    async def tidied(self, opening: "asyncio.Task[AuthSession]", approval: Approval | None) -> None:
        """Withdraw or dispose of an auth session; the person has got the answer by then."""
        try:
            auth_session = await opening  # bounded by the client's own limits
            async with asyncio.timeout(None if self.kept.stopping else TIDY_UP_SECONDS):
                if approval is not None and is_used_up(approval):
                    await self.id_server.release(auth_session)
                else:
                    await self.id_server.cancel(auth_session)
        except (IdServerError, TimeoutError):
            pass  # the ID server's own time limit ends what we could not

    async def aclose(self) -> None:
        """Finish what is under way, and what that begins, then close the connections."""
        while self._following:
            await asyncio.wait(self._following)
        if self._id_server is not None:
            await self._id_server.aclose()
        self.recorder.close()

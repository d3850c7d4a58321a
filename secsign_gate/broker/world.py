"""What a broker holds while it runs: orders, mapping, ID server, record, clock. decide.py asks it, and nothing else."""

import asyncio
import os
import random
import secrets
from collections.abc import Callable
from time import monotonic, time

from secsign_gate.broker.audit import Audit
from secsign_gate.broker.audit_record import Event
from secsign_gate.broker.case import Case
from secsign_gate.config import Settings
from secsign_gate.core.approval import Approval, is_used_up
from secsign_gate.core.auth_session import AuthSession
from secsign_gate.core.verdict import Verdict
from secsign_gate.directory.users_file import Users
from secsign_gate.errors import IdServerError
from secsign_gate.id_server.interface import IdServer

# Withdrawing a push keeps nobody waiting, and a server that is down must not keep us (protocol reference 7, row 28).
TIDY_UP_SECONDS = 5.0
_REFERENCE_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # none that is taken for another when read out
_REFERENCE_LENGTH = 6


class World:
    """One broker's belongings. `connect` makes the ID server's client when the first login needs one."""

    def __init__(self, settings: Settings, users: Users, audit: Audit, connect: Callable[[], IdServer]) -> None:
        self.settings = settings
        self.users = users
        self.audit = audit
        self.host = os.uname().nodename
        self._connect = connect
        self._id_server: IdServer | None = None
        self._tidying: set[asyncio.Task[None]] = set()

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
        return "".join(secrets.choice(_REFERENCE_LETTERS) for _ in range(_REFERENCE_LENGTH))

    def record(self, case: Case, verdict: Verdict, event: Event = Event.VERDICT) -> None:
        """Put `verdict` on record. Raises AuditError if that is not certain; it must not take effect then."""
        self.audit.record(case.record(verdict, time(), self.clock() - case.started, event))

    def tidy_up(self, opening: "asyncio.Task[AuthSession]", approval: Approval | None) -> None:
        """Withdraw or dispose of an auth session, behind the back of the person who has got the answer by then."""
        task = asyncio.create_task(self._tidied(opening, approval))
        self._tidying.add(task)
        task.add_done_callback(self._tidying.discard)

    async def _tidied(self, opening: "asyncio.Task[AuthSession]", approval: Approval | None) -> None:
        try:
            auth_session = await opening  # bounded by the client's own limits
            async with asyncio.timeout(TIDY_UP_SECONDS):
                if approval is not None and is_used_up(approval):
                    await self.id_server.release(auth_session)
                else:
                    await self.id_server.cancel(auth_session)
        except (IdServerError, TimeoutError):
            pass  # the ID server's own time limit ends what we could not

    async def aclose(self) -> None:
        """Finish what is being tidied up, then close the connections."""
        if self._tidying:
            await asyncio.wait(self._tidying)
        if self._id_server is not None:
            await self._id_server.aclose()

"""What the broker can ask of an ID server, whatever its dialect."""

from typing import Protocol

from secsign_gate.core.auth_session import AuthSession, PushRequest, StateReport
from secsign_gate.core.circuit import ServerHealth


class IdServer(Protocol):
    """An ID server. The four requests raise IdServerError (errors.py) and nothing else when they fail."""

    async def open(self, request: PushRequest) -> AuthSession:
        """Create an auth session: exactly one create reaches at most one server, and it is never repeated."""

    async def state_of(self, auth_session: AuthSession) -> StateReport:
        """Ask the server that made it what became of the auth session. One request, no retry."""

    async def cancel(self, auth_session: AuthSession) -> None:
        """Withdraw an auth session that may still be open."""

    async def release(self, auth_session: AuthSession) -> None:
        """Dispose of an auth session that has ended."""

    async def warm(self) -> None:
        """Connect, or see that the connection still stands, without sending a request: the next one leaves at once.

        Never raises: what is wrong, the next request meets and says. It is also what finds out, when a server has been
        down, that it is back, so that no login has to.
        """

    def health(self) -> tuple[ServerHealth, ...]:
        """Return what is known of each server, the main one first."""

    async def aclose(self) -> None:
        """Close the connections."""

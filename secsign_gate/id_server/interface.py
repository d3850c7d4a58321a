"""What the broker can ask of an ID server, whatever its dialect."""

from typing import Protocol

from secsign_gate.core.auth_session import AuthSession, PushRequest, StateReport


class IdServer(Protocol):
    """An ID server. Every method raises IdServerError (errors.py) and nothing else when it fails."""

    async def open(self, request: PushRequest) -> AuthSession:
        """Create an auth session: exactly one create reaches at most one server, and it is never repeated."""

    async def state_of(self, auth_session: AuthSession) -> StateReport:
        """Ask the server that made it what became of the auth session. One request, no retry."""

    async def cancel(self, auth_session: AuthSession) -> None:
        """Withdraw an auth session that may still be open."""

    async def release(self, auth_session: AuthSession) -> None:
        """Dispose of an auth session that has ended."""

    async def aclose(self) -> None:
        """Close the connections."""

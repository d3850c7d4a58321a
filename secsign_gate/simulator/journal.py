"""The journal: every request that reached the ID server, for tests to look into. It keeps no secrets."""

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

from secsign_gate.simulator.messages import Asked, HttpRequest
from secsign_gate.simulator.refusals import Refusal

KEPT_ENTRIES = 20_000
SECRET_PARAMETERS = frozenset({"requestid"})
SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie"})
SECRET = "(secret)"  # noqa: S105 - it stands in for one


class Entry(NamedTuple):
    """One request. `seconds` since the simulator's start; `connection` counts TLS connections from 1."""

    seconds: float
    connection: int
    asked: Asked
    request: HttpRequest
    fault: str | None
    status: int | None

    def as_json(self) -> dict[str, Any]:
        """Return the entry without secrets. `status` is null if no orderly answer was given."""
        refused = self.asked.operation
        return {
            "seconds": round(self.seconds, 3),
            "connection": self.connection,
            "dialect": self.asked.dialect,
            "kind": self.asked.kind,
            "method": self.request.method,
            "path": self.request.path,
            "parameters": _masked(self.asked.parameters, SECRET_PARAMETERS),
            "headers": _masked(self.request.headers, SECRET_HEADERS),
            "fault": self.fault,
            "refused": str(refused) if isinstance(refused, Refusal) else None,
            "status": self.status,
        }


def _masked(pairs: Mapping[str, str], secret: frozenset[str]) -> dict[str, str]:
    return {name: SECRET if name in secret else value for name, value in pairs.items()}


class Journal:
    """The latest entries, oldest first."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=KEPT_ENTRIES)

    def add(self, entry: Entry) -> None:
        """Append an entry."""
        self._entries.append(entry)

    def as_json(self) -> list[dict[str, Any]]:
        """Return all entries."""
        return [entry.as_json() for entry in self._entries]

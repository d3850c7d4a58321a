"""What root may ask of a running broker, and have it do: one line of JSON in, one line out, over a socket of its own.

    {"request": "status"}                      → the status, see `status`
    {"request": "unblock", "name": "alice"}    → {"unblocked": [{"kind": "account", "name": "alice"}]}

The kernel lets only root connect (mode and folder of the socket); it is asked once more who did.
"""

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any

from secsign_gate import __version__
from secsign_gate.broker.case import Case
from secsign_gate.broker.peer import peer_of
from secsign_gate.core.circuit import ServerState
from secsign_gate.errors import GateError

if TYPE_CHECKING:
    from secsign_gate.broker.daemon import Daemon

_LINE_LIMIT = 4096
_SECONDS = 10.0


class Control:
    """Answers root's questions about one daemon."""

    def __init__(self, daemon: "Daemon") -> None:
        self._daemon = daemon

    async def visited(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request. Whoever sends something else gets an `error`, and changes nothing."""
        try:
            peer = peer_of(writer.get_extra_info("socket"))
            peer.close()
            if peer.uid != 0:
                return
            async with asyncio.timeout(_SECONDS):
                line = await reader.readuntil(b"\n")
                answer = self._answer(line)
                writer.write(json.dumps(answer, separators=(",", ":")).encode("ascii") + b"\n")
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # there is nobody to answer
        finally:
            writer.close()

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line) if len(line) <= _LINE_LIMIT else None
        except ValueError:
            request = None
        match request:
            case {"request": "status", **rest} if not rest:
                return status(self._daemon)
            case {"request": "unblock", "name": str(name), **rest} if not rest:
                names = {name, *self._daemon.world.users.secsign_ids(name)}
                return {"unblocked": [subject._asdict() for subject in self._daemon.state.unblock(names)]}
            case _:
                return {"error": "the broker does not know this request; it may be of another version"}


def status(daemon: "Daemon") -> dict[str, Any]:
    """Return who waits, who holds grants, who was pushed how often, and how the ID servers are, fit for JSON.

    Times are in seconds: how long something lasts, or is yet to last.
    """
    world, kept, now = daemon.world, daemon.kept, daemon.world.clock()
    limits = world.settings.limits
    return {
        "version": __version__,
        "pid": os.getpid(),
        "configuration": world.settings.path,
        "configuration_fault": daemon.fault or None,
        "monitor": "running" if kept.proving is not None and kept.proving.monitor.is_running else "ended",
        "started_at": round(daemon.started_at, 3),
        "loaded_at": round(daemon.loaded_at, 3),
        "waiting": [_waiting(case, now) for case in sorted(kept.present, key=lambda case: case.started)],
        "grants": [
            {
                "account": grant.account,
                "secsign_id": grant.coverage.secsign_id,
                "sshd_pid": grant.coverage.sshd.pid,
                "reference": grant.reference,
                "granted_for": round(now - grant.granted_at, 1),
                "seconds_left": None if grant.until is None else round(grant.until - now, 1),
            }
            for grant in daemon.state.grants(now)
        ],
        "pushes": [
            {
                "kind": subject.kind,
                "name": subject.name,
                "recent": sum(now - at < limits.per_seconds for at in history.pushed_at),
                "denials": history.denials,
                "pause_left": round(history.pause_left(now, limits), 1),
            }
            for subject, history in sorted(daemon.state.subjects().items())
            if not history.is_over(now, limits)
        ],
        "id_servers": [
            {
                "url": server.url,
                "state": server.state,
                "for": round(now - server.since, 1) if server.state is not ServerState.UNKNOWN else None,
                "sentence": (server.sentence or None) if server.state is ServerState.DOWN else None,
            }
            for server in world.id_server.health()
        ],
        "connections": len(kept.proving.connections) if kept.proving is not None else 0,
        "verdicts": [
            {"verdict": verdict, "why": why, "count": count} for (verdict, why), count in sorted(kept.tally.items())
        ],
    }


def _waiting(case: Case, now: float) -> dict[str, Any]:
    connection, push = case.connection, case.push
    return {
        "account": case.account,
        "client": str(connection.client_address) if connection and connection.client_address else None,
        "wants": case.wants,
        "secsign_id": push.request.secsign_id if push else None,
        "stage": (push.stage or None) if push else None,
        "place": push.place if push else None,
        "waited": round(now - case.started, 1),
        "reference": case.reference,
    }


class ControlError(GateError):
    """The broker could not be asked, or did not understand."""


async def asked(path: str, request: dict[str, str]) -> dict[str, Any]:
    """Send `request` to the broker's control socket at `path` and return its answer. Raises ControlError."""
    try:
        async with asyncio.timeout(_SECONDS):
            reader, writer = await asyncio.open_unix_connection(path, limit=64 * 1024 * 1024)
            try:
                writer.write(json.dumps(request).encode("ascii") + b"\n")
                answer = json.loads(await reader.readuntil(b"\n"))
            finally:
                writer.close()
    except (FileNotFoundError, ConnectionRefusedError):
        raise ControlError(f"no daemon answers at {path}; `secsign-gate check` says whether one is set up") from None
    except OSError as error:  # a TimeoutError is one, too
        why = error.strerror or "no answer in time"
        raise ControlError(f"the broker cannot be asked at {path} ({why}); run this as root while it runs") from None
    except (ValueError, EOFError, asyncio.LimitOverrunError):
        raise ControlError(f"the broker at {path} broke off; look at its log") from None
    if not isinstance(answer, dict) or "error" in answer:
        raise ControlError(str(answer.get("error")) if isinstance(answer, dict) else f"{path} is no broker's")
    return answer

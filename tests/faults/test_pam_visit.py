"""PAM's question at a broker whose monitor and ID server the test rules: leaving, time, and what stands afterwards."""

from __future__ import annotations

import asyncio
import pwd
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from broker_visit import IdServerOfFutures, Records, Visit, orders_for_alice, world_with

from secsign_gate import wire
from secsign_gate.broker import client_watch
from secsign_gate.broker.connections import Connections
from secsign_gate.broker.peer import Peer
from secsign_gate.broker.world import Proving
from secsign_gate.core.ancestry import SshdProcess, UnprovenError
from secsign_gate.core.auth_session import AuthSessionState
from secsign_gate.core.login import SshConnection
from secsign_gate.core.proof import Proof
from secsign_gate.core.verdict import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

LONGEST_WAIT = 30.0  # seconds; a guard against hanging, never an expectation
ROOT = pwd.getpwuid(0).pw_name
PROVEN = Proof(SshdProcess(4711, 1), SshConnection(ip_address("192.0.2.1"), 50022, ip_address("192.0.2.2"), 22))


def question(**changed: Any) -> wire.AskForPam:
    fields: dict[str, Any] = {
        "phase": b"account",
        "service": b"sshd",
        "account": ROOT.encode(),
        "remote_user": b"",
        "remote_host": b"192.0.2.1",
        "terminal": b"ssh",
        "ssh_connection": b"192.0.2.1 50022 192.0.2.2 22",
        "auth_info": b"",
        "after_password": False,
        "seconds": 90,
    }
    return wire.AskForPam(**fields | changed)


class MonitorOfFacts:
    """A monitor that says what the test says; `looked` counts the looks at the client."""

    def __init__(self) -> None:
        self.connected = True
        self.looked = 0

    def proof_for(self, _peer: Peer, _executables: tuple[str, ...]) -> None:
        return None

    async def prove(self, _peer: Peer, _executables: tuple[str, ...]) -> Proof:
        raise UnprovenError("nobody asked")

    async def prove_for_pam(self, _peer: Peer, _executables: tuple[str, ...]) -> Proof:
        return PROVEN

    async def is_connected(self, _peer: Peer, proof: Proof) -> bool:
        assert proof == PROVEN
        self.looked += 1
        return self.connected


class PamVisit(Visit):
    """A visit by root's PAM."""

    monitor: MonitorOfFacts

    async def ask(self, **changed: Any) -> None:
        await self.begin(question(**changed), uid=0)


class Visited(Protocol):
    """Runs a test's coroutine with a visit to a daemon's broker."""

    def __call__(self, test: Callable[[PamVisit], Coroutine[Any, Any, None]]) -> None:
        """Return when it has ended."""


@pytest.fixture
def visited(tmp_path: Path) -> Visited:
    settings = orders_for_alice(tmp_path)

    def run(test: Callable[[PamVisit], Coroutine[Any, Any, None]]) -> None:
        async def whole() -> None:
            id_server, records = IdServerOfFutures(), Records()
            world = world_with(settings, id_server, records)
            visit = PamVisit(world, id_server, records)
            visit.monitor = MonitorOfFacts()
            connections = Connections(lambda _sshd, _ended: lambda: None, lambda _sshd: None)
            world.kept.proving = Proving(visit.monitor, connections)  # type: ignore[arg-type] # what a visit asks of it
            async with asyncio.timeout(LONGEST_WAIT):
                await test(visit)

        asyncio.run(whole())

    return run


def test_accepted(visited: Visited) -> None:
    """The good case, so that the others fail for their own reasons only."""

    async def test(visit: PamVisit) -> None:
        await visit.ask()
        visit.id_server.created.set_result(None)
        visit.id_server.reported.set_result(AuthSessionState.AUTHENTICATED)
        assert (await visit.answer()).allowed
        await visit.end()
        assert visit.records.said() == ["verdict: approved"]
        assert visit.monitor.looked > 0
        (record,) = visit.records
        assert record.service is not None
        assert (record.door, record.service.phase, record.uid) == ("pam_exec", "account", 0)

    visited(test)


def test_an_approval_that_comes_after_the_client_has_left_is_none(visited: Visited) -> None:
    """Law 2; between two looks, so that only the last one can know."""

    async def test(visit: PamVisit) -> None:
        await visit.ask()
        await visit.id_server.asked
        visit.monitor.connected = False
        visit.id_server.created.set_result(None)
        visit.id_server.reported.set_result(AuthSessionState.AUTHENTICATED)
        answer = await visit.answer()
        assert (answer.allowed, answer.why) == (False, Reason.CLIENT_LEFT)
        await visit.end()
        assert visit.records.said() == ["verdict: client_left"]
        assert visit.world.state.grants(visit.world.clock()) == []  # type: ignore[attr-defined] # the one in memory

    visited(test)


def test_a_client_that_has_left_takes_its_push_along(visited: Visited, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_watch, "LOOK_SECONDS", 0.01)

    async def test(visit: PamVisit) -> None:
        await visit.ask()
        visit.id_server.created.set_result(None)
        await visit.id_server.asked  # who leaves before that costs no push
        visit.monitor.connected = False
        assert (await visit.answer()).why == Reason.CLIENT_LEFT
        visit.id_server.reported.set_result(AuthSessionState.PENDING)
        await visit.end()
        assert visit.id_server.disposed == ["cancel 7"]

    visited(test)


def test_the_doors_time_is_the_end_of_it(visited: Visited) -> None:
    async def test(visit: PamVisit) -> None:
        await visit.ask(seconds=1)
        visit.id_server.created.set_result(None)
        assert (await visit.answer()).why == Reason.NO_ANSWER
        visit.id_server.reported.set_result(AuthSessionState.PENDING)
        await visit.end()
        assert visit.records.said() == ["verdict: no_answer"]
        assert visit.id_server.disposed == ["cancel 7"]

    visited(test)


@pytest.mark.parametrize("state", [AuthSessionState.DENIED, AuthSessionState.EXPIRED, AuthSessionState.SUSPENDED])
def test_a_refusal_stands_for_its_connection(visited: Visited, state: AuthSessionState) -> None:
    async def test(visit: PamVisit) -> None:
        await visit.ask()
        visit.id_server.created.set_result(None)
        visit.id_server.reported.set_result(state)
        first = await visit.answer()
        assert not first.allowed
        await visit.leave()
        await visit.ask(phase=b"auth", after_password=True)
        again = await visit.answer()
        assert (again.allowed, again.why) == (False, Reason.REFUSED_BEFORE)
        assert first.reference in again.detail
        await visit.end()
        assert visit.world.kept.pushes == 1

    visited(test)


def test_an_approval_that_cannot_be_recorded_is_a_refusal_that_stands(visited: Visited) -> None:
    async def test(visit: PamVisit) -> None:
        await visit.ask()
        await visit.id_server.asked
        visit.records.full = True
        visit.id_server.created.set_result(None)
        visit.id_server.reported.set_result(AuthSessionState.AUTHENTICATED)
        assert (await visit.answer()).why == Reason.AUDIT_UNAVAILABLE
        await visit.leave()
        visit.records.full = False
        await visit.ask()
        assert (await visit.answer()).why == Reason.REFUSED_BEFORE
        await visit.end()
        assert visit.world.kept.pushes == 1

    visited(test)


def test_what_was_approved_is_not_asked_for_again(visited: Visited) -> None:
    async def test(visit: PamVisit) -> None:
        await visit.ask(phase=b"auth", after_password=True)
        visit.id_server.created.set_result(None)
        visit.id_server.reported.set_result(AuthSessionState.AUTHENTICATED)
        assert (await visit.answer()).why == "approved"
        await visit.leave()
        await visit.ask()
        assert (await visit.answer()).why == "granted"
        await visit.end()
        assert visit.world.kept.pushes == 1

    visited(test)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"phase": b"session"}, Reason.CLAIM_UNUSABLE),
        ({"service": b""}, Reason.CLAIM_UNUSABLE),
        ({"seconds": 0}, Reason.CLAIM_UNUSABLE),
        ({"seconds": 2**32 - 1}, Reason.CLAIM_UNUSABLE),
        ({"ssh_connection": b""}, Reason.CLAIM_UNUSABLE),
        ({"ssh_connection": b"192.0.2.1 50022 192.0.2.2"}, Reason.CLAIM_UNUSABLE),
        ({"ssh_connection": b"192.0.2.1 50023 192.0.2.2 22"}, Reason.CLAIM_UNUSABLE),
        ({"account": b"no such account"}, Reason.UNKNOWN_ACCOUNT),
        ({"account": b""}, Reason.UNKNOWN_ACCOUNT),
        ({"account": b"ro\0ot"}, Reason.UNKNOWN_ACCOUNT),
        ({"account": b"\xff" * 5000}, Reason.UNKNOWN_ACCOUNT),
        ({"phase": b"auth"}, Reason.CONFIGURATION_ERROR),
        # Who has shown nothing does not learn which accounts there are.
        ({"phase": b"auth", "account": b"no such account"}, Reason.CONFIGURATION_ERROR),
        ({"service": b"cron", "terminal": b"cron", "ssh_connection": b""}, Reason.CONFIGURATION_ERROR),
        ({"auth_info": b"publickey ssh-ed25519 AAAA"}, Reason.AUTH_INFO_UNUSABLE),
        ({"auth_info": b"publickey ssh-ed25519 AAAA\n"}, Reason.AUTH_INFO_UNUSABLE),
        ({"auth_info": b"\0\n"}, Reason.AUTH_INFO_UNUSABLE),
        (
            {"phase": b"auth", "service": b"su", "ssh_connection": b"", "auth_info": b"publickey ssh-ed25519 AAAA\n"},
            Reason.CONFIGURATION_ERROR,
        ),
    ],
)
def test_what_makes_no_sense_rings_no_phone(visited: Visited, changed: dict[str, Any], reason: Reason) -> None:
    async def test(visit: PamVisit) -> None:
        await visit.ask(**changed)
        answer = await visit.answer()
        # A door that has no time at all is gone before it is judged, which is as well.
        assert answer.why in ({reason, Reason.NO_ANSWER} if changed.get("seconds") == 0 else {reason})
        await visit.end()
        assert visit.world.kept.pushes == 0
        assert len(visit.records) == 1

    visited(test)

"""The broker under a door and an ID server that do their worst: it ends, it refuses, and it withdraws what it made."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import pytest
from broker_visit import QUESTION, IdServerOfFutures, Records, Visit, orders_for_alice, world_with

from secsign_gate import wire
from secsign_gate.broker import door as door_module
from secsign_gate.broker import world as world_module
from secsign_gate.broker.door import Door, DoorLeftError
from secsign_gate.core.auth_session import AuthSessionState
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.core.verdict import Reason, refuse
from secsign_gate.errors import IdServerUnreachable, WireError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path

    from secsign_gate.core.proof import Proof

LONGEST_WAIT = 30.0  # seconds; a guard against hanging, never an expectation


class Visited(Protocol):
    """Runs a test's coroutine with a visit to a broker."""

    def __call__(self, test: Callable[[Visit], Coroutine[Any, Any, None]], wait_seconds: float = 60) -> None:
        """Return when it has ended."""


@pytest.fixture
def visited(tmp_path: Path) -> Visited:
    """Run a test's coroutine with a `Visit` to a broker that asks SecSign ID alice for every login."""
    settings = orders_for_alice(tmp_path)

    @asynccontextmanager
    async def visit(wait_seconds: float) -> AsyncIterator[Visit]:
        id_server, records = IdServerOfFutures(), Records()
        push = settings.push._replace(wait_seconds=wait_seconds)  # type: ignore[arg-type] # tests have no whole seconds
        world = world_with(settings._replace(push=push), id_server, records)
        yield Visit(world, id_server, records)

    def run(test: Callable[[Visit], Coroutine[Any, Any, None]], wait_seconds: float = 60) -> None:
        async def whole() -> None:
            async with asyncio.timeout(LONGEST_WAIT), visit(wait_seconds) as made:
                await test(made)

        asyncio.run(whole())

    return run


def test_accepted(visited: Visited) -> None:
    """The good case, so that the others fail for their own reasons only."""

    async def test(visit: Visit) -> None:
        await visit.begin()
        visit.id_server.created.set_result(None)
        visit.id_server.reported.set_result(AuthSessionState.AUTHENTICATED)
        assert (await visit.answer()).allowed
        await visit.end()
        assert visit.records.said() == ["verdict: approved"]
        assert visit.id_server.disposed == ["release 7"]

    visited(test)


def test_a_door_that_has_left_gets_no_yes_though_it_is_there_as_well() -> None:
    async def test() -> None:
        ours, theirs = socket.socketpair()
        with ours:
            door = Door(theirs)

            async def work() -> str:
                door.give_up(Reason.INTERRUPTED)
                return "yes"

            with pytest.raises(DoorLeftError):
                await door.unless_it_leaves(work())
            assert door.why_it_left() is Reason.INTERRUPTED
            await door.close()

    asyncio.run(test())


def test_a_door_that_leaves_while_the_push_is_made_withdraws_it_later(visited: Visited) -> None:
    async def test(visit: Visit) -> None:
        await visit.begin()
        await visit.id_server.asked
        visit.writer.close()
        await visit.serving
        assert visit.records.said() == ["verdict: client_left"]
        assert visit.id_server.disposed == []
        visit.id_server.created.set_result(None)
        await visit.end()
        assert visit.id_server.disposed == ["cancel 7"]

    visited(test)


def test_a_push_that_cannot_be_made_after_the_door_has_left_is_nobodys_trouble(visited: Visited) -> None:
    async def test(visit: Visit) -> None:
        await visit.begin()
        await visit.id_server.asked
        visit.writer.close()
        await visit.serving
        visit.id_server.created.set_exception(IdServerUnreachable("down", request_may_have_arrived=True))
        await visit.end()
        assert visit.records.said() == ["verdict: client_left"]

    visited(test)


def test_a_look_that_does_not_come_back_ends_with_the_time(visited: Visited) -> None:
    async def test(visit: Visit) -> None:
        await visit.begin()
        visit.id_server.created.set_result(None)
        assert (await visit.answer()).why == Reason.NO_ANSWER
        await visit.end()
        assert visit.records.said() == ["verdict: no_answer"]
        assert visit.id_server.disposed == ["cancel 7"]

    visited(test, wait_seconds=0.1)


def test_a_defect_in_the_client_is_a_refusal_and_the_push_is_withdrawn(visited: Visited) -> None:
    async def test(visit: Visit) -> None:
        await visit.begin()
        visit.id_server.created.set_result(None)
        visit.id_server.reported.set_exception(ZeroDivisionError("a defect"))
        answer = await visit.answer()
        assert (answer.allowed, answer.why) == (False, Reason.INTERNAL_ERROR)
        await visit.end()
        assert visit.records.said() == ["verdict: internal_error"]
        assert visit.id_server.disposed == ["cancel 7"]

    visited(test)


def test_a_yes_that_cannot_be_recorded_is_a_no(visited: Visited) -> None:
    async def test(visit: Visit) -> None:
        visit.records.full = True
        await visit.begin()
        visit.id_server.created.set_result(None)
        visit.id_server.reported.set_result(AuthSessionState.AUTHENTICATED)
        answer = await visit.answer()
        assert (answer.allowed, answer.why) == (False, Reason.AUDIT_UNAVAILABLE)
        await visit.end()

    visited(test)


def test_an_id_server_that_hangs_on_the_cancel_keeps_nothing_alive(
    visited: Visited, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world_module, "TIDY_UP_SECONDS", 0.05)

    async def test(visit: Visit) -> None:
        visit.id_server.disposing = asyncio.Event().wait  # for ever
        await visit.begin()
        visit.id_server.created.set_result(None)
        while not isinstance(message := await visit.hear(), wire.Progress) or message.stage != "pushed":
            pass
        await visit.end()
        assert visit.id_server.disposed == ["cancel 7"]

    visited(test)


def test_a_door_that_never_asks_is_not_waited_for(visited: Visited, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door_module, "FIRST_MESSAGE_SECONDS", 0.05)

    async def test(visit: Visit) -> None:
        await visit.begin(None)
        answer = await visit.answer()
        assert (answer.allowed, answer.why) == (False, Reason.BROKER_UNAVAILABLE)
        await visit.end()
        assert visit.records.said() == []

    visited(test)


def test_a_door_that_does_not_say_what_is_in_the_key_files(visited: Visited, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door_module, "KEY_LINES_SECONDS", 0.05)
    with_key = b"publickey ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2kMXkX8yMdpJ5Vmd0y8n0nN1Wl8yQ0mF1k8m1x5l2b\n"

    async def test(visit: Visit) -> None:
        await visit.begin(changed(QUESTION, auth_info=with_key))
        assert isinstance(await visit.hear(), wire.FindKeyLines)
        assert (await visit.answer()).why == Reason.CLAIM_UNUSABLE
        await visit.end()

    visited(test)


OUT_OF_TURN: list[wire.Message] = [
    QUESTION,
    wire.KeyLines(lines=[], unsafe=[]),
    wire.FindKeyLines(needles=[], paths=[]),
    wire.Answer(allowed=True, why="approved"),
    wire.Left(why="denied_on_phone"),
    wire.Left(why="client_left"),
]


@pytest.mark.parametrize("message", OUT_OF_TURN, ids=lambda message: type(message).__name__)
def test_a_door_that_speaks_out_of_turn_has_left(visited: Visited, message: wire.Message) -> None:
    async def test(visit: Visit) -> None:
        await visit.begin()
        await visit.id_server.asked
        visit.say(message)
        assert (await visit.answer()).why == Reason.CLIENT_LEFT
        visit.id_server.created.set_result(None)
        await visit.end()
        assert visit.records.said() == ["verdict: client_left"]
        assert visit.id_server.disposed == ["cancel 7"]

    visited(test)


@pytest.mark.parametrize(
    "word", ["client_left", "interrupted", "claim_unusable", "broker_unavailable", "internal_error"]
)
def test_why_a_door_leaves_is_on_record(visited: Visited, word: str) -> None:
    async def test(visit: Visit) -> None:
        await visit.begin()
        await visit.id_server.asked
        visit.say(wire.Left(why=word))
        visit.id_server.created.set_result(None)
        await visit.end()
        assert visit.records.said() == [f"verdict: {word}"]
        assert visit.id_server.disposed == ["cancel 7"]

    visited(test)


@pytest.mark.parametrize(
    ("last_word", "more"), [(None, []), (Reason.NO_SHELL, ["client_left_before_hand_over: no_shell"])]
)
def test_what_the_door_says_after_a_yes_is_on_record(
    visited: Visited, last_word: Reason | None, more: list[str]
) -> None:
    async def test(visit: Visit) -> None:
        await visit.begin()
        visit.id_server.created.set_result(None)
        visit.id_server.reported.set_result(AuthSessionState.AUTHENTICATED)
        await visit.answer()
        if last_word is not None:
            visit.say(wire.Left(why=last_word))
        await visit.end()
        assert visit.records.said() == ["verdict: approved", *more]

    visited(test)


def test_a_broker_that_is_to_end_after_its_yes_says_no_more(visited: Visited) -> None:
    async def test(visit: Visit) -> None:
        await visit.begin()
        visit.id_server.created.set_result(None)
        visit.id_server.reported.set_result(AuthSessionState.AUTHENTICATED)
        await visit.answer()
        visit.door.give_up(Reason.INTERRUPTED)
        await visit.end()
        assert visit.records.said() == ["verdict: approved"]

    visited(test)


def test_a_question_of_another_version_is_told_so() -> None:
    async def test() -> None:
        ours, theirs = socket.socketpair()
        with ours:
            door = Door(theirs)
            question = bytearray(QUESTION.encode())
            question[8] = 99
            ours.sendall(question)
            with pytest.raises(WireError, match="different versions"):
                await door.claim()
            await door.close()

    asyncio.run(test())


def changed(question: wire.Ask, **fields: Any) -> wire.Ask:
    return wire.Ask(**{name: getattr(question, name) for name in question.FIELDS} | fields)


def test_a_denial_is_remembered_though_nobody_waits_for_it_any_more(visited: Visited) -> None:
    """Who leaves before each look would else have a phone pushed again and again, denied or not (law 9)."""

    async def test(visit: Visit) -> None:
        await visit.begin()
        visit.id_server.created.set_result(None)
        while not isinstance(message := await visit.hear(), wire.Progress) or message.stage != "pushed":
            pass
        visit.writer.close()
        await visit.serving
        assert visit.records.said() == ["verdict: client_left"]
        visit.id_server.reported.set_result(AuthSessionState.DENIED)
        await visit.world.aclose()
        of_account, of_secsign_id = visit.world.state.histories("root", SecSignId("alice"))
        assert (of_account.denials, of_secsign_id.denials) == (1, 1)
        await visit.end()

    visited(test)


def test_an_acceptance_that_nobody_waits_for_lets_nobody_in_and_forgets_no_denial(visited: Visited) -> None:
    async def test(visit: Visit) -> None:
        visit.world.state.ended("root", SecSignId("alice"), refuse(Reason.DENIED_ON_PHONE), visit.world.clock() - 60)
        await visit.begin()
        visit.id_server.created.set_result(None)
        while not isinstance(message := await visit.hear(), wire.Progress) or message.stage != "pushed":
            pass
        visit.writer.close()
        await visit.serving
        visit.id_server.reported.set_result(AuthSessionState.AUTHENTICATED)
        await visit.end()
        assert visit.records.said() == ["verdict: client_left"]
        assert visit.world.state.histories("root", SecSignId("alice"))[0].denials == 1

    visited(test)


def test_a_door_that_does_not_read_keeps_no_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door_module, "LAST_WORD_SECONDS", 0.05)

    async def test() -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with ours:
            door = Door(theirs)
            await door.answer(wire.Answer(allowed=False, why="denied_on_phone", program=[b"x" * 300_000]))
            await door.close()
            await asyncio.sleep(0)  # asyncio closes a transport that was aborted in its next round
            assert theirs.fileno() == -1

    asyncio.run(test())


def test_the_proof_of_a_door_that_has_gone_takes_nobodys_turn(
    visited: Visited, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(visit: Visit) -> None:
        begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def never() -> NoReturn:
            begun.set_result(None)
            await asyncio.Event().wait()
            raise AssertionError

        proof = asyncio.create_task(never())
        monkeypatch.setattr(visit.world, "begin_proof", lambda _peer: proof)
        await visit.begin(None)
        await begun
        visit.writer.close()
        await visit.serving
        await asyncio.wait({proof})
        assert proof.cancelled()
        await visit.end()

    visited(test)


def test_who_has_not_asked_yet_is_told_at_once_that_the_broker_stops(visited: Visited) -> None:
    """Else anybody could hold up every restart, by connections that say nothing."""

    async def test(visit: Visit) -> None:
        await visit.begin(None)
        await asyncio.sleep(0)
        visit.door.give_up(Reason.BROKER_STOPPING)
        assert (await visit.answer()).why == Reason.BROKER_STOPPING
        await visit.end()
        assert visit.records.said() == []

    visited(test)


def test_who_waits_for_a_proof_is_told_at_once_that_the_broker_stops(
    visited: Visited, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(visit: Visit) -> None:
        proof: asyncio.Future[Proof] = asyncio.get_running_loop().create_future()
        monkeypatch.setattr(visit.world, "begin_proof", lambda _peer: proof)
        await visit.begin()
        while not visit.world.kept.present:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0)
        visit.door.give_up(Reason.BROKER_STOPPING)
        assert (await visit.answer()).why == Reason.BROKER_STOPPING
        await visit.end()
        assert visit.records.said() == ["verdict: broker_stopping"]

    visited(test)


def test_pam_is_answered_by_a_daemon_only(visited: Visited) -> None:
    async def test(visit: Visit) -> None:
        await visit.begin(None)
        visit.say(
            wire.AskForPam(
                phase=b"account",
                service=b"sshd",
                account=b"root",
                remote_user=b"",
                remote_host=b"",
                terminal=b"ssh",
                ssh_connection=QUESTION.ssh_connection,
                auth_info=b"",
                after_password=False,
                seconds=90,
            )
        )
        answer = await visit.answer()
        assert (answer.allowed, answer.why) == (False, Reason.CONFIGURATION_ERROR)
        assert "only the daemon answers PAM" in answer.detail
        await visit.end()
        assert not visit.id_server.asked.done()

    visited(test)

"""One push for all who wait for it: who joins, who leaves when, and what the next one finds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from broker_visit import IdServerOfFutures, Records, orders_for_alice, world_with

from secsign_gate.broker import push as push_module
from secsign_gate.broker import world as world_module
from secsign_gate.broker.push import Push, push_for
from secsign_gate.broker.state import StateInMemory
from secsign_gate.broker.world import World
from secsign_gate.core.ancestry import SshdProcess
from secsign_gate.core.auth_session import AuthSessionState, PushRequest
from secsign_gate.core.grant import Coverage
from secsign_gate.core.login import OtherMethod
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.core.verdict import Allow, Ground, Reason, Refuse
from secsign_gate.errors import IdServerUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from secsign_gate.core.auth_session import AuthSession

LONGEST_WAIT = 30.0  # seconds; a guard against hanging, never an expectation
ALICE = SecSignId("alice")
COVERED = Coverage(SshdProcess(4711, 99), 2001, (OtherMethod("password"),), ALICE)
ELSEWHERE = COVERED._replace(sshd=SshdProcess(4712, 100))
REQUEST = PushRequest(ALICE, "web1", "alice@web1", access_pass=False, transaction=None)


class IdServers(IdServerOfFutures):
    """An IdServerOfFutures for each create: `created` and so on are those of the last. `asked_again`: there are two."""

    def __init__(self) -> None:
        super().__init__()
        self.creates = 0
        self.asked_again = asyncio.Event()
        self.closed = asyncio.Event()

    async def open(self, request: PushRequest) -> AuthSession:
        self.creates += 1
        if self.creates > 1:
            self.asked_again.set()
            again = IdServerOfFutures()
            self.created, self.reported, self.asked = again.created, again.reported, again.asked
        return await super().open(request)

    async def aclose(self) -> None:
        self.closed.set()


class Pushing(Protocol):
    """Runs a test's coroutine with a world and its ID server."""

    def __call__(
        self, test: Callable[[World, IdServers], Coroutine[Any, Any, None]], queue_seconds: float = 60
    ) -> None:
        """Return when it has ended."""


@pytest.fixture
def pushing(tmp_path: Path) -> Pushing:
    """Run a test's coroutine with a world and its ID server."""
    settings = orders_for_alice(tmp_path)

    def run(test: Callable[[World, IdServers], Coroutine[Any, Any, None]], queue_seconds: float = 60) -> None:
        async def whole() -> None:
            id_server = IdServers()
            push = settings.push._replace(queue_seconds=queue_seconds)  # type: ignore[arg-type] # no whole seconds
            world = world_with(settings._replace(push=push), id_server, Records())
            async with asyncio.timeout(LONGEST_WAIT):
                await test(world, id_server)
                await world.aclose()
            assert world.kept.under_way == {}
            assert isinstance(world.state, StateInMemory)
            assert world.state._lines == {}

        asyncio.run(whole())

    return run


def joined(world: World, covered: Coverage | None = COVERED) -> Push:
    push = push_for(world, REQUEST, "alice", covered)
    push.join()
    return push


async def verdict_of(push: Push) -> Allow | Refuse:
    while push.verdict is None:
        await push.news_after(push.changes)
    return push.verdict


async def until_stage(push: Push, stage: str) -> None:
    while push.stage != stage:
        await push.news_after(push.changes)


def accept(id_server: IdServers) -> None:
    id_server.created.set_result(None)
    id_server.reported.set_result(AuthSessionState.AUTHENTICATED)


def test_channels_of_one_connection_have_one_push_and_one_answer(pushing: Pushing) -> None:
    async def test(world: World, id_server: IdServers) -> None:
        channels = [joined(world) for _ in range(5)]
        assert len({id(push) for push in channels}) == 1
        await id_server.asked
        channels.append(joined(world))
        accept(id_server)
        verdicts = await asyncio.gather(*map(verdict_of, channels))
        assert {verdict.ground for verdict in verdicts if isinstance(verdict, Allow)} == {Ground.APPROVED}
        for push in channels:
            push.leave()
        await world.aclose()
        assert (id_server.creates, id_server.disposed) == (1, ["release 7"])

    pushing(test)


@pytest.mark.parametrize("covered", [None, ELSEWHERE])
def test_others_have_their_own_and_wait_for_their_turn(pushing: Pushing, covered: Coverage | None) -> None:
    async def test(world: World, id_server: IdServers) -> None:
        first, second = joined(world, None if covered is None else COVERED), joined(world, covered)
        assert first is not second
        await id_server.asked
        await until_stage(second, "queued")
        assert second.place == 1
        accept(id_server)
        assert isinstance(await verdict_of(first), Allow)
        first.leave()
        await until_stage(second, "asking")
        assert id_server.disposed == ["release 7"]  # the first is off the phone before the second is on it
        await id_server.asked_again.wait()
        accept(id_server)
        assert isinstance(await verdict_of(second), Allow)
        second.leave()

    pushing(test)


def test_the_last_one_who_leaves_during_the_create_withdraws_what_comes_of_it(pushing: Pushing) -> None:
    async def test(world: World, id_server: IdServers) -> None:
        first, second = joined(world), joined(world)
        await id_server.asked
        first.leave()
        before = second.verdict
        second.leave()
        assert (before, second.verdict) == (None, Refuse(Reason.CLIENT_LEFT))
        assert id_server.disposed == []
        id_server.created.set_result(None)
        await world.aclose()
        assert id_server.disposed == ["cancel 7"]

    pushing(test)


def test_who_comes_when_all_have_left_has_a_push_of_his_own_after_the_other_one(pushing: Pushing) -> None:
    async def test(world: World, id_server: IdServers) -> None:
        first = joined(world)
        await id_server.asked
        first.leave()
        second = joined(world)
        assert second is not first
        await until_stage(second, "queued")
        id_server.created.set_result(None)
        await until_stage(second, "asking")
        assert id_server.disposed == ["cancel 7"]
        await id_server.asked_again.wait()
        accept(id_server)
        assert isinstance(await verdict_of(second), Allow)
        second.leave()

    pushing(test)


def test_who_joins_at_the_very_end_has_the_same_end(pushing: Pushing) -> None:
    """The verdict is there, and the first channel is still about to put it on record."""

    async def test(world: World, id_server: IdServers) -> None:
        first = joined(world)
        await id_server.asked
        id_server.created.set_result(None)
        id_server.reported.set_result(AuthSessionState.DENIED)
        await verdict_of(first)
        late = joined(world)
        assert late is first
        first.leave()
        assert await verdict_of(late) == Refuse(Reason.DENIED_ON_PHONE)
        late.leave()
        afterwards = joined(world)
        assert (await verdict_of(afterwards)) != first.verdict
        afterwards.leave()
        await world.aclose()
        assert id_server.creates == 1

    pushing(test)


def test_a_denial_makes_a_pause_in_which_nobody_is_pushed(pushing: Pushing) -> None:
    async def test(world: World, id_server: IdServers) -> None:
        first, waiting = joined(world), joined(world, ELSEWHERE)
        await id_server.asked
        id_server.created.set_result(None)
        id_server.reported.set_result(AuthSessionState.DENIED)
        assert await verdict_of(first) == Refuse(Reason.DENIED_ON_PHONE)
        refused = await verdict_of(waiting)  # also who was in the line by then
        assert isinstance(refused, Refuse)
        assert refused.reason is Reason.PAUSED_AFTER_DENIAL
        for push in (first, waiting):
            push.leave()
        await world.aclose()
        assert id_server.creates == 1

    pushing(test)


def test_a_denial_that_nobody_waited_for_makes_a_pause_as_well(pushing: Pushing) -> None:
    async def test(world: World, id_server: IdServers) -> None:
        first = joined(world)
        await id_server.asked
        id_server.created.set_result(None)
        await until_stage(first, "pushed")
        id_server.reported.set_result(AuthSessionState.DENIED)
        first.leave()
        await world.aclose()
        again = joined(world)
        refused = await verdict_of(again)
        assert isinstance(refused, Refuse)
        assert refused.reason is Reason.PAUSED_AFTER_DENIAL
        again.leave()

    pushing(test)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (IdServerUnreachable("down", request_may_have_arrived=True), Reason.ID_SERVER_UNREACHABLE),
        (ZeroDivisionError("a defect"), Reason.INTERNAL_ERROR),
    ],
)
def test_a_create_that_fails_is_a_refusal_for_all_and_the_next_has_its_turn(
    pushing: Pushing, fault: Exception, reason: Reason
) -> None:
    async def test(world: World, id_server: IdServers) -> None:
        channels = [joined(world) for _ in range(3)]
        behind = joined(world, ELSEWHERE)
        await id_server.asked
        id_server.created.set_exception(fault)
        for push in channels:
            verdict = await verdict_of(push)
            assert isinstance(verdict, Refuse)
            assert verdict.reason is reason
            push.leave()
        await id_server.asked_again.wait()
        accept(id_server)
        assert isinstance(await verdict_of(behind), Allow)
        behind.leave()

    pushing(test)


@pytest.mark.parametrize("arrived", [False, True], ids=["not sent", "perhaps sent"])
def test_only_what_may_have_reached_a_phone_counts_as_a_push(pushing: Pushing, arrived: bool) -> None:
    """Who tries again and again while the ID server is down is not told afterwards that it was too often."""

    async def test(world: World, id_server: IdServers) -> None:
        push = joined(world)
        await id_server.asked
        id_server.created.set_exception(IdServerUnreachable("down", request_may_have_arrived=arrived))
        await verdict_of(push)
        push.leave()
        assert [len(has.pushed_at) for has in world.state.histories("alice", ALICE)] == 2 * [int(arrived)]

    pushing(test)


def test_after_a_defect_all_are_told_at_once_and_the_push_is_withdrawn_all_the_same(
    pushing: Pushing, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(world: World, id_server: IdServers) -> None:
        told = asyncio.Event()
        withdraw = id_server.cancel

        async def cancel_once_all_are_told(auth_session: AuthSession) -> None:
            await told.wait()
            await withdraw(auth_session)

        monkeypatch.setattr(id_server, "cancel", cancel_once_all_are_told)
        push = joined(world)
        await id_server.asked
        id_server.created.set_result(None)
        id_server.reported.set_exception(ZeroDivisionError("a defect"))
        verdict = await verdict_of(push)
        assert isinstance(verdict, Refuse)
        assert verdict.reason is Reason.INTERNAL_ERROR
        push.leave()
        told.set()
        await world.aclose()
        assert id_server.disposed == ["cancel 7"]

    pushing(test)


def test_a_turn_that_does_not_come_is_given_up(pushing: Pushing) -> None:
    async def test(world: World, id_server: IdServers) -> None:
        first, second = joined(world), joined(world, ELSEWHERE)
        await id_server.asked
        assert await verdict_of(second) == Refuse(Reason.QUEUE_TOO_SLOW)
        second.leave()
        id_server.created.set_result(None)
        first.leave()

    pushing(test, queue_seconds=0.05)


def test_who_has_left_before_the_turn_comes_is_not_pushed(pushing: Pushing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push_module, "LAST_CALL_SECONDS", 0.0)

    async def test(world: World, id_server: IdServers) -> None:
        at_once = joined(world)
        at_once.leave()  # before its task has begun
        first, second, third = joined(world), joined(world, ELSEWHERE), joined(world, None)
        await id_server.asked
        second.leave()
        while third.place != 1:
            await third.news_after(third.changes)
        accept(id_server)
        await verdict_of(first)
        first.leave()
        await id_server.asked_again.wait()
        accept(id_server)
        assert isinstance(await verdict_of(third), Allow)
        third.leave()
        assert id_server.creates == 2

    pushing(test)


def test_orders_are_closed_once_all_that_began_under_them_has_ended(pushing: Pushing) -> None:
    """A door that is still being recognised when new orders come makes its push afterwards."""

    async def test(world: World, id_server: IdServers) -> None:
        recognised = asyncio.Event()
        pushes: list[Push] = []

        async def visit() -> None:
            await recognised.wait()
            pushes.append(joined(world))

        world.follow(visit())
        closing = asyncio.create_task(world.aclose())
        await asyncio.sleep(0)
        recognised.set()
        await id_server.asked
        assert not id_server.closed.is_set()
        accept(id_server)
        assert isinstance(await verdict_of(pushes[0]), Allow)
        pushes[0].leave()
        await closing
        assert id_server.closed.is_set()
        assert id_server.disposed == ["release 7"]

    pushing(test)


def test_a_broker_that_stops_withdraws_and_takes_all_its_time_for_that(
    pushing: Pushing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A last look is for what will be remembered, which is nothing; and the next broker makes nobody wait for this."""
    monkeypatch.setattr(push_module, "LAST_LOOK_SECONDS", 2 * LONGEST_WAIT)
    monkeypatch.setattr(world_module, "TIDY_UP_SECONDS", 0.0)

    async def test(world: World, id_server: IdServers) -> None:
        withdrawn = []

        async def late() -> None:
            await asyncio.sleep(0.01)
            withdrawn.append(True)

        id_server.disposing = late
        push = joined(world)
        await id_server.asked
        id_server.created.set_result(None)
        await until_stage(push, "pushed")
        world.kept.stopping = True
        push.leave()
        await world.aclose()
        assert id_server.disposed == ["cancel 7"]
        assert withdrawn == [True]

    pushing(test)

"""What a broker remembers: whose turn it is, what is granted, who was pushed; nothing of it survives its reason."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from secsign_gate.broker.state import StateInMemory, Subject, Turn
from secsign_gate.core.ancestry import SshdProcess
from secsign_gate.core.grant import Coverage, Grant
from secsign_gate.core.login import OtherMethod
from secsign_gate.core.push_limits import LimitSettings, PushHistory
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.core.verdict import Ground, Reason, allow, refuse

ALICE, BOB = SecSignId("alice"), SecSignId("bob")
LIMITS = LimitSettings(60, 20, 600, 10, 900)
SSHD = SshdProcess(4711, 99)
COVERED = Coverage(SSHD, 2001, (OtherMethod("password"),), ALICE)


def grant(covered: Coverage = COVERED, *, granted_at: float = 0.0, until: float | None = None) -> Grant:
    return Grant(covered, "alice", "AAAAAA", granted_at, until)


class Line(RuleBasedStateMachine):
    """Two lines, in which people join, leave at any place, and leave twice; lists beside them say who is where."""

    @initialize()
    def begin(self) -> None:
        self.state = StateInMemory()
        self.expected: dict[SecSignId, list[Turn]] = {ALICE: [], BOB: []}
        self.gone: list[Turn] = []

    @rule(who=st.sampled_from([ALICE, BOB]))
    def join(self, who: SecSignId) -> None:
        self.expected[who].append(self.state.turn(who))

    @precondition(lambda self: any(self.expected.values()))
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        who = data.draw(st.sampled_from([who for who, line in self.expected.items() if line]))
        turn = data.draw(st.sampled_from(self.expected[who]))
        self.expected[who].remove(turn)
        turn.leave()
        self.gone.append(turn)

    @precondition(lambda self: bool(self.gone))
    @rule(data=st.data())
    def leave_again(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.gone)).leave()

    @invariant()
    def each_has_the_place_of_his_coming_and_one_has_the_turn(self) -> None:
        for line in getattr(self, "expected", {}).values():
            assert [turn.place for turn in line] == list(range(len(line)))

    @invariant()
    def a_line_without_anybody_is_forgotten(self) -> None:
        if hasattr(self, "state"):
            assert set(self.state._lines) == {who for who, line in self.expected.items() if line}


TestLine = Line.TestCase


@pytest.mark.parametrize("leaves", range(4))
def test_those_behind_are_told_and_those_before_are_not(leaves: int) -> None:
    async def test() -> None:
        state = StateInMemory()
        turns = [state.turn(ALICE) for _ in range(4)]
        told = [asyncio.create_task(turn.moved()) for turn in turns]
        await asyncio.sleep(0)
        turns[leaves].leave()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [task.done() for task in told] == [number > leaves for number in range(4)]
        for task in told:
            task.cancel()

    asyncio.run(test())


def test_news_that_came_before_anybody_asked_is_not_lost_and_is_told_once() -> None:
    async def test() -> None:
        state = StateInMemory()
        first, second = state.turn(ALICE), state.turn(ALICE)
        first.leave()
        await second.moved()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await second.moved()
        assert second.place == 0

    asyncio.run(test())


def test_a_grant_is_of_one_connection_account_set_of_keys_and_phone() -> None:
    state = StateInMemory()
    state.add_grant(grant())
    assert state.grant_for(COVERED, 1e9) == grant()
    for other in (
        COVERED._replace(sshd=SSHD._replace(pid=4712)),
        COVERED._replace(sshd=SSHD._replace(start_time=98)),
        COVERED._replace(uid=2002),
        COVERED._replace(methods=()),
        COVERED._replace(secsign_id=BOB),
    ):
        assert state.grant_for(other, 0.0) is None


def test_a_grant_ends_with_its_time() -> None:
    state = StateInMemory()
    state.add_grant(grant(until=60.0))
    assert state.grant_for(COVERED, 59.9) is not None
    assert state.grants(60.0) == []
    assert state.grant_for(COVERED, 60.0) is None
    assert state.grant_for(COVERED, 0.0) is None  # nor does it come back, whatever the clock does


def test_grants_end_with_their_connection_and_no_others() -> None:
    state = StateInMemory()
    other = COVERED._replace(sshd=SshdProcess(4712, 100))
    state.add_grant(grant(granted_at=2.0))
    state.add_grant(grant(COVERED._replace(secsign_id=BOB), granted_at=1.0))
    state.add_grant(grant(other, granted_at=0.0))
    assert [one.granted_at for one in state.grants(5.0)] == [0.0, 1.0, 2.0]
    state.forget_connection(SSHD)
    state.forget_connection(SSHD)
    assert [one.coverage for one in state.grants(5.0)] == [other]


def test_pushes_count_for_the_account_and_for_the_phone() -> None:
    state = StateInMemory()
    state.pushed("deploy", ALICE, 1.0, LIMITS)
    state.pushed("deploy", BOB, 2.0, LIMITS)
    state.ended("deploy", BOB, refuse(Reason.DENIED_ON_PHONE), 3.0)
    of_account, of_alice = state.histories("deploy", ALICE)
    assert (of_account.pushed_at, of_account.denials) == ((1.0, 2.0), 1)
    assert (of_alice.pushed_at, of_alice.denials) == ((1.0,), 0)
    state.ended("deploy", BOB, allow(Ground.APPROVED), 4.0)
    assert state.histories("deploy", BOB)[0].denials == 0


def test_unblock_forgets_what_is_named_and_says_what_that_was() -> None:
    state = StateInMemory()
    state.pushed("alice", ALICE, 1.0, LIMITS)
    state.pushed("bob", BOB, 1.0, LIMITS)
    assert state.unblock({"alice"}) == [Subject("account", "alice"), Subject("secsign_id", "alice")]
    assert state.unblock({"alice"}) == []
    assert state.histories("alice", ALICE) == (PushHistory(), PushHistory())
    assert state.histories("bob", BOB)[0].pushed_at == (1.0,)


def test_histories_that_count_no_more_are_forgotten_and_the_others_are_not() -> None:
    state = StateInMemory()
    for number in range(5000):
        state.pushed(f"user{number}", SecSignId(f"id{number}"), float(number), LIMITS)
    remembered = state.subjects()
    assert len(remembered) < 4000
    assert all(Subject("account", f"user{number}") in remembered for number in range(4400, 5000))

"""What the ID server remembers, by value: time, collisions, ends, and any order of events."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from secsign_gate.simulator.auth_sessions import AuthSession, AuthSessions, PhoneHabits, PushRequest, State
from secsign_gate.simulator.refusals import FrozenSecSignId, NoSuchAuthSession, UnknownSecSignId


def push(secsign_id: str = "alice") -> PushRequest:
    return PushRequest(secsign_id, "web1 login", "web1.example.org", wants_access_pass=False)


def test_an_auth_session_expires_after_its_life_and_not_before() -> None:
    server = AuthSessions(PhoneHabits(auth_session_seconds=60))
    made = server.create(push(), now=100)
    assert server.find(made.authsessionid, now=159.9).state is State.PENDING
    assert server.find(made.authsessionid, now=160).state is State.EXPIRED


def test_the_phone_cannot_accept_what_has_expired() -> None:
    server = AuthSessions(PhoneHabits(auth_session_seconds=60))
    made = server.create(push(), now=0)
    assert server.on_phone(made.number, now=59) is made
    assert server.on_phone(made.number, now=60) is None


@pytest.mark.parametrize(
    ("habits", "ending"),
    [
        (PhoneHabits(auto_accept_seconds=5), State.AUTHENTICATED),
        (PhoneHabits(auto_deny_seconds=5), State.DENIED),
        (PhoneHabits(auth_session_seconds=5, auto_accept_seconds=6), State.EXPIRED),
    ],
)
def test_the_phone_answers_by_itself_unless_time_runs_out_first(habits: PhoneHabits, ending: State) -> None:
    server = AuthSessions(habits)
    made = server.create(push(), now=0)
    assert server.find(made.authsessionid, now=4.9).state is State.PENDING
    assert server.find(made.authsessionid, now=1000).state is ending


def test_what_was_cancelled_is_not_accepted_later_by_itself() -> None:
    server = AuthSessions(PhoneHabits(auto_accept_seconds=5))
    made = server.create(push(), now=0)
    server.cancel(made)
    assert [one.state for one in server.all(now=10)] == [State.CANCELED]


def test_only_enrolled_ids_exist() -> None:
    server = AuthSessions(PhoneHabits(enrolled=frozenset({"alice"})))
    server.create(push("alice"), now=0)
    with pytest.raises(UnknownSecSignId):
        server.create(push("bob"), now=0)


def test_collisions_far_apart_suspend_but_do_not_freeze() -> None:
    server = AuthSessions(PhoneHabits(auth_session_seconds=1000))
    first, second, third = (server.create(push(), now=moment) for moment in (0, 1, 100))
    assert (first.state, second.state, third.state) == (State.SUSPENDED, State.SUSPENDED, State.PENDING)


def test_logins_one_after_the_other_never_collide() -> None:
    server = AuthSessions(PhoneHabits())
    for moment in range(20):
        server.create(push(), now=moment / 10).accept()
    assert not server.frozen


def test_one_frozen_id_leaves_the_others_alone() -> None:
    server = AuthSessions(PhoneHabits())
    server.freeze("alice", now=0)
    with pytest.raises(FrozenSecSignId):
        server.create(push("alice"), now=0)
    assert server.create(push("bob"), now=0).is_open


class AnyOrderOfEvents(RuleBasedStateMachine):
    """Services, phone and time do anything in any order; an end is final, and an ID has one open request at most."""

    def __init__(self) -> None:
        super().__init__()
        self.server = AuthSessions(PhoneHabits(auth_session_seconds=30))
        self.now = 0.0
        self.made: list[AuthSession] = []
        self.ended: dict[int, State] = {}

    @rule(seconds=st.floats(0, 20))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(secsign_id=st.sampled_from(["alice", "bob"]))
    def create(self, secsign_id: str) -> None:
        try:
            self.made.append(self.server.create(push(secsign_id), self.now))
        except FrozenSecSignId:
            assert secsign_id in self.server.frozen

    @rule(data=st.data(), act=st.sampled_from(["fetch", "accept", "deny", "pick"]))
    def phone_acts(self, data: st.DataObject, act: str) -> None:
        shown = self.server.on_phone(data.draw(st.integers(1, len(self.made) + 1)), self.now)
        if shown is not None:
            getattr(shown, act)(*(["star"] if act == "pick" else []))

    @rule(data=st.data(), act=st.sampled_from(["cancel", "release"]))
    def service_disposes(self, data: st.DataObject, act: str) -> None:
        if self.made:
            one = data.draw(st.sampled_from(self.made))
            try:
                getattr(self.server, act)(self.server.find(one.authsessionid, self.now))
            except NoSuchAuthSession:
                return
            assert one.disposed == act

    @rule()
    def tap(self) -> None:
        self.server.unfreeze("alice")

    @invariant()
    def an_end_is_final(self) -> None:
        for one in self.server.all(self.now):
            if not one.is_open:
                assert self.ended.setdefault(one.number, one.state) is one.state

    @invariant()
    def one_open_request_per_id(self) -> None:
        assert all(len(self.server.open_ones(secsign_id, self.now)) <= 1 for secsign_id in ("alice", "bob"))


TestAnyOrderOfEvents = AnyOrderOfEvents.TestCase
TestAnyOrderOfEvents.settings = settings(max_examples=40, stateful_step_count=30)

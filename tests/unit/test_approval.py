"""One approval: what the ID server may say, and what comes of it."""

import itertools

import pytest

from secsign_gate.core.approval import Approval, is_used_up, next_look, observe, opened, refusal_for
from secsign_gate.core.auth_session import AuthSession, AuthSessionState, StateReport
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.core.verdict import Allow, Ground, Reason, Refuse
from secsign_gate.errors import IdServerError, IdServerNonsense, IdServerRefused, IdServerUnreachable

ALICE = SecSignId("alice")
SESSION = AuthSession("-42", ALICE, "F" * 64, "https://id.example", None)
START = opened(SESSION, ALICE, 100.0, 60.0)


def report(state: int, session: str | None = "-42", secsign_id: str | None = "alice") -> StateReport:
    return StateReport(session, secsign_id, state)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (0, Reason.INVALID),
        (2, Reason.EXPIRED),
        (4, Reason.DENIED_ON_PHONE),
        (5, Reason.SUSPENDED),
        (6, Reason.CANCELED_AT_ID_SERVER),
        (8, Reason.INVALID),
        (9, Reason.INVALID),
        (-1, Reason.INVALID),
        (33, Reason.INVALID),
    ],
)
def test_every_state_but_three_ends_in_a_no(state: int, reason: Reason) -> None:
    assert observe(START, report(state), 101.0).verdict == Refuse(reason)


@pytest.mark.parametrize("state", [AuthSessionState.PENDING, AuthSessionState.FETCHED])
def test_pending_and_fetched_go_on(state: AuthSessionState) -> None:
    after = observe(START, report(state), 101.0)
    assert after.verdict is None
    assert after.state is state


def test_only_authenticated_is_a_yes() -> None:
    assert observe(START, report(3), 101.0).verdict == Allow(Ground.APPROVED, "")


@pytest.mark.parametrize(("session", "secsign_id"), [("42", "alice"), ("-42", "bob"), ("", "alice"), ("-42", "")])
@pytest.mark.parametrize("state", range(10))
def test_an_answer_to_another_question_is_final(session: str, secsign_id: str, state: int) -> None:
    verdict = observe(START, report(state, session, secsign_id), 101.0).verdict
    assert isinstance(verdict, Refuse)
    assert verdict.reason is Reason.ID_SERVER_NONSENSE


def test_a_yes_that_comes_back_at_the_deadline_or_later_is_no_yes() -> None:
    for late in (160.0, 160.001, 1e9):
        assert observe(START, report(3), late).verdict == Refuse(Reason.NO_ANSWER)
    assert isinstance(observe(START, report(3), 159.999).verdict, Allow)


def test_a_push_for_somebody_else_ends_before_it_is_looked_at() -> None:
    approval = opened(SESSION, SecSignId("bob"), 100.0, 60.0)
    assert isinstance(approval.verdict, Refuse)
    assert observe(approval, report(3), 101.0) == approval


UNREACHABLE = IdServerUnreachable("no route", request_may_have_arrived=True)
BUSY = IdServerRefused("busy", http_status=503)
TOO_MANY = IdServerRefused("slow down", http_status=429)
GONE = IdServerRefused("no such session", http_status=200, error="400")
SAID_500 = IdServerRefused("error 500", http_status=500, error="500")
UNAUTHORIZED = IdServerRefused("who are you", http_status=401)
NONSENSE = IdServerNonsense("<html>")


@pytest.mark.parametrize("fault", [UNREACHABLE, BUSY, TOO_MANY])
def test_a_passing_trouble_may_pass(fault: IdServerError) -> None:
    after = observe(START, fault, 101.0)
    assert after.verdict is None
    assert isinstance(observe(after, report(3), 102.0).verdict, Allow)


@pytest.mark.parametrize("fault", [GONE, SAID_500, UNAUTHORIZED, NONSENSE, IdServerError("?")])
def test_a_clear_no_and_an_absurd_answer_are_final(fault: IdServerError) -> None:
    after = observe(START, fault, 101.0)
    assert isinstance(after.verdict, Refuse)
    assert observe(after, report(3), 102.0) == after


def test_what_a_fault_means_to_a_person() -> None:
    frozen_rest = IdServerRefused("frozen", http_status=409)
    frozen_form = IdServerRefused("frozen", http_status=200, error="500", errorcode="20006")
    unknown = IdServerRefused("no such id", http_status=200, error="500", errorcode="20000")
    assert refusal_for(frozen_rest).reason is Reason.FROZEN
    assert refusal_for(frozen_form).reason is Reason.FROZEN
    assert refusal_for(unknown).reason is Reason.NO_SUCH_SECSIGN_ID
    assert refusal_for(UNAUTHORIZED).reason is Reason.ID_SERVER_REFUSED
    assert refusal_for(UNREACHABLE).reason is Reason.ID_SERVER_UNREACHABLE
    assert refusal_for(NONSENSE).reason is Reason.ID_SERVER_NONSENSE


ALPHABET: list[StateReport | IdServerError] = [
    *[report(state) for state in range(-1, 11)],
    report(3, session="42"),
    report(3, secsign_id="bob"),
    report(3, session=None, secsign_id=None),
    UNREACHABLE,
    BUSY,
    GONE,
    NONSENSE,
]
OURS_ACCEPTED = (report(3), report(3, session=None, secsign_id=None))
GOES_ON = (report(1), report(7), UNREACHABLE, BUSY)


def test_law_3_exhaustively_over_every_sequence_of_up_to_four_replies() -> None:
    checked = 0
    for length in range(1, 5):
        for replies in itertools.product(ALPHABET, repeat=length):
            approval = START
            for moment, reply in enumerate(replies):
                approval = observe(approval, reply, 101.0 + moment)
            # The law, said without the code under test: a yes needs an acceptance of ours with nothing final before it.
            first_end = next((reply for reply in replies if reply not in GOES_ON), None)
            assert isinstance(approval.verdict, Allow) == (first_end in OURS_ACCEPTED), replies
            checked += 1
    assert checked == sum(len(ALPHABET) ** length for length in range(1, 5))


def test_the_first_look_is_at_once_and_later_ones_are_twice_a_second_then_slower() -> None:
    assert next_look(START, 100.0, 0.5) == 0.0
    looked = observe(START, report(1), 100.1)
    assert next_look(looked, 101.0, 0.0) == 0.5
    assert next_look(looked, 131.0, 0.0) == 1.0
    assert 0.5 <= next_look(looked, 101.0, 1.0) <= 0.6


def test_looks_after_faults_come_slower_and_never_past_the_deadline() -> None:
    approval = START
    waits = []
    for _ in range(8):
        approval = observe(approval, UNREACHABLE, 101.0)
        waits.append(next_look(approval, 101.0, 0.0))
    assert waits == sorted(waits)
    assert max(waits) == 5.0
    assert next_look(approval, 159.0, 1.0) == 1.0
    assert next_look(approval, 161.0, 1.0) == 0.0


def test_what_the_phone_has_decided_is_released_and_all_else_cancelled() -> None:
    assert is_used_up(observe(START, report(3), 101.0))
    assert is_used_up(observe(START, report(4), 101.0))
    for reply in (report(1), report(2), report(5), NONSENSE):
        assert not is_used_up(observe(START, reply, 101.0))


def test_nothing_secret_is_shown() -> None:
    assert "FFFF" not in repr(SESSION)
    assert "FFFF" not in repr(Approval(SESSION, 0.0, 1.0))

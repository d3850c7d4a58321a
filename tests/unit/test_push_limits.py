"""How often somebody is pushed (law 9): counted within a time, and a pause after a denial that grows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secsign_gate.core.push_limits import LimitSettings, PushHistory, refusal
from secsign_gate.core.verdict import Ground, Reason, allow, refuse

LIMITS = LimitSettings(
    pushes_per_account=5, pushes_per_secsign_id=3, per_seconds=600, pause_seconds=10, longest_pause_seconds=60
)
NOBODY = PushHistory()
DENIED, ACCEPTED = refuse(Reason.DENIED_ON_PHONE), allow(Ground.APPROVED)


def pushed(*times: float) -> PushHistory:
    history = NOBODY
    for at in times:
        history = history.pushed(at, LIMITS)
    return history


def test_who_was_never_pushed_may_be() -> None:
    assert refusal(NOBODY, NOBODY, 0.0, LIMITS) is None


def test_a_secsign_id_is_pushed_so_often_and_no_more() -> None:
    history = pushed(0.0, 1.0, 2.0)
    assert refusal(NOBODY, pushed(0.0, 1.0), 3.0, LIMITS) is None
    assert refusal(NOBODY, history, 3.0, LIMITS) == refuse(Reason.TOO_MANY_PUSHES, "wait 597 s")
    assert refusal(NOBODY, history, 599.9, LIMITS) == refuse(Reason.TOO_MANY_PUSHES, "wait 1 s")
    assert refusal(NOBODY, history, 600.0, LIMITS) is None


def test_an_account_has_a_number_of_its_own() -> None:
    assert refusal(pushed(0.0, 1.0, 2.0, 3.0), NOBODY, 4.0, LIMITS) is None
    assert refusal(pushed(0.0, 1.0, 2.0, 3.0, 4.0), NOBODY, 4.0, LIMITS) == refuse(Reason.TOO_MANY_PUSHES, "wait 596 s")


@pytest.mark.parametrize(("denials", "pause"), [(1, 10), (2, 20), (3, 40), (4, 60), (9, 60), (10_000, 60)])
def test_a_pause_after_a_denial_grows_to_its_longest(denials: int, pause: int) -> None:
    history = NOBODY
    for _ in range(denials):
        history = history.ended(DENIED, 100.0)
    assert refusal(NOBODY, history, 100.0, LIMITS) == refuse(Reason.PAUSED_AFTER_DENIAL, f"wait {pause} s")
    assert refusal(history, NOBODY, 100.0 + pause - 0.1, LIMITS) is not None
    assert refusal(history, history, 100.0 + pause, LIMITS) is None


def test_an_acceptance_ends_the_series() -> None:
    history = NOBODY.ended(DENIED, 0.0).ended(DENIED, 0.0).ended(ACCEPTED, 50.0).ended(DENIED, 100.0)
    assert history.pause_left(100.0, LIMITS) == 10


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.DENIED_ON_PHONE])
def test_no_other_end_is_a_denial(reason: Reason) -> None:
    assert NOBODY.ended(refuse(reason), 0.0) == NOBODY


def test_without_a_pause_there_is_none() -> None:
    assert refusal(NOBODY.ended(DENIED, 0.0), NOBODY, 0.0, LIMITS._replace(pause_seconds=0)) is None


@given(st.lists(st.floats(0, 10_000), max_size=40).map(sorted), st.floats(0, 2_000))
def test_never_more_pushes_within_any_such_time(times: list[float], later: float) -> None:
    history, made = NOBODY, []
    for at in times:
        if refusal(NOBODY, history, at, LIMITS) is None:
            history = history.pushed(at, LIMITS)
            made.append(at)
    for at in made:
        assert sum(at <= other < at + LIMITS.per_seconds for other in made) <= LIMITS.pushes_per_secsign_id
    end = times[-1] if times else 0.0
    if history.is_over(end + later, LIMITS):
        assert refusal(history, history, end + later, LIMITS) is None

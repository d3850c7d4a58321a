"""When a server that gave no sign of life is asked again: by value."""

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secsign_gate.core.circuit import LONGEST_PAUSE, Circuit, ServerState, Sign, may_try, observe, tried

DOWN = observe(Circuit(), Sign.NO_CONNECTION, 9.0, 10.0, "refused")


def test_a_server_that_nobody_has_asked_may_be_tried() -> None:
    assert may_try(Circuit(), 0.0)


def test_no_connection_closes_the_door_for_two_seconds_and_says_why() -> None:
    assert (DOWN.state, DOWN.since, DOWN.sentence) == (ServerState.DOWN, 10.0, "refused")
    assert not may_try(DOWN, 10.0)
    assert not may_try(DOWN, 11.9)
    assert may_try(DOWN, 12.0)


def test_the_pause_doubles_up_to_half_a_minute() -> None:
    circuit, pauses = Circuit(), []
    for _ in range(7):
        now = circuit.try_at if circuit.state is ServerState.DOWN else 0.0
        circuit = observe(tried(circuit, now, 15.0), Sign.SILENCE, now, now + 1.0)
        pauses.append(circuit.try_at - (now + 1.0))
    assert pauses == [2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_one_tries_and_the_others_are_told_at_once() -> None:
    trying = tried(DOWN, 12.0, 5.0)
    assert not may_try(trying, 12.0)
    assert not may_try(trying, 16.9)
    assert may_try(trying, 17.0)  # whoever tried has not come back


def test_a_sign_of_life_opens_it_again_and_forgets_the_pauses() -> None:
    up = observe(tried(DOWN, 12.0, 5.0), Sign.ANSWER, 12.0, 12.5)
    assert (up.state, up.since, up.sentence) == (ServerState.UP, 12.5, "refused")
    again = observe(up, Sign.NO_CONNECTION, 20.0, 20.0)
    assert again.try_at == 22.0


def test_of_many_that_fail_together_only_the_first_counts() -> None:
    assert observe(DOWN, Sign.NO_CONNECTION, 9.5, 10.5, "refused") is DOWN
    assert observe(DOWN, Sign.SILENCE, 9.5, 11.5, "time limit") is DOWN


def test_one_that_hangs_among_others_that_are_answered_proves_nothing() -> None:
    up = observe(Circuit(), Sign.ANSWER, 9.0, 10.0)
    assert observe(up, Sign.SILENCE, 5.0, 20.0) is up
    assert observe(up, Sign.SILENCE, 11.0, 26.0).state is ServerState.DOWN


@pytest.mark.parametrize("sign", [Sign.SILENCE, Sign.NO_CONNECTION])
def test_a_connection_is_enough_only_where_there_was_none(sign: Sign) -> None:
    down = observe(Circuit(), sign, 9.0, 10.0)
    after = observe(tried(down, 12.0, 5.0), Sign.CONNECTION, 12.0, 12.1)
    assert (after.state is ServerState.UP) == (sign is Sign.NO_CONNECTION)


STEPS = st.lists(st.tuples(st.sampled_from([*Sign, "try"]), st.floats(0, 40), st.floats(0, 20)), max_size=40)


@given(STEPS)
def test_whatever_happens_there_is_a_way_back(steps: list[tuple[Sign | Literal["try"], float, float]]) -> None:
    circuit, now = Circuit(), 0.0
    for step, pause, took in steps:
        now += pause
        circuit = tried(circuit, now, 15.0) if step == "try" else observe(circuit, step, now - took, now, "why")
        assert may_try(circuit, now + LONGEST_PAUSE)
        assert may_try(circuit, now) or circuit.state is ServerState.DOWN
        assert observe(circuit, Sign.ANSWER, now, now).state is ServerState.UP
        assert circuit.since <= now

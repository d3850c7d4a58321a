"""How many requests leave, and whose turn it is: by value, for any rate and any crowd."""

import itertools
import math

from hypothesis import given
from hypothesis import strategies as st

from secsign_gate.broker.world import TIDY_UP_SECONDS
from secsign_gate.core.pacing import SECOND, Allowance, Kind, burst, free_at, given_back, left, taken, urgency

RATES = st.integers(1, 1000)
PAUSES = st.one_of(st.just(0.0), st.floats(0, 3))
ARRIVALS = st.lists(PAUSES, min_size=1, max_size=200)
BELATED = st.lists(st.tuples(PAUSES, PAUSES, st.booleans()), min_size=1, max_size=200)
NEARLY = 1e-6


def leaving_times(per_second: int, pauses: list[float]) -> list[float]:
    """When requests leave that arrive after these pauses, each as soon as it may."""
    allowance, arrived, times = Allowance(per_second), 0.0, list[float]()
    for pause in pauses:
        arrived += pause
        now = max(arrived, free_at(allowance), times[-1] if times else 0.0)
        allowance = left(taken(allowance, now), now)
        times.append(now)
    return times


@given(RATES, ARRIVALS)
def test_no_second_has_more_than_the_limit(per_second: int, pauses: list[float]) -> None:
    times = leaving_times(per_second, pauses)
    for first, beyond in zip(times, times[per_second:], strict=False):
        assert beyond - first >= 1.01


@given(RATES, st.integers(1, 8), BELATED)
def test_no_second_has_more_than_the_limit_however_late_each_leaves_and_if_some_never_do(
    per_second: int, lanes: int, requests: list[tuple[float, float, bool]]
) -> None:
    allowance, now, times, under_way = Allowance(per_second), 0.0, list[float](), list[tuple[float, bool]]()
    for pause, late, leaves in requests:
        now += pause
        while under_way and (len(under_way) == lanes or min(under_way)[0] <= max(now, free_at(allowance))):
            next_one = min(under_way)
            under_way.remove(next_one)
            now = max(now, next_one[0])
            if next_one[1]:
                times.append(next_one[0])
            allowance = left(allowance, next_one[0]) if next_one[1] else given_back(allowance)
        now = max(now, free_at(allowance))
        allowance = taken(allowance, now)
        under_way.append((now + late, leaves))
    for first, beyond in zip(times, times[per_second:], strict=False):
        assert beyond - first >= 1.01


def test_who_is_under_way_counts_until_it_has_left_or_will_not() -> None:
    both = taken(taken(Allowance(2), 0.0), 0.0)
    assert free_at(both) == math.inf
    assert free_at(left(both, 7.0)) == 7.0 + SECOND
    assert free_at(given_back(both)) == SECOND / 2


@given(st.integers(1, 40), st.integers(1, 300))
def test_a_queue_gets_all_that_the_limit_allows(per_second: int, waiting: int) -> None:
    times = leaving_times(per_second, [0.0] * waiting)
    assert times[-1] <= SECOND * (waiting - 1) / per_second + NEARLY
    assert SECOND < 1.05


@given(RATES, st.floats(2, 100))
def test_one_login_after_a_rest_waits_for_nothing(per_second: int, rest: float) -> None:
    count = min(3, per_second)
    times = leaving_times(per_second, [rest] + [0.0] * (count - 1))
    assert times[-1] - rest < NEARLY


def test_after_a_rest_a_quarter_of_a_second_goes_at_once_and_then_it_is_even() -> None:
    times = leaving_times(20, [5.0] + [0.0] * 79)
    assert sum(time - 5.0 < NEARLY for time in times) == burst(20) == 5
    apart = [later - earlier for earlier, later in itertools.pairwise(times)]
    held_back = [gap for gap in apart[5:] if gap > SECOND / 20 + NEARLY]
    assert all(gap >= 0.05 - NEARLY for gap in apart[5:])
    assert len(held_back) == 1  # once, until the burst is a second old; no packs afterwards


def test_creates_go_first_then_looks_then_disposals_unless_one_has_waited_long() -> None:
    now = 100.0
    queue = [
        ("old cancel", urgency(Kind.CANCEL, 99.0, now)),
        ("new cancel", urgency(Kind.CANCEL, 99.5, now)),
        ("old release", urgency(Kind.RELEASE, 97.5, now)),
        ("new release", urgency(Kind.RELEASE, 99.0, now)),
        ("old look", urgency(Kind.LOOK, 50.0, now)),
        ("new look", urgency(Kind.LOOK, 99.9, now)),
        ("old create", urgency(Kind.CREATE, 99.8, now)),
        ("new create", urgency(Kind.CREATE, 100.0, now)),
    ]
    assert [name for name, _ in sorted(queue, key=lambda entry: entry[1])] == [
        "old create", "new create", "old release", "old cancel", "old look", "new look", "new release", "new cancel",
    ]  # fmt: skip


def test_forty_who_accept_at_once_do_not_wait_for_what_is_cleared_away_behind_them() -> None:
    queue = [(Kind.LOOK, 0.0)] * 40
    waited: dict[Kind, list[float]] = {Kind.LOOK: [], Kind.RELEASE: []}
    allowance, now = Allowance(20), 0.0
    while queue:
        now = max(now, free_at(allowance))
        kind, since = min(queue, key=lambda waiting: urgency(waiting[0], waiting[1], now))
        queue.remove((kind, since))
        allowance = left(taken(allowance, now), now)
        waited[kind].append(now - since)
        if kind is Kind.LOOK:
            queue.append((Kind.RELEASE, now))
    assert max(waited[Kind.LOOK]) <= 40 / 20 + NEARLY
    assert max(waited[Kind.RELEASE]) < TIDY_UP_SECONDS

"""How many requests leave, and whose turn it is: by value, for any rate and any crowd."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from secsign_gate.broker.world import TIDY_UP_SECONDS
from secsign_gate.core.pacing import SECOND, Allowance, Kind, burst, free_at, taken, urgency

RATES = st.integers(1, 1000)
ARRIVALS = st.lists(st.one_of(st.just(0.0), st.floats(0, 3)), min_size=1, max_size=200)
NEARLY = 1e-6


def leaving_times(per_second, pauses):
    """When requests leave that arrive after these pauses, each as soon as it may."""
    allowance, arrived, left = Allowance(per_second), 0.0, []
    for pause in pauses:
        arrived += pause
        now = max(arrived, free_at(allowance), left[-1] if left else 0.0)
        allowance = taken(allowance, now)
        left.append(now)
    return left


@given(RATES, ARRIVALS)
def test_no_second_has_more_than_the_limit(per_second, pauses):
    left = leaving_times(per_second, pauses)
    for first, beyond in zip(left, left[per_second:], strict=False):
        assert beyond - first >= 1.04


@given(st.integers(1, 40), st.integers(1, 300))
def test_a_queue_gets_all_that_the_limit_allows(per_second, waiting):
    left = leaving_times(per_second, [0.0] * waiting)
    assert left[-1] <= SECOND * (waiting - 1) / per_second + NEARLY
    assert SECOND <= 1.05


@given(RATES, st.floats(2, 100))
def test_one_login_after_a_rest_waits_for_nothing(per_second, rest):
    count = min(3, per_second)
    left = leaving_times(per_second, [rest] + [0.0] * (count - 1))
    assert left[-1] - rest < NEARLY


def test_after_a_rest_a_quarter_of_a_second_goes_at_once_and_then_it_is_even():
    left = leaving_times(20, [5.0] + [0.0] * 79)
    assert sum(time - 5.0 < NEARLY for time in left) == burst(20) == 5
    apart = [later - earlier for earlier, later in itertools.pairwise(left)]
    held_back = [gap for gap in apart[5:] if gap > SECOND / 20 + NEARLY]
    assert all(gap >= 0.05 - NEARLY for gap in apart[5:])
    assert len(held_back) == 1  # once, until the burst is a second old; no packs afterwards


def test_creates_go_first_then_looks_then_disposals_unless_one_has_waited_long():
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


def test_forty_who_accept_at_once_do_not_wait_for_what_is_cleared_away_behind_them():
    queue = [(Kind.LOOK, 0.0)] * 40
    left = {Kind.LOOK: [], Kind.RELEASE: []}
    allowance, now = Allowance(20), 0.0
    while queue:
        now = max(now, free_at(allowance))
        kind, since = min(queue, key=lambda waiting: urgency(*waiting, now))
        queue.remove((kind, since))
        allowance = taken(allowance, now)
        left[kind].append(now - since)
        if kind is Kind.LOOK:
            queue.append((Kind.RELEASE, now))
    assert max(left[Kind.LOOK]) <= SECOND * 40 / 20 + NEARLY
    assert max(left[Kind.RELEASE]) < TIDY_UP_SECONDS

"""When may the next request leave, and whose is it? Values in, answers out; the waiting is in id_server/pace.py."""

import math
from enum import IntEnum
from typing import NamedTuple

# A second as we keep it: what trembles on the way by less than the difference makes no busier second over there.
SECOND = 1.02


class Kind(IntEnum):
    """What a request is for. Who waits for a push has seen nothing yet; who disposes of one keeps nobody waiting."""

    CREATE = 0
    LOOK = 1
    CANCEL = 2
    RELEASE = 3


# Seconds. A push that nobody wants any more should not stay on the phone. One that the phone decided is on none, and
# each look that finds one accepted makes a release: a crowd's looks must be through before those. Both are given up
# five seconds after they are wanted.
PATIENCE = {Kind.CANCEL: 1.0, Kind.RELEASE: 2.5}


class Allowance(NamedTuple):
    """How many requests may leave: at most `per_second` in any second, evenly spaced while there is a queue.

    After a rest, as many as `burst` says may leave at once, so that the create, look and release of one login do not
    wait for each other. `under_way` is how many have had their turn and not left yet; they may at any moment, so each
    counts as one that has just left. `recent` are the times at which the last `per_second` requests left. `spaced_at`
    is when the next one may have its turn by spacing alone, and lies in the past by the credit that rest has earned.
    Seconds of one monotonic clock.
    """

    per_second: int
    under_way: int = 0
    recent: tuple[float, ...] = ()
    spaced_at: float = -math.inf


def burst(per_second: int) -> int:
    """Return how many may leave at once after a rest: a quarter of a second's allowance, and three where there are."""
    return min(per_second, max(3, per_second // 4))


def free_at(allowance: Allowance) -> float:
    """Return the time from which the next request may have its turn; infinity if one under way has to leave first."""
    others = allowance.per_second - allowance.under_way
    if others <= 0:
        return math.inf
    if len(allowance.recent) < others:
        return allowance.spaced_at
    return max(allowance.spaced_at, allowance.recent[-others] + SECOND)


def taken(allowance: Allowance, now: float) -> Allowance:
    """Return the allowance after a request has had its turn at `now`, which is not before `free_at`.

    Credit grows from `free_at` on and not before: a queue that the limit held back goes on evenly, not in packs.
    """
    apart = SECOND / allowance.per_second
    most_credit = (burst(allowance.per_second) - 1) * apart
    return allowance._replace(
        under_way=allowance.under_way + 1, spaced_at=max(free_at(allowance), now - most_credit) + apart
    )


def left(allowance: Allowance, now: float) -> Allowance:
    """Return the allowance after one that was under way has left at `now`, from when the server counts it."""
    return allowance._replace(
        under_way=allowance.under_way - 1, recent=(*allowance.recent, now)[-allowance.per_second :]
    )


def given_back(allowance: Allowance) -> Allowance:
    """Return the allowance after one that was under way will not leave."""
    return allowance._replace(under_way=allowance.under_way - 1)


def urgency(kind: Kind, since: float, now: float) -> tuple[int, float]:
    """Return what orders the queue, smallest first, for a request that has waited from `since` to `now`.

    Creates come before looks before disposals, and within a kind who came first; a disposal that has waited for its
    PATIENCE comes before looks, or on a busy day no push would ever be withdrawn.
    """
    if kind is Kind.CREATE:
        return 0, since
    if kind is Kind.LOOK:
        return 2, since
    return (1 if now - since >= PATIENCE[kind] else 3), since

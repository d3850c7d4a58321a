"""How often somebody is pushed, and for how long not after a denial (law 9). Facts in, a refusal or none out.

Times are seconds of one monotonic clock, given by the caller.
"""

from typing import NamedTuple

from secsign_gate.core.verdict import Allow, Reason, Refuse, Verdict, refuse


class LimitSettings(NamedTuple):
    """At most so many pushes for one account, and for one SecSign ID, within any `per_seconds`.

    After a denial on the phone nobody is pushed for `pause_seconds`, and twice as long after each further one, up to
    `longest_pause_seconds`; an acceptance ends the series. A pause of 0 is none.
    """

    pushes_per_account: int
    pushes_per_secsign_id: int
    per_seconds: int
    pause_seconds: int
    longest_pause_seconds: int


class PushHistory(NamedTuple):
    """The recent pushes for one account or one SecSign ID: when each was made, oldest first, and how the last ended.

    `denials` counts those in a row; the last of them was at `denied_at`.
    """

    pushed_at: tuple[float, ...] = ()
    denials: int = 0
    denied_at: float = 0.0

    def pushed(self, now: float, limits: LimitSettings) -> "PushHistory":
        """Return the history with one more push; what is too old to count is forgotten."""
        recent = tuple(at for at in self.pushed_at if now - at < limits.per_seconds)
        return self._replace(pushed_at=(*recent, now))

    def not_pushed(self, at: float) -> "PushHistory":
        """Return the history without the push that was made `at` that time: it has reached nobody."""
        before = list(self.pushed_at)
        if at in before:
            before.remove(at)
        return self._replace(pushed_at=tuple(before))

    def ended(self, verdict: Verdict, now: float) -> "PushHistory":
        """Return the history after a push ended with `verdict`. Only the phone's own word changes it."""
        if isinstance(verdict, Allow):
            return self._replace(denials=0)
        if verdict.reason is Reason.DENIED_ON_PHONE:
            return self._replace(denials=self.denials + 1, denied_at=now)
        return self

    def pause_left(self, now: float, limits: LimitSettings) -> float:
        """Return for how many seconds yet nobody is pushed because of a denial; 0 if there is no pause."""
        if not self.denials:
            return 0.0
        pause = min(limits.longest_pause_seconds, limits.pause_seconds * 2.0 ** min(self.denials - 1, 20))
        return max(0.0, self.denied_at + pause - now)

    def is_over(self, now: float, limits: LimitSettings) -> bool:
        """Tell whether nothing of this can count any more, so that it may be forgotten.

        A series of denials is remembered for as long as the longest pause once its own pause is over.
        """
        counts = any(now - at < limits.per_seconds for at in self.pushed_at)
        serious = self.denials and now - self.denied_at < 2.0 * limits.longest_pause_seconds
        return not (counts or serious)


def refusal(of_account: PushHistory, of_secsign_id: PushHistory, now: float, limits: LimitSettings) -> Refuse | None:
    """Return why no push may be made now, or None if one may. `detail` says after how many seconds one may."""
    pause = max(of_account.pause_left(now, limits), of_secsign_id.pause_left(now, limits))
    if pause:
        return refuse(Reason.PAUSED_AFTER_DENIAL, _wait(pause))
    full = max(
        _full_for(of_account, limits.pushes_per_account, now, limits),
        _full_for(of_secsign_id, limits.pushes_per_secsign_id, now, limits),
    )
    return refuse(Reason.TOO_MANY_PUSHES, _wait(full)) if full else None


def _full_for(history: PushHistory, most: int, now: float, limits: LimitSettings) -> float:
    """Return for how many seconds yet the number of pushes is used up."""
    recent = [at for at in history.pushed_at if now - at < limits.per_seconds]
    return recent[-most] + limits.per_seconds - now if len(recent) >= most else 0.0


def _wait(seconds: float) -> str:
    return f"wait {max(1, round(seconds))} s"

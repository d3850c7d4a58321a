"""The time that is left: counted down, and drawn as a bar that shrinks. No clock here: time comes in as an argument."""

_URGENT_SECONDS = 10
_SHORTEST_BAR = 4


class Countdown:
    """Counts from the seconds that were last announced.

    `now` is in seconds of any one monotonic clock. Announcements may arrive often; the bar's full length stands for
    the most that was ever announced.
    """

    __slots__ = ("_deadline", "_total")

    def __init__(self) -> None:
        self._deadline = 0.0
        self._total = 1

    def announce(self, seconds_left: int, now: float) -> None:
        """Take over a new announcement."""
        self._deadline = now + seconds_left
        self._total = max(self._total, seconds_left)

    def seconds_left(self, now: float) -> int:
        """Return the whole seconds that are left, rounded up, never more than announced and never below 0."""
        left = self._deadline - now
        whole = int(left)
        return min(self._total, max(0, whole + (left > whole)))

    def urgent(self, now: float) -> bool:
        """Say whether it is time to hurry."""
        return self.seconds_left(now) <= _URGENT_SECONDS

    def bar(self, now: float, columns: int, utf8: bool) -> tuple[str, str, str]:  # noqa: FBT001 - a fact, not a switch
        """Return (what is left, what is gone, the number) that together fill at most `columns` columns.

        Where there is no room for a bar the first two are empty.
        """
        left = self.seconds_left(now)
        number = f"{left} s"
        # Room for the widest number, so that the bar keeps its length while the number loses digits.
        length = columns - len(f"  {self._total} s")
        if length < _SHORTEST_BAR:
            return "", "", number
        full, gone = ("━", "─") if utf8 else ("#", "-")
        filled = (left * length + self._total - 1) // self._total
        return full * filled, gone * (length - filled), number.rjust(columns - length)

"""Moments as an administrator writes them: `2024-05-17`, `2024-05-17T09:30`, `09:30`, or an age like `2h`."""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

_AGE = re.compile(r"(?:[0-9]{1,6}[smhdw])+")
_PART = re.compile(r"([0-9]+)([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATE_AND_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]")  # the rest is judged by the calendar
_TIME_OF_DAY = re.compile(r"[0-9]{2}:[0-9]{2}(?::[0-9]{2})?")


class Span(NamedTuple):
    """From the first to the last instant that a text can mean: a day for a date alone, else nearly always one instant.

    A time of the night when clocks are set back has been twice.
    """

    first: datetime
    last: datetime


def moment(text: str, now: datetime, zone: tzinfo | None) -> Span:
    """Return what `text` means at `now`, which has a time zone. A text without one means `zone`, None for this host's.

    An age (`90s`, `30m`, `2h`, `3d`, `1w`, `1h30m`) is counted back from `now`, a time of day is that of the day of
    `now`. Raises ValueError with a sentence for anything else, and for what no calendar has.
    """
    try:
        if _AGE.fullmatch(text):
            age = sum(int(count) * _SECONDS[unit] for count, unit in _PART.findall(text))
            return _instant(now - timedelta(seconds=age))
        if _DATE.fullmatch(text):
            day = datetime.fromisoformat(text)
            return Span(_placed(day, zone), _placed(day + timedelta(days=1), zone) - timedelta(microseconds=1))
        if _TIME_OF_DAY.fullmatch(text):
            today = now.astimezone(zone).date().isoformat()
            return _time(datetime.fromisoformat(f"{today}T{text}"), zone)
        if _DATE_AND_TIME.match(text):
            return _time(datetime.fromisoformat(text), zone)
    except (ValueError, OverflowError):
        pass  # such as the 30th of February
    raise ValueError(
        f"{text!a} is no moment; write a date (2024-05-17), a time (09:30), both (2024-05-17T09:30), or an age (2h)"
    )


def record_time(instant: datetime) -> str:
    """Return `instant` in the form that records have, cut to milliseconds, so that the two compare as text."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _instant(at: datetime) -> Span:
    return Span(at, at)


def _time(at: datetime, zone: tzinfo | None) -> Span:
    """Return when it is `at`; without a time zone of its own it is a time of `zone`."""
    instants = [_placed(at.replace(fold=fold), zone) for fold in (0, 1)]
    return Span(min(instants), max(instants))


def _placed(at: datetime, zone: tzinfo | None) -> datetime:
    """Return `at` in UTC; without a time zone of its own it is a time of `zone`. OverflowError if UTC has no such."""
    if at.tzinfo is None and zone is not None:
        at = at.replace(tzinfo=zone)
    return at.astimezone(UTC)

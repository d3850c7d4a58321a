"""Whose uids are whose: who has subordinate ones (subuid(5)) may be many on this host, and counts as one account."""

from bisect import bisect_right
from pathlib import Path

SUBUID = Path("/etc/subuid")
_FIELDS = 3


class SubordinateUids:
    """The ranges in a file like /etc/subuid: `NAME-OR-UID:FIRST:COUNT`. Lines that are none are passed over."""

    def __init__(self, text: str) -> None:
        ranges = []
        for line in text.splitlines():
            fields = line.split(":")
            if len(fields) == _FIELDS and all(field.isascii() and field.isdecimal() for field in fields[1:]):
                ranges.append((int(fields[1]), int(fields[2]), fields[0]))
        self._ranges = sorted(ranges)
        self._firsts = [first for first, _, _ in self._ranges]

    @classmethod
    def of_this_host(cls, path: Path = SUBUID) -> "SubordinateUids":
        """Read the file; where there is none, nobody has any."""
        try:
            return cls(path.read_text("utf-8", "replace"))
        except OSError:
            return cls("")

    def owner(self, uid: int) -> str | int:
        """Return the name of who has `uid` for a subordinate one; `uid` itself if nobody has."""
        place = bisect_right(self._firsts, uid) - 1
        if place >= 0:
            first, count, owner = self._ranges[place]
            if first <= uid < first + count:
                return owner
        return uid

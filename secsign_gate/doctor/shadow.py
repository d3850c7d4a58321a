"""What shadow(5) says of an account: whether it has a password, is locked, or has ended."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

_FILE = Path("/etc/shadow")
_HASH, _EXPIRES = 1, 7  # fields of a line
_DAY = 86400


class ShadowEntry(NamedTuple):
    """A line of shadow(5). `expires_at` is when the account ends, in seconds since 1970, None if never."""

    hash: str
    expires_at: int | None

    @property
    def takes_a_password(self) -> bool:
        """Tell whether some password could be right: no hash begins with `!` or `*`, and `x` alone is none."""
        return not self.hash.startswith(("!", "*")) and self.hash != "x"

    @property
    def is_locked(self) -> bool:
        """Tell whether sshd calls it locked, and refuses it without PAM, whatever its key (sshd(8))."""
        return self.hash.startswith("!")


def shadow_entry(name: str) -> ShadowEntry | None:
    """Return the line of the account `name`, None if there is none: a directory service may know more of it.

    Raises OSError as anybody but root.
    """
    return parse_shadow(_text()).get(name)


def with_password() -> frozenset[str]:
    """Return the accounts that take a password, as far as shadow(5) may be read."""
    try:
        entries = parse_shadow(_FILE.read_text("utf-8", "surrogateescape"))
    except OSError:
        return frozenset()
    return frozenset(name for name, entry in entries.items() if entry.takes_a_password)


@cache
def parse_shadow(text: str) -> dict[str, ShadowEntry]:
    """Return the lines by their accounts; what is no line is passed over, and what a line lacks is empty."""
    entries: dict[str, ShadowEntry] = {}
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) > _HASH:
            days = fields[_EXPIRES] if len(fields) > _EXPIRES else ""
            ends = int(days) * _DAY if days.isascii() and days.isdecimal() and len(days) < 9 else None  # noqa: PLR2004
            entries.setdefault(fields[0], ShadowEntry(fields[_HASH], ends))
    return entries


@cache
def _text() -> str:
    return _FILE.read_text("utf-8", "surrogateescape")

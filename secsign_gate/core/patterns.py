"""OpenSSH pattern lists (ssh_config(5), PATTERNS): the names that `alice,bob,svc-*,!svc-deploy` means."""

from collections.abc import Iterable
from typing import NamedTuple

_LONGEST = 1022  # sshd gives a list up at a longer pattern


class Pattern(NamedTuple):
    """One pattern of a list: `*` is any run of characters, `?` is any one, `negated` stood behind a `!`."""

    text: str
    negated: bool


class PatternList(NamedTuple):
    """A pattern list and its text as written. Build it with `parse`; the empty list matches nobody."""

    text: str = ""
    patterns: tuple[Pattern, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "PatternList":
        """Return the list that `text` writes down, patterns separated by commas; an empty text is the empty list.

        Raises ValueError, with a sentence, for what sshd would accept without a word and nobody can have meant: a list
        of only negations (it matches nobody), an empty pattern, white space, a pattern too long for sshd.
        """
        if not text:
            return cls()
        patterns = tuple(split_patterns(text))
        for pattern in patterns:
            if not pattern.text:
                raise ValueError("a pattern between the commas is empty")
            if len(pattern.text) > _LONGEST:
                raise ValueError(f"a pattern has more than {_LONGEST} characters, which OpenSSH does not match")
            if not pattern.text.isprintable() or " " in pattern.text:
                raise ValueError(
                    "a pattern holds white space or a control character; OpenSSH separates with commas only"
                )
        if all(pattern.negated for pattern in patterns):
            raise ValueError('the list matches nobody, for all its patterns are negated; begin it with "*,"')
        return cls(text, patterns)

    def matches(self, name: str) -> bool:
        """Tell whether some pattern matches `name` and no negated one does. Letters count as written."""
        return verdict_on(name, self.patterns) is True

    def matches_any(self, names: Iterable[str]) -> bool:
        """Tell whether one of `names` is matched and none is ruled out, as sshd judges the groups of an account."""
        verdicts = [verdict_on(name, self.patterns) for name in names]
        return True in verdicts and False not in verdicts


def split_patterns(text: str) -> Iterable[Pattern]:
    """Yield the patterns of a comma list, as they stand."""
    for part in text.split(","):
        negated = part.startswith("!")
        yield Pattern(part[1:] if negated else part, negated)


def verdict_on(name: str, patterns: Iterable[Pattern]) -> bool | None:
    """Return False if a negated pattern matches `name`, else True if another one does, else None."""
    verdict = None
    for pattern in patterns:
        if matches_pattern(name, pattern.text):
            if pattern.negated:
                return False
            verdict = True
    return verdict


def matches_pattern(text: str, pattern: str) -> bool:
    """Tell whether `pattern` matches the whole of `text`.

    What stands between two `*` is found where it first can be, and never looked for again, so the work is bounded by
    the product of the two lengths; and letters are found by the C library's speed, for `text` may be a long command.
    """
    first, *others = pattern.split("*")
    if not others:
        return len(text) == len(first) and _stands_at(0, text, first)
    *between, last = others
    at, end = len(first), len(text) - len(last)
    if at > end or not _stands_at(0, text, first) or not _stands_at(end, text, last):
        return False
    for piece in between:
        at = _find(piece, text, at, end)
        if at < 0:
            return False
        at += len(piece)
    return True


def _find(piece: str, text: str, start: int, end: int) -> int:
    """Return where `piece`, with `?` for any character, first stands between `start` and `end`; -1 if nowhere."""
    letters = max(piece.split("?"), key=len)
    before = piece.index(letters)
    at = text.find(letters, start + before, end)
    while 0 <= at <= end - len(piece) + before:
        if _stands_at(at - before, text, piece):
            return at - before
        at = text.find(letters, at + 1, end)
    return -1


def _stands_at(start: int, text: str, piece: str) -> bool:
    """Tell whether `piece`, with `?` for any character, stands there; `text` must be long enough."""
    for part in piece.split("?"):
        if not text.startswith(part, start):
            return False
        start += len(part) + 1
    return True

"""The lines of one sshd_config, read as sshd reads them (sshd_config(5); servconf.c and argv_split() in misc.c).

It reads what stands there; what of it counts for a connection, sshd itself is asked (effective.py).
"""

import re
from typing import NamedTuple

_BLANKS = " \t\r"
_KEYWORD = re.compile(r'"([^"]*)"[ \t\r]*|([^ \t\r"=]+)(?:[ \t\r]*=[ \t\r]*|[ \t\r]*)')
_ALONE = ("all", "invalid-user")  # the criteria without an argument; the latter from 9.9 on


class Criterion(NamedTuple):
    """One criterion of a Match line: its name in lower case, and its argument as written; empty where it takes none."""

    name: str
    argument: str


class Line(NamedTuple):
    """A directive of sshd_config.

    `match` holds the criteria that must all hold for it to apply: none outside of Match blocks, and those of the
    including file's block too where it stands in an included one. `keyword` is in lower case. `arguments` are words,
    with quotes taken off; `text` is the rest of the line as written, which is what sshd takes for a ForceCommand.
    """

    path: str
    number: int
    match: tuple[Criterion, ...]
    keyword: str
    arguments: tuple[str, ...]
    text: str

    @property
    def place(self) -> str:
        """Where it stands, for a sentence."""
        return f"{self.path} line {self.number}"


def parse_line(path: str, number: int, match: tuple[Criterion, ...], text: str) -> Line | None:
    """Return the directive on a line, None where there is none. It never fails: what is wrong with it, sshd tells."""
    stripped = text.strip(_BLANKS + "\f")
    found = _KEYWORD.match(stripped)
    if found is None or stripped.startswith("#"):
        return None
    keyword = (found[1] or found[2] or "").lower()
    rest = stripped[found.end() :]
    return Line(path, number, match, keyword, split_arguments(rest), rest)


def split_arguments(text: str) -> tuple[str, ...]:
    r"""Return the words of `text`: separated by blanks, quoted by " or ', ended by a word that begins with #.

    A backslash takes the meaning from a quote, a backslash and, outside of quotes, a blank. A quote that is not closed
    reaches to the end; sshd refuses to start with such a line.
    """
    words: list[str] = []
    place = 0
    while place < len(text):
        if text[place] in " \t":
            place += 1
        elif text[place] == "#":
            break
        else:
            word, place = _word(text, place)
            words.append(word)
    return tuple(words)


def _word(text: str, place: int) -> tuple[str, int]:
    """Return the word that begins at `place`, and where it ends."""
    letters: list[str] = []
    quote = ""
    while place < len(text):
        letter, following = text[place], text[place + 1 : place + 2]
        if letter == "\\" and following and (following in "'\"\\" or (following == " " and not quote)):
            letters.append(following)
            place += 1
        elif not quote and letter in " \t":
            break
        elif not quote and letter in "'\"":
            quote = letter
        elif letter == quote:
            quote = ""
        else:
            letters.append(letter)
        place += 1
    return "".join(letters), place


def parse_criteria(text: str) -> tuple[Criterion, ...]:
    """Return the criteria of a Match line: `User alice,bob Address 192.0.2.0/24`, or with `=` in place of a blank."""
    criteria = []
    words = _criteria_words(text)
    while words:
        name = words.pop(0).lower()
        criteria.append(Criterion(name, words.pop(0) if words and name not in _ALONE else ""))
    return tuple(criteria)


def _criteria_words(text: str) -> list[str]:
    """Split as strdelim() does: at blanks, and at one `=` between two words."""
    words = []
    rest = text.strip(_BLANKS)
    while rest and not rest.startswith("#"):
        found = _KEYWORD.match(rest)
        if found is None:  # a quote that is not closed, or a `=` without a word before it
            words.append(rest.strip('"='))
            break
        words.append(found[1] if found[1] is not None else found[2])
        rest = rest[found.end() :]
    return words

"""TOML text becomes tables; afterwards, only if something is wrong, the line of each key in it is found.

tomllib gives values without their places. So the text is walked again, with strings and comments blanked out, one
statement at a time: exact for headers and keys, and for what stands inside a value the line where that value begins.
"""

import re
import tomllib
from typing import Any

from secsign_gate.errors import ConfigError, Problem

Place = tuple[str | int, ...]  # the names on the way to a value; the entries of a list count from 1

_MAX_DOTS = 32  # in one line, outside strings: tomllib takes time by the square of a dotted key's length
_STRING_OR_COMMENT = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})|"""[\s\S]*'
    r"|'''[\s\S]*?'''(?:'{0,2})|'''[\s\S]*"
    r'|"(?:[^"\\\n]|\\[^\n])*"|"[^\n]*'
    r"|'[^'\n]*'|'[^\n]*"
    r"|\#[^\n]*",
    re.DOTALL,
)
_MAX_SHOWN = 200  # of tomllib's sentence, which may quote a key
_LINE_OF_FAULT = re.compile(r"\(at line (\d+), column \d+\)$")


def parse_toml(path: str, text: str) -> dict[str, Any]:
    """Return the tables in `text`. Raises ConfigError with the line where it stops being TOML."""
    for number, bare in enumerate(_skeleton(text).split("\n"), 1):
        if bare.count(".") > _MAX_DOTS:
            raise _not_toml(path, number, "a key of too many parts")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        sentence = str(error)
        found = _LINE_OF_FAULT.search(sentence)
        line = int(found[1]) if found is not None else text.count("\n")
        what = re.sub(r" \(at [^)]*\)$", "", sentence)
        raise _not_toml(path, line, what[:1].lower() + what[1:_MAX_SHOWN]) from None
    except RecursionError:
        raise _not_toml(path, 0, "brackets nested too deep") from None
    except ValueError:  # an integer of thousands of digits (int_max_str_digits)
        raise _not_toml(path, 0, "a number too long to be one") from None


def _not_toml(path: str, line: int, what: str) -> ConfigError:
    return ConfigError([Problem(path, line, "", f"this is not TOML: {what}", "correct the line, see https://toml.io")])


class LineNumbers:
    """Where each key of a TOML text stands. Costs a walk through the text: make it only to report a problem."""

    def __init__(self, text: str) -> None:
        self._found: dict[Place, int] = {}
        self._entries: dict[Place, int] = {}
        self._walk(text)

    def of(self, place: Place) -> int:
        """Return the line of the key at `place`, or of the nearest table around it; 0 if nothing of it is there."""
        while place and place not in self._found:
            place = place[:-1]
        return self._found.get(place, 0)

    def _walk(self, text: str) -> None:
        section: Place = ()
        depth = 0
        for number, (line, bare) in enumerate(zip(text.split("\n"), _skeleton(text).split("\n"), strict=True), 1):
            if depth == 0 and bare.lstrip().startswith("["):
                section = self._section(line, bare)
                for end in range(1, len(section) + 1):
                    self._found.setdefault(section[:end], number)
                continue
            value = bare
            if depth == 0 and "=" in bare:
                key = _key_parts(line[: bare.index("=")])
                value = bare[bare.index("=") :]
                for end in range(1, len(key) + 1):
                    self._found.setdefault(section + key[:end], number)
            depth += value.count("[") + value.count("{") - value.count("]") - value.count("}")

    def _section(self, line: str, bare: str) -> Place:
        """Return where a header leads: into a table, or into a new entry of a list of tables."""
        start = bare.index("[")
        is_entry = bare.startswith("[[", start)
        start += 2 if is_entry else 1
        place: Place = ()
        for part in _key_parts(line[start : bare.find("]", start)]):
            if place in self._entries:
                place = (*place, self._entries[place])
            place = (*place, part)
        if not is_entry:
            return place
        self._entries[place] = self._entries.get(place, 0) + 1
        return (*place, self._entries[place])


def _skeleton(text: str) -> str:
    """Return `text` with every string and comment replaced by blanks of the same length and lines."""
    return _STRING_OR_COMMENT.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def _key_parts(written: str) -> Place:
    """Return the parts of a key as TOML reads it. Called only for keys that tomllib has taken before."""
    try:
        table: Any = tomllib.loads(f"{written.strip()} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    parts: list[str | int] = []
    while isinstance(table, dict) and table:
        name, table = next(iter(table.items()))
        parts.append(name)
    return tuple(parts)

"""What sshd would do for one connection, as `sshd -T -C …` prints it, and which lines of its files made it so.

sshd's own judgement is taken for everything: order, Include, Match and defaults are its business. The lines are those
that `-ddd` tells of (servconf.c: "setting"), in sshd's own order; they explain, and nothing is decided by them.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from secsign_gate.sshd.config_lines import parse_line

_SETTING = re.compile(r"debug3: (.+):(\d+) setting (\S+)[ \t]+(.*)")
_MAIN_FILE = re.compile(r"debug2: load_server_config: filename (.+)")
_AGAIN = "reprocess config"  # what sshd calls its main file when it reads it again, for what stands in Match blocks
_SECOND_READING = f"debug2: parse_server_config_depth: config {_AGAIN}"
COMMAND_LINE = "command-line"  # what sshd calls the file that an -o option came from


class AppliedLine(NamedTuple):
    """A line of sshd's files that holds for the connection. Whether it counts is another matter: the first does.

    `keyword` is in lower case, `text` what follows it. `matched`: it stands in a Match block. For an option of the
    command line, `path` is COMMAND_LINE and `number` 0.
    """

    path: str
    number: int
    keyword: str
    text: str
    matched: bool

    @property
    def place(self) -> str:
        """Where it stands, for a sentence."""
        return "sshd's command line" if self.path == COMMAND_LINE else f"{self.path} line {self.number}"


class Effective:
    """What `sshd -T` printed: settings by name, in upper or lower case, each value as printed, in order."""

    __slots__ = ("_applied", "_printed")

    def __init__(self, printed: dict[str, tuple[str, ...]], applied: tuple[AppliedLine, ...] = ()) -> None:
        self._printed = printed
        self._applied = applied

    def values(self, name: str) -> tuple[str, ...]:
        """Return every value of a setting that is printed once for each, such as `acceptenv`; none if not printed."""
        return self._printed.get(name.lower(), ())

    def value(self, name: str) -> str:
        """Return the value of a setting, empty if sshd did not print it (it may be older, or built without it)."""
        return self.values(name)[0] if self.values(name) else ""

    def is_on(self, name: str) -> bool:
        """Tell whether the setting is printed as `yes`."""
        return self.value(name) == "yes"

    def applied(self, keyword: str) -> tuple[AppliedLine, ...]:
        """Return the lines with this keyword that hold for the connection, the one that counts first.

        Among Match blocks the first that sets a keyword wins, and any of them beats what stands outside.
        """
        name = keyword.lower()
        found = [line for line in self._applied if line.keyword == name]
        inside = [line for line in found if line.matched]
        places = {line[:2] for line in inside}  # sshd reads what stands below `Match all` twice
        return (*inside, *(line for line in found if not line.matched and line[:2] not in places))

    def set_at(self, keyword: str) -> AppliedLine | None:
        """Return the line that gave the setting its value; None if it has its default, or nobody knows."""
        return next(iter(self.applied(keyword)), None)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Effective) and self._printed == other._printed

    def __hash__(self) -> int:
        return hash(frozenset(self._printed.items()))

    def __repr__(self) -> str:
        return f"Effective({self._printed!r})"


def parse_effective(text: str, told: str = "", by_options: tuple[str, ...] = ()) -> Effective:
    """Return what `text`, the output of `sshd -T`, says.

    `told` is what `-ddd` wrote to standard error meanwhile. `by_options` are settings of the command line, `Name=value`
    or `Name value`: sshd reads them before it says anything.
    """
    printed: dict[str, list[str]] = {}
    for line in text.split("\n"):
        name, _, value = line.partition(" ")
        if name:
            printed.setdefault(name.lower(), []).append(value)
    return Effective(
        {name: tuple(values) for name, values in printed.items()}, (*_options(by_options), *_applied(told))
    )


def _options(given: tuple[str, ...]) -> Iterator[AppliedLine]:
    for option in given:
        line = parse_line(COMMAND_LINE, 0, (), option)
        if line is not None:
            yield AppliedLine(COMMAND_LINE, 0, line.keyword, line.text, matched=False)


def _applied(told: str) -> Iterator[AppliedLine]:
    main, matched = "", False
    for line in told.replace("\r", "").split("\n"):
        if not main and (named := _MAIN_FILE.fullmatch(line)):
            main = named[1]
        elif line.startswith(_SECOND_READING):
            matched = True
        elif found := _SETTING.fullmatch(line):
            path = main if found[1] == _AGAIN else found[1]
            yield AppliedLine(path, int(found[2]), found[3].lower(), found[4], matched)

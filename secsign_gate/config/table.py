"""The tables of a TOML file while they are read: each value by its rule, every fault on one list.

Reading goes on after a fault with the default in place of the value, so that all faults are found at once; `Reading`
then refuses the whole. What settings there are is said in reader.py alone, by asking for them.
"""

from collections.abc import Iterator
from typing import Any, TypeVar

from secsign_gate.config.rules import Rule, Unacceptable
from secsign_gate.config.toml_text import LineNumbers, Place
from secsign_gate.errors import ConfigError, Problem

_T = TypeVar("_T")

_MAX_SHOWN = 64


def dotted(place: Place) -> str:
    """Return the name of a setting as people write it: `policy.exempt_commands[2].command`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{_shown(part)}" for part in place).removeprefix(".")


def _shown(name: str) -> str:
    """Return a name of the file for a sentence: a quoted key may hold anything, at any length."""
    plain = name.replace("-", "").replace("_", "")
    return name if plain.isascii() and plain.isalnum() and len(name) <= _MAX_SHOWN else ascii(name[:_MAX_SHOWN])


class Reading:
    """One file being read: its problems so far, and every name that was asked for."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.asked: dict[Place, list[str]] = {}
        self.unasked: list[Place] = []
        self.text = text
        self._problems: list[Problem] = []
        self._lines: LineNumbers | None = None

    def fault(self, place: Place, what: str, remedy: str) -> None:
        """Note that the setting at `place` cannot stand."""
        if self._lines is None:
            self._lines = LineNumbers(self.text)
        self._problems.append(Problem(self.path, self._lines.of(place), dotted(place), what, remedy))

    def fault_elsewhere(self, error: ConfigError) -> None:
        """Note the problems of a file that this one names."""
        self._problems.extend(error.problems)

    def refuse_unless_clean(self) -> None:
        """Raise ConfigError with every problem, unknown settings among them, in file order."""
        for place in self.unasked:
            self.fault(place, "there is no such setting", self._advice(place))
        if self._problems:
            raise ConfigError(sorted(self._problems, key=lambda problem: (problem.path != self.path, problem.line)))

    def _advice(self, place: Place) -> str:
        """Return what to write instead of an unknown name: the same name elsewhere, or a similar one here."""
        import difflib  # noqa: PLC0415 - only a mistake needs it, and a login should not wait for it

        section = tuple(part for part in place[:-1] if isinstance(part, str))
        name = str(place[-1])
        for other, names in self.asked.items():
            if name in names and other != section:
                return f"did you mean {dotted((*other, name))}?"
        similar = difflib.get_close_matches(name, self.asked.get(section, []), 1)
        if similar:
            return f"did you mean {dotted((*place[:-1], *similar))}?"
        return "remove it, or see docs/configuration.md"


class Table:
    """One table of the file. Each name that is asked for is known; what nobody asked for is a mistake."""

    def __init__(self, reading: Reading, place: Place, values: dict[str, Any]) -> None:
        self._reading = reading
        self._place = place
        self._values = values
        section = tuple(part for part in place if isinstance(part, str))
        self._names = reading.asked.setdefault(section, [])

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def take(self, name: str, rule: Rule[_T], default: _T) -> _T:
        """Return the value of `name` by `rule`; `default` if it is absent, or unacceptable and so noted."""
        self._ask(name)
        if name not in self._values:
            return default
        try:
            return rule(self._values[name])
        except Unacceptable as fault:
            self.fault(name, fault.what, fault.remedy)
            return default

    def require(self, name: str, rule: Rule[_T], stand_in: _T) -> _T:
        """As `take`, but an absent value is noted as a fault. `stand_in` serves while reading goes on."""
        if name not in self._values:
            self.fault(name, "is missing", "it has no default; add it")
        return self.take(name, rule, stand_in)

    def table(self, name: str) -> "Table":
        """Return the table `name`, empty if it is absent."""
        self._ask(name)
        values = self._values.get(name, {})
        if not isinstance(values, dict):
            self.fault(name, "is no section", f"write its settings below a line [{dotted((*self._place, name))}]")
            values = {}
        return Table(self._reading, (*self._place, name), values)

    def tables(self, name: str) -> "Iterator[Table]":
        """Yield the entries of the list of tables `name`, none if it is absent."""
        self._ask(name)
        entries = self._values.get(name, [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            written = dotted((*self._place, name))
            self.fault(name, "is no list of tables", f"write each entry below a line [[{written}]] of its own")
            return
        for number, entry in enumerate(entries, 1):
            yield Table(self._reading, (*self._place, name, number), entry)

    def fault(self, name: str, what: str, remedy: str) -> None:
        """Note that `name` cannot stand."""
        self._reading.fault((*self._place, name), what, remedy)

    def end(self) -> None:
        """Note what stands in the table and was not asked for."""
        self._reading.unasked.extend((*self._place, name) for name in self._values if name not in self._names)

    def _ask(self, name: str) -> None:
        if name not in self._names:
            self._names.append(name)

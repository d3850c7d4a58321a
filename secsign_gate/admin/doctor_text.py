"""What the doctor found, for people: the way of a login with a mark at each station, then the worst first."""

import textwrap
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import click

from secsign_gate.doctor.finding import Finding, Status, worst
from secsign_gate.doctor.station import Examined, Station

_COLOURS = {
    Status.OPEN: "red",
    Status.BROKEN: "red",
    Status.WEAK: "yellow",
    Status.UNKNOWN: "yellow",
    Status.NOTE: "cyan",
    Status.CLOSED: "green",
}
_MARKS = {
    Status.OPEN: "OPEN",
    Status.BROKEN: "BROKEN",
    Status.WEAK: "weak",
    Status.UNKNOWN: "unknown",
    Status.NOTE: "ok",
    Status.CLOSED: "ok",
}
_TITLES = {
    Status.OPEN: "OPEN: a hole, now",
    Status.BROKEN: "BROKEN: does not work, or locks somebody out",
    Status.WEAK: "weak: could become one of these",
    Status.UNKNOWN: "unknown: could not be looked at",
    Status.NOTE: "worth knowing",
    Status.CLOSED: "in order",
}
_NAMES_SHOWN = 4
_LEAST_WIDTH = 40
_MOST_WIDTH = 110
_INDENT = 4


class Page(NamedTuple):
    """Where the text goes: the width of the terminal in columns, None if it is none; and whether it shows Unicode."""

    width: int | None
    unicode: bool

    def readable(self, text: str) -> str:
        """Return `text` with everything as an escape that a terminal would obey, or that it cannot show."""
        return "".join(
            char if char.isprintable() and (self.unicode or char.isascii()) else f"\\u{ord(char):04x}" for char in text
        )

    def wrapped(self, text: str, first: str, others: str) -> list[str]:
        """Return `text` in lines, the first one behind `first`, further ones behind `others`."""
        if self.width is None:
            return [first + text]
        width = max(_LEAST_WIDTH, min(self.width, _MOST_WIDTH))
        return textwrap.wrap(
            text,
            width,
            initial_indent=first,
            subsequent_indent=others,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [first]


class _Told(NamedTuple):
    """A finding for people: where, what, which ways are open by it, and for which accounts."""

    station: Station
    finding: Finding
    bypasses: tuple[str, ...]
    accounts: tuple[str, ...]


def doctor_text(examined: Sequence[Examined], page: Page, *, everything: bool) -> str:
    """Return the report. `everything`: also what is in order, which is only counted otherwise."""
    told = _gathered(examined)
    lines = [*picture(examined, page), ""]
    for status in Status:
        of_status = [one for one in told if one.finding.status is status]
        if not of_status:
            continue
        if status is Status.CLOSED and not everything:
            count = len(of_status)
            lines.append(click.style(f"{count} more {'thing is' if count == 1 else 'things are'} in order", fg="green"))
            lines[-1] += " (--all lists them)"
            continue
        lines.append(click.style(_TITLES[status], fg=_COLOURS[status], bold=True))
        lines += _entries(of_status, page)
        lines.append("")
    while lines and not lines[-1]:
        lines.pop()
    return "\n".join(lines)


def steps_text(examined: Sequence[Examined], page: Page) -> str:
    """Return the way of one login, step by step in its order, each with its mark."""
    lines = [*picture(examined, page), ""]
    for one in examined:
        lines.append(click.style(one.station.value, bold=True))
        for finding in one.findings:
            mark = "note" if finding.status is Status.NOTE else _MARKS[finding.status]
            padded = f"  {mark:<7} "
            text = finding.what + (f" [{finding.bypass}]" if finding.bypass else "")
            first, *others = page.wrapped(page.readable(text), padded, " " * len(padded))
            lines.append(click.style(first[: len(padded)], fg=_COLOURS[finding.status]) + first[len(padded) :])
            lines += others
            lines += _advice(finding, page, len(padded))
    return "\n".join(lines)


def picture(examined: Sequence[Examined], page: Page) -> list[str]:
    """Return the way of a login with a mark below each station; downwards where there is no room for it in one line."""
    arrow = " \u2500\u2500\u25b6 " if page.unicode else " --> "
    marks = {one.station: worst(one.findings) for one in examined}
    names = ["client", *(station.value for station in Station)]
    words = ["", *(_MARKS[marks[station]] if station in marks else "not asked" for station in Station)]
    colours = [None, *(_COLOURS[marks[station]] if station in marks else None for station in Station)]
    widths = [max(len(name), len(word)) for name, word in zip(names, words, strict=True)]
    if page.width is not None and sum(widths) + len(arrow) * (len(widths) - 1) + 2 > page.width:
        column = max(map(len, names))
        return [
            f"  {name:<{column}}  {click.style(word, fg=colour)}".rstrip()
            for name, word, colour in zip(names, words, colours, strict=True)
        ]
    above = arrow.join(name.ljust(width) for name, width in zip(names, widths, strict=True)).rstrip()
    below = (" " * len(arrow)).join(
        click.style(word, fg=colour, bold=True) + " " * (width - len(word)) if word else " " * width
        for word, width, colour in zip(words, widths, colours, strict=True)
    )
    return [f"  {above}", f"  {below.rstrip()}"]


def _gathered(examined: Iterable[Examined]) -> list[_Told]:
    """Return the findings; those that say the same of other accounts, or of other ways, are one."""
    told: dict[tuple[object, ...], _Told] = {}
    for one in examined:
        for finding in one.findings:
            accounts = tuple(filter(None, finding.account.split(", ")))
            key = one.station, finding.status, finding.what, finding.mend, not accounts
            before = told.get(key, _Told(one.station, finding._replace(line=""), (), ()))
            told[key] = _Told(
                one.station,
                before.finding._replace(
                    line="\n".join(_joined(before.finding.line.split("\n"), finding.line.split("\n")))
                ),
                _joined(before.bypasses, [finding.bypass]),
                _joined(before.accounts, accounts),
            )
    return [*told.values()]


def _joined(these: Iterable[str], those: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for one in (*these, *those) if one))


def _entries(told: Iterable[_Told], page: Page) -> list[str]:
    """Return the lines for findings of one status; what is mended alike has its advice once, below all of them."""
    alike: dict[tuple[object, ...], list[_Told]] = {}
    for one in told:
        finding = one.finding
        key = one.station, one.bypasses, finding.why, finding.mend, finding.line
        alike.setdefault(key if finding.mend else (id(one),), []).append(one)
    return [
        line
        for group in alike.values()
        for line in (*(line for one in group for line in _entry(one, page)), *_advice(group[0].finding, page, _INDENT))
    ]


def _entry(told: _Told, page: Page) -> list[str]:
    finding = told.finding
    notes = [", ".join(told.bypasses)] if told.bypasses else []
    if told.accounts and not all(name in finding.what for name in told.accounts):
        shown = ", ".join(told.accounts[:_NAMES_SHOWN])
        more = len(told.accounts) - _NAMES_SHOWN
        notes.append(f"{shown} and {more} more" if more > 0 else shown)
    text = page.readable(finding.what + (f" [{'; '.join(notes)}]" if notes else ""))
    first = f"  {told.station.value}: "
    return page.wrapped(text, first, " " * _INDENT)


def _advice(finding: Finding, page: Page, indent: int) -> list[str]:
    lines = []
    if finding.status is Status.CLOSED:
        return []
    for label, text in (("why", finding.why), ("mend", finding.mend)):
        if text:
            first = f"{' ' * indent}{label:<5} "
            lines += page.wrapped(page.readable(text), first, " " * len(first))
    # Not wrapped: it is to be copied.
    lines += [
        f"{' ' * (indent + 6)}{click.style(page.readable(line), bold=True)}"
        for line in finding.line.split("\n")
        if line
    ]
    return lines

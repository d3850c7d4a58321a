"""What the demo prints: a title, facts, and one line for each thing that was tried."""

# ruff: noqa: INP001 - a script and its modules, not a package

from __future__ import annotations

import os
from typing import TextIO

BOLD, DIM, GREEN, RED, PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[31m", "\x1b[0m"


class Page:
    """Lines for a person, with colours where the output is a terminal that wants them."""

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._colours = output.isatty() and "NO_COLOR" not in os.environ

    def title(self, text: str) -> None:
        """Print what this is about."""
        self.line()
        self.line(f"  {self._in(BOLD, text)}")
        self.line()

    def facts(self, facts: dict[str, str]) -> None:
        """Print names with their values."""
        for name, value in facts.items():
            self.line(f"  {self._in(DIM, f'{name:8}')} {value}")
        self.line()

    def tried(self, *, good: bool, what: str, phone: str, result: str, seconds: float) -> None:
        """One row: a tick or a cross, what was tried, what the phone said, what came of it."""
        mark = self._in(GREEN, "✓") if good else self._in(RED, "✗")
        self.line(f"  {mark} {what:34} {phone:13} {result:55} {self._in(DIM, f'{seconds:5.1f} s')}")

    def line(self, text: str = "") -> None:
        """Print one line."""
        print(text, file=self._output, flush=True)

    def _in(self, colour: str, text: str) -> str:
        return f"{colour}{text}{PLAIN}" if self._colours else text

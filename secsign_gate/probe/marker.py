"""Proof that a command ran on the other side: a number that only its shell can have computed.

A server, a terminal or a log may echo our words; none multiplies them.
"""

import re
import secrets
from typing import NamedTuple

_LEAST, _MOST = 100_000, 999_999


class Marker(NamedTuple):
    """Two numbers, drawn anew for each attempt. What proves is their product, which is never sent."""

    first: int
    second: int

    @property
    def product(self) -> str:
        """What is looked for."""
        return str(self.first * self.second)

    @property
    def command(self) -> str:
        """A command that prints the product, in words that sh, csh and fish pass on alike, and that needs only sh."""
        return f"sh -c 'echo {self.arithmetic}'"

    @property
    def arithmetic(self) -> str:
        """An expression of POSIX shells that becomes the product without a program being run."""
        return f"$(({self.first}*{self.second}))"

    def is_in(self, said: bytes) -> bool:
        """Tell whether the product stands in `said`, and is not part of a longer number."""
        return re.search(rb"(?<![0-9])%s(?![0-9])" % self.product.encode(), said) is not None


def new_marker() -> Marker:
    """Return a marker that nobody has seen."""
    return Marker(_LEAST + secrets.randbelow(_MOST - _LEAST), _LEAST + secrets.randbelow(_MOST - _LEAST))

"""The named steps of a change. Whoever passes a function for them is called after each: tests end the process there."""

from collections.abc import Callable

Steps = Callable[[str], None]


def no_steps(name: str) -> None:
    """Do nothing at a step."""
    del name

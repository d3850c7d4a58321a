"""What `secsign-gate enable` tells: the plan and each step for people, or one JSON object at the end for scripts."""

import json
import sys
import time

import click

from secsign_gate.activation.change import Change
from secsign_gate.activation.planning import Plan

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


class Report:
    """Collects what happened, and prints it as it comes unless it is to be JSON. `color` is as for click.echo."""

    def __init__(self, *, as_json: bool, color: bool | None) -> None:
        self._as_json = as_json
        self._color = color
        self._plan: Plan | None = None
        self._done: list[str] = []

    def plan(self, plan: Plan) -> None:
        """Show what would change, and for whom."""
        self._plan = plan
        for line in plan.diff.splitlines():
            self._print(click.style(printable(line), fg=_COLOURS.get(line[:1])))
        self._print(f"let in with the phone: {', '.join(map(printable, plan.reach.served))}")
        if plan.reach.locked_out:
            warning = click.style("locked out, for no SecSign ID is set for them", fg="yellow")
            self._print(f"{warning}: {', '.join(map(printable, plan.reach.locked_out))}")

    def done(self, sentence: str) -> None:
        """Tell one thing that was done."""
        self._done.append(sentence)
        self._print(f"  {printable(sentence)}")

    def waits(self, change: Change) -> None:
        """Tell that the change waits to be confirmed, and until when."""
        until = time.strftime("%H:%M:%S", time.localtime(change.deadline.wall))
        command = click.style(f"{sys.prefix}/bin/secsign-gate confirm", bold=True)
        self._print(
            f"The gate stands in front of {printable(change.gated)}. Log in anew, by SSH, in another window, and run "
            f"{command} there as root (sudo); without it everything is put back at {until}."
        )

    def end(self, state: str, sentence: str = "", change: Change | None = None) -> None:
        """Tell how it ended: `planned`, `unchanged`, `waiting` or `confirmed`."""
        if sentence:
            self._print(sentence)
        if not self._as_json:
            return
        plan = self._plan
        report = {
            "state": state,
            "diff": "" if plan is None else plan.diff,
            "files": [] if plan is None else [file.path for file in plan.files],
            "served": [] if plan is None else list(plan.reach.served),
            "locked_out": [] if plan is None else list(plan.reach.locked_out),
            "done": self._done,
            "deadline": None if change is None else round(change.deadline.wall, 3),
        }
        click.echo(json.dumps(report, indent=2))

    def _print(self, text: str) -> None:
        if not self._as_json:
            click.echo(text, color=self._color)


def printable(text: str) -> str:
    """Return text of foreign origin on one line, with what is not printable replaced."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)

"""What an AppArmor profile allows, without a kernel that knows AppArmor: its rules as apparmor_parser has read them."""

from __future__ import annotations

import re
import subprocess
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# `Mode:	rwa:rwa	Name:	(/dev/null)`: for who owns the file, for others. Deny rules look the same.
_RULE = re.compile(r"^Mode:\t(\w*):(\w*)\tName:\t\((.*)\)$", re.MULTILINE)
_DENY = re.compile(r"^ *(?:audit )?deny (/\S+) +\w+,", re.MULTILINE)
_PARSER = ("apparmor_parser", "--skip-kernel-load", "--skip-cache")  # -Q -K


class ProfileError(Exception):
    """apparmor_parser does not take the profile; str() is what it said."""


class Profile:
    """The profile in a file, with all that it includes. Raises ProfileError."""

    def __init__(self, path: Path) -> None:
        self._text = _run("--preprocess", path)
        self._dump = _run("--debug", path)

    @property
    def capabilities(self) -> set[str]:
        """The capabilities that it leaves, by their names in apparmor.d(5)."""
        return self._words("Capabilities") - self._words("Deny Caps")

    @property
    def families(self) -> set[str]:
        """The kinds of network sockets that may be made, as `inet`."""
        return {word for word in self._words("Network") if word.isalnum()}

    def allows(self, path: str, mode: str) -> bool:
        """Tell whether a file that others own may be used so: r, w, m (mapped as code), x.

        A folder's path ends with a slash.
        """
        given: set[str] = set()
        for pattern, modes in self._rules:
            if pattern.fullmatch(path):
                given |= modes
        return set(mode) <= given and not any(pattern.fullmatch(path) for pattern in self._denied)

    @cached_property
    def _denied(self) -> list[re.Pattern[str]]:
        """Deny rules, as they are written; ours have no variables."""
        return [glob(name) for name in _DENY.findall(self._text)]

    @cached_property
    def _rules(self) -> list[tuple[re.Pattern[str], set[str]]]:
        denied = _DENY.findall(self._text)
        return [(glob(name), set(others)) for _, others, name in _RULE.findall(self._dump) if name not in denied]

    def _words(self, heading: str) -> set[str]:
        found = re.search(rf"^{heading}: (.*)$", self._dump, re.MULTILINE)
        return set(found[1].split()) if found else set()


def glob(pattern: str) -> re.Pattern[str]:
    """Return the regular expression for a pattern of apparmor.d(5): *, **, ?, [], {,}."""
    special = {"**": ".*", "*": "[^/]*", "?": "[^/]", "{": "(?:", "}": ")", ",": "|"}
    parts = re.findall(r"\*\*|\[[^]]*\]|\\.|.", re.sub("/+", "/", pattern))
    depth = 0
    expression = ""
    for place, part in enumerate(parts):
        depth += {"{": 1, "}": -1}.get(part, 0)
        if part.startswith("["):
            expression += part.replace("[^", "[^/")
        elif part in special and (part != "," or depth):
            at_the_end_of_a_folder = (
                part in {"*", "**"} and place and parts[place - 1] == "/" and place == len(parts) - 1
            )
            expression += special[part].replace("*", "+") if at_the_end_of_a_folder else special[part]
        else:
            expression += re.escape(part.removeprefix("\\"))
    return re.compile(expression)


def _run(*arguments: str | Path) -> str:
    done = subprocess.run([*_PARSER, *arguments], capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise ProfileError(done.stderr.strip())
    return done.stdout

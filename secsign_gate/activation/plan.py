"""What the drop-in is to say: the shipped one, with whom it gates, how its door asks, and where the program is.

Its directives stand in sshd_config.d/ and nowhere else; here the few words that differ from host to host are put in.
Pure: text in, text out.
"""

import difflib
import re
from collections.abc import Callable
from typing import Literal, NamedTuple

from secsign_gate.errors import GateError

DROP_IN = "00-secsign-gate.conf"
SHIPPED_PREFIX = "/opt/secsign-gate"  # where the shipped files have the program
_SHIPPED = {
    "all": DROP_IN,
    "group": "00-secsign-gate-group.conf.example",
    "user": "00-secsign-gate-user.conf.example",
}
HEADER = """\
# Written by `secsign-gate enable`, from {source}. `secsign-gate disable` puts back what was here before.
# Change it by running `secsign-gate enable` again; it does not overwrite what somebody has changed by hand.
#
"""
_MOST_NAMES = 200
_LONGEST_NAME = 256
# In a pattern list (ssh_config(5), PATTERNS) these mean something; blanks and quotes end or join words of the line, and
# which of them a backslash protects differs from version to version.
_NO_NAME = re.compile(r"""[\s*?,!"'#=%]""")


class PlanError(GateError):
    """What was asked for cannot be written down as a drop-in. `str()` is one sentence."""


class Gated(NamedTuple):
    """Whom the gate is to stand in front of: `all`, the members of groups, or accounts. `names` is empty for `all`."""

    kind: Literal["all", "group", "user"]
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.kind == "all":
            return "everybody"
        return f"{'members of ' if self.kind == 'group' else ''}{', '.join(self.names)}"


class Doors(NamedTuple):
    """How a door asks: the daemon behind the socket `broker`, or, if that is empty, an embedded broker.

    `configuration` is what an embedded broker reads; `prefix` is the virtual environment of the program.
    """

    configuration: str
    broker: str
    prefix: str


def shipped_name(gated: Gated) -> str:
    """Return the name of the shipped drop-in that fits."""
    return _SHIPPED[gated.kind]


def drop_in_text(shipped: str, gated: Gated, break_glass: tuple[str, ...], doors: Doors) -> str:
    """Return the drop-in's text. `shipped` is the content of the shipped file `shipped_name(gated)`.

    `break_glass` are accounts that it leaves as they are. Raises PlanError for names that sshd would read as something
    else, for an account that is gated and left out, and if the shipped file is not what this program knows.
    """
    line = match_line(gated, break_glass)
    text = replaced(r"(?m)^Match .*$", lambda _: line, shipped)
    text = _asking(text, doors)
    for keyword in ("ForceCommand", "Match"):
        if len(re.findall(rf"(?m)^ *{keyword} ", text)) != 1:
            raise PlanError(f"the shipped {shipped_name(gated)} has not one line with {keyword}; install it anew")
    return HEADER.format(source=shipped_name(gated)) + text


def match_line(gated: Gated, break_glass: tuple[str, ...]) -> str:
    """Return the Match line that holds for whom the gate stands in front of. Raises PlanError."""
    for name in (*gated.names, *break_glass):
        _require_name(name)
    both = set(break_glass) & set(gated.names) if gated.kind == "user" else set()
    if both:
        raise PlanError(f"{min(both)} cannot be gated and be the way in for a bad day as well; name another account")
    if gated.kind != "all" and not gated.names:
        raise PlanError(f"no {gated.kind} is named; say whom the gate is to stand in front of")
    if len(gated.names) + len(break_glass) > _MOST_NAMES:
        raise PlanError(f"more than {_MOST_NAMES} names are too many for one line of sshd; gate a group instead")
    left_out = ",".join(["*", *(f"!{name}" for name in break_glass)])
    match gated.kind:
        case "all":
            return f"Match User {left_out}" if break_glass else "Match all"
        case "group":
            line = f"Match Group {','.join(gated.names)}"
            return f"{line} User {left_out}" if break_glass else line
        case "user":
            return f"Match User {','.join(gated.names)}"


def diff(path: str, before: bytes | None, after: bytes | None) -> str:
    """Return how the file at `path` changes, as `diff -u` prints it; empty if it does not. None: there is no file."""
    old, new = (
        [] if content is None else content.decode("utf-8", "backslashreplace").splitlines(keepends=True)
        for content in (before, after)
    )
    old_name, new_name = ("/dev/null" if content is None else path for content in (before, after))
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
        for line in difflib.unified_diff(old, new, old_name, new_name)
    )


def _require_name(name: str) -> None:
    if not name or len(name) > _LONGEST_NAME or not name.isprintable() or _NO_NAME.search(name):
        raise PlanError(
            f"{name!a} cannot stand in a Match line of sshd, which would read some of its characters otherwise; "
            "put the account into a group and gate that"
        )
    if name.startswith("-") or name.endswith("\\") or "\\\\" in name:
        raise PlanError(f"{name!a} is no name of an account or a group; write it as `getent` prints it")


def _asking(text: str, doors: Doors) -> str:
    """Have one ForceCommand line, the one for this way to ask, with this host's paths."""
    require_paths(doors)
    if doors.broker:
        text = replaced(r"(?m)^ *ForceCommand .*\n", lambda _: "", text)
        text = replaced(
            r"(?m)^( *)#(ForceCommand .* --broker )\S+$", lambda found: f"{found[1]}{found[2]}{doors.broker}", text
        )
    else:
        text = replaced(
            r"(?m)^( *ForceCommand .* --config )\S+$", lambda found: f"{found[1]}{doors.configuration}", text
        )
    return text.replace(f" {SHIPPED_PREFIX}/", f" {doors.prefix}/")


def require_paths(doors: Doors) -> None:
    """Raise PlanError for a path that would be several words, or another, on a line of sshd, PAM or a shell."""
    for name, path in (("program", doors.prefix), ("configuration", doors.configuration), ("socket", doors.broker)):
        if path and not re.fullmatch(r"/[\w./@+-]*", path, re.ASCII):
            raise PlanError(f"the {name} {path!a} has a name that a shell would read otherwise; put it elsewhere")


def replaced(pattern: str, replacement: Callable[[re.Match[str]], str], text: str) -> str:
    """Replace what must be there exactly once. Raises PlanError if it is not there, or more often.

    `replacement` is a function, for in a text re.sub() would read the backslash of a name.
    """
    new, times = re.subn(pattern, replacement, text)
    if times != 1:
        raise PlanError(f"the shipped drop-in has {times} places of {pattern!r}, not one; install the program anew")
    return new

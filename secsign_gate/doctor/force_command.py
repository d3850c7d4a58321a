"""The gate on a line of sshd's or PAM's: which program would be started, and whom it would ask."""

import shlex
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from secsign_gate.config.reader import DEFAULT_PATH, DEFAULT_SOCKET

FORCE_COMMAND = "secsign-gate-force-command"
KEYS_DOOR = "secsign-gate-authorized-keys"
_PAM = "secsign-gate-pam"
_DOORS = frozenset({FORCE_COMMAND, _PAM, KEYS_DOOR})


class GateProgram(NamedTuple):
    """What starts a door of ours: `interpreter options script`, then `--config` or `--broker` with a path.

    `broker` is the daemon's socket, empty if there is none to ask; `config` are the orders otherwise, and empty then.
    """

    interpreter: str
    options: tuple[str, ...]
    script: str
    config: str
    broker: str

    @property
    def own_interpreter(self) -> str:
        """The Python that runs the script: where none is named, the one beside it, which installers write into it."""
        return self.interpreter or f"{self.script.rpartition('/')[0]}/python3"


def parse_force_command(text: str) -> GateProgram | None:
    """Return the program in `text`, as `sshd -T` prints a ForceCommand; None if that is not this gate."""
    try:
        words = shlex.split(text)
    except ValueError:  # a quote is not closed
        return None
    if words[:1] == ["exec"]:
        del words[0]
    program = parse_door(words)
    return program if program is not None and _name(program.script) == FORCE_COMMAND else None


def parse_door(words: Sequence[str]) -> GateProgram | None:
    """Return the door that these words start, whichever it is; None if it is none of ours.

    Of the two others, the one that PAM starts asks the daemon and nobody else, and the one that sshd asks for keys asks
    nobody, so it has neither orders nor a socket here.
    """
    script = next((place for place, word in enumerate(words) if _name(word) in _DOORS), -1)
    if script < 0:
        return None
    door, before, after = _name(words[script]), words[:script], words[script + 1 :]
    named = {word: value for word, value in pairwise(after) if word in ("--config", "--broker")}
    broker = {FORCE_COMMAND: named.get("--broker", ""), _PAM: named.get("--broker", DEFAULT_SOCKET)}.get(door, "")
    return GateProgram(
        interpreter=before[0] if before else "",
        options=tuple(before[1:]),
        script=words[script],
        config=named.get("--config", DEFAULT_PATH) if door == FORCE_COMMAND and not broker else "",
        broker=broker,
    )


def _name(word: str) -> str:
    return word.rpartition("/")[2]

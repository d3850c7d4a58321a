"""The gate on a ForceCommand line: which program sshd would start, and whom it would ask."""

import shlex
from itertools import pairwise
from typing import NamedTuple

from secsign_gate.config.reader import DEFAULT_PATH

_SCRIPT = "secsign-gate-force-command"


class GateProgram(NamedTuple):
    """What a ForceCommand of ours starts: `interpreter options script`, then `--config` or `--broker` with a path.

    `broker` is the daemon's socket, empty if there is none to ask; `config` are the orders otherwise, and empty then.
    """

    interpreter: str
    options: tuple[str, ...]
    script: str
    config: str
    broker: str


def parse_force_command(text: str) -> GateProgram | None:
    """Return the program in `text`, as `sshd -T` prints a ForceCommand; None if that is not this gate."""
    try:
        words = shlex.split(text)
    except ValueError:  # a quote is not closed
        return None
    if words[:1] == ["exec"]:
        del words[0]
    script = next((place for place, word in enumerate(words) if word.rpartition("/")[2] == _SCRIPT), -1)
    if script < 0:
        return None
    before, after = words[:script], words[script + 1 :]
    named = {word: value for word, value in pairwise(after) if word in ("--config", "--broker")}
    broker = named.get("--broker", "")
    return GateProgram(
        interpreter=before[0] if before else "",
        options=tuple(before[1:]),
        script=words[script],
        config="" if broker else named.get("--config", DEFAULT_PATH),
        broker=broker,
    )

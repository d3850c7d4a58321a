"""Whether a ForceCommand is the gate and nothing else: a shell reads the line, and may do more with it."""

import shlex
from collections.abc import Sequence
from functools import lru_cache

from secsign_gate.doctor.force_command import KEYS_DOOR, GateProgram, parse_door, parse_force_command
from secsign_gate.sshd.config_lines import split_arguments

# With one of these some login shell does more than split words: lists, substitutions, globs, comments, homes.
_MORE_THAN_WORDS = frozenset(";&|<>()$`\\!*?[]{}~#^\n\r")
_INTERPRETER = "python3"
_TAKES_NO_OTHER_CODE = frozenset({"-I", "-S", "-B", "-E", "-s", "-P", "-u", "-X", "utf8"})
_DOOR_OPTIONS = {"--config": True, "--broker": True, "--started-by-key": False, "--restricted-to": True}
BY_KEY = "--started-by-key"


@lru_cache
def gate_on_line(text: str) -> GateProgram | None:
    """Return the gate that a ForceCommand `text` starts, None if it may start anything else.

    The line is `[exec] /path/python3 options /path/secsign-gate-force-command options`, in words that every login shell
    splits alike. What a wrong option means for a login, others judge.
    """
    program = parse_force_command(text)
    if program is None or _MORE_THAN_WORDS & set(text):
        return None
    words = shlex.split(text)
    words = words[1:] if words[:1] == ["exec"] else words
    at = words.index(program.script)
    return program if _is_plain(program, words[:at]) and _are_door_options(words[at + 1 :]) else None


def keys_door_on_line(text: str) -> GateProgram | None:
    """Return the door for keys that an AuthorizedKeysCommand `text` starts, None if it may start anything else.

    sshd starts it itself, without a shell (sshd_config(5)), so the words are sshd's.
    """
    words = split_arguments(text)
    program = parse_door(words)
    if program is None or program.script.rpartition("/")[2] != KEYS_DOOR:
        return None
    return program if _is_plain(program, words[: words.index(program.script)]) else None


def _is_plain(program: GateProgram, before: Sequence[str]) -> bool:
    """Tell whether what stands before the script is nothing, or an interpreter that takes no other code."""
    is_python = not before or (_is_absolute(before[0]) and before[0].rpartition("/")[2].startswith(_INTERPRETER))
    return _is_absolute(program.script) and is_python and _TAKES_NO_OTHER_CODE.issuperset(before[1:])


def is_for_keys(text: str) -> bool:
    """Tell whether the gate on this line takes itself for the command of a key, and looks for no restriction of one."""
    return gate_on_line(text) is not None and BY_KEY in shlex.split(text)


def _is_absolute(path: str) -> bool:
    return path.startswith("/") and ".." not in path.split("/")


def _are_door_options(words: list[str]) -> bool:
    rest = iter(words)
    return all(word in _DOOR_OPTIONS and (not _DOOR_OPTIONS[word] or next(rest, None) is not None) for word in rest)

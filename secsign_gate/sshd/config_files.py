"""All lines of sshd's configuration, with Include followed as sshd follows it (sshd_config(5), Include)."""

import glob
import os
from pathlib import Path
from typing import NamedTuple

from secsign_gate.sshd.config_lines import Criterion, Line, parse_criteria, parse_line
from secsign_gate.sshd.program import SshdError

INCLUDES_FROM = "/etc/ssh"  # where a relative name in an Include is looked for
_DEEPEST = 16  # SERVCONF_MAX_DEPTH
_MAX_BYTES = 1 << 20  # of one file; sshd knows no limit, and nobody writes that much by hand
_MOST_FILES = 1000


class Configuration(NamedTuple):
    """What sshd reads: `files` in the order in which it opens them, `lines` in the order in which it obeys them."""

    files: tuple[str, ...]
    lines: tuple[Line, ...]


def read_config(path: str) -> Configuration:
    """Return every line of the configuration at `path`, those of included files where their Include stands.

    Raises SshdError, with a sentence, if a file cannot be read, holds what is no text, or if Includes go in circles.
    """
    reading = _Reading()
    reading.read(path, (), 0)
    return Configuration(tuple(reading.files), tuple(reading.lines))


class _Reading:
    def __init__(self) -> None:
        self.files: list[str] = []
        self.lines: list[Line] = []

    def read(self, path: str, match: tuple[Criterion, ...], depth: int) -> None:
        """Read one file. `match` is that of the block that its Include stands in; a Match in it narrows that."""
        if depth > _DEEPEST:
            raise SshdError(f"{path}: Includes are nested more than {_DEEPEST} deep; one of them includes itself")
        if len(self.files) >= _MOST_FILES:
            raise SshdError(f"{path}: more than {_MOST_FILES} files are included; look for an Include that is too wide")
        self.files.append(path)
        here = match
        for number, text in enumerate(_content(path).split("\n"), 1):
            line = parse_line(path, number, here, text)
            if line is None:
                continue
            if line.keyword == "match":
                here = (*match, *parse_criteria(line.text))
                line = line._replace(match=here)
            self.lines.append(line)
            if line.keyword == "include":
                for pattern in line.arguments:
                    for included in included_by(pattern):
                        self.read(included, here, depth + 1)


def included_by(pattern: str) -> list[str]:
    """Return the files that an argument of Include names, in the order of their bytes; none if there are none."""
    return sorted(_found(_whole(pattern)), key=os.fsencode)


def included_folders(configuration: Configuration) -> list[str]:
    """Return the folders that an Include looks into, each once: what comes and goes there changes what is read."""
    patterns = [pattern for line in configuration.lines if line.keyword == "include" for pattern in line.arguments]
    return [*dict.fromkeys(found for pattern in patterns for found in _found(str(Path(_whole(pattern)).parent)))]


def _whole(pattern: str) -> str:
    return pattern if pattern.startswith(("/", "~")) else f"{INCLUDES_FROM}/{pattern}"


def _found(pattern: str) -> list[str]:
    return glob.glob(pattern)  # noqa: PTH207 - Path.glob also takes hidden files, sshd does not


def _content(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        mend = "run this as root" if isinstance(error, PermissionError) else "correct the name, or the Include of it"
        raise SshdError(f"{path} cannot be read ({error.strerror}); {mend}") from None
    if len(content) > _MAX_BYTES:
        raise SshdError(f"{path} is larger than {_MAX_BYTES} bytes; is it a configuration of sshd?")
    if b"\0" in content:
        raise SshdError(f"{path} holds a NUL byte, so it is no text; restore it from a backup")
    return content.decode("utf-8", "surrogateescape")

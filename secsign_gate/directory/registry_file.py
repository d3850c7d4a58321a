"""The registry's file: root's alone, and whole.

Built-in modules only: sshd starts a program that reads it for each key that is offered. What its lines say:
core/registry_line.py, docs/authorized-keys.md.
"""

from secsign_gate.errors import ConfigError, Problem
from secsign_gate.trusted_file import read_trusted

MAX_BYTES = 16 * 1024 * 1024  # a hundred thousand keys


def read_registry(path: str) -> bytes:
    """Return the content of the registry at `path`, which ends with a newline.

    It must be trustworthy as trusted_file.py says, and nobody's but root's, whoever reads it. Raises ConfigError with
    one problem. A line that is none spoils nothing but itself; what is missing at the end could be anything.
    """
    content = read_trusted(path, limit=MAX_BYTES, roots_alone=True)
    what = ""
    if not content.endswith(b"\n"):
        what = "the last line has no end, so it may be cut off"
    elif b"\0" in content:
        what = "holds NUL bytes, as a file does that a crash has damaged"
    if what:
        raise ConfigError([Problem(path, 0, "", what, "write it again, as a whole")])
    return content

"""The secrets file: one line `name:password`, the PIN account of the REST dialect. No fault quotes its content."""

from secsign_gate.config.settings import PinAccount
from secsign_gate.errors import ConfigError, Problem
from secsign_gate.trusted_file import read_trusted

_MAX_BYTES = 1024


def read_pin_account(path: str) -> PinAccount:
    """Return the PIN account in the file at `path`. Raises ConfigError with one problem.

    The file may be readable by its group (so that logins of that group can ask without a broker of their own), never
    by everybody. Blanks belong to the password; a newline at the end does not.
    """
    return parse_pin_account(path, read_trusted(path, limit=_MAX_BYTES, secret=True))


def parse_pin_account(path: str, content: bytes) -> PinAccount:
    """Return the PIN account in `content`, which is that of the file at `path`. Raises ConfigError."""
    try:
        line = content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise _fault(path, "is not UTF-8") from None
    name, colon, password = line.partition(":")
    if not line.isprintable():
        raise _fault(path, "holds more than one line, or a control character")
    if not (name.strip() and colon and password):
        raise _fault(path, "does not hold a name, a colon and a password")
    return PinAccount(name, password)


def _fault(path: str, what: str) -> ConfigError:
    return ConfigError([Problem(path, 1, "", what, "write one line `name:password`")])

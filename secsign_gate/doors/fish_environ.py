"""Give back the bytes that fish, as the login shell in between, has written differently.

Without a UTF-8 locale fish takes each byte of its environment for a character of Latin-1 and hands it on as UTF-8, so
that `café` arrives in twice as many bytes as it left. Loaded only where there is a byte that is not ASCII.
"""

import posix
import pwd


def as_sshd_gave_it(environ: list[bytes]) -> list[bytes]:
    """Return `environ` as it was before the login shell, if that is a fish in a locale that is not UTF-8's."""
    try:
        shell = pwd.getpwuid(posix.getuid()).pw_shell
    except KeyError:
        return environ
    if shell.rpartition("/")[2] != "fish" or _speaks_utf8(environ):
        return environ
    return [_undone(entry) for entry in environ]


def _speaks_utf8(environ: list[bytes]) -> bool:
    """Tell which the character set is, as setlocale(3) looks for it."""
    variables = dict(entry.partition(b"=")[::2] for entry in environ)
    for name in (b"LC_ALL", b"LC_CTYPE", b"LANG"):
        locale = variables.get(name)
        if locale:
            return locale.lower().replace(b"-", b"").endswith(b"utf8")
    return False


def _undone(entry: bytes) -> bytes:
    try:
        return entry.decode("utf-8").encode("latin-1")
    except UnicodeError:
        return entry  # not of fish's making

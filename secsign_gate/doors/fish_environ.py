"""Give back the bytes that fish, as the login shell in between, has written differently.

Without a UTF-8 locale fish takes each byte of its environment for a character of Latin-1 and hands it on as UTF-8, so
that `café` arrives in twice as many bytes as it left. Loaded only where there is a byte that is not ASCII.
"""

import _locale
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
    """Tell whether setlocale(3) gives a UTF-8 locale, as it did for fish. A name alone does not make one."""
    posix.unsetenv(b"LC_CTYPE")  # CPython may have put one there
    for entry in environ:
        if entry.startswith(b"LC_CTYPE="):
            posix.putenv(b"LC_CTYPE", entry[len(b"LC_CTYPE=") :])
    try:
        _locale.setlocale(_locale.LC_CTYPE, "")
    except _locale.Error:  # type: ignore[attr-defined] # typeshed leaves it out
        return False
    return _locale.nl_langinfo(_locale.CODESET) == "UTF-8"


def _undone(entry: bytes) -> bytes:
    try:
        return entry.decode("utf-8").encode("latin-1")
    except UnicodeError:
        return entry  # not of fish's making

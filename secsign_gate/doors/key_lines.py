"""Find the lines of the user's key files that the broker asks for: it may not read them, this process may."""

import posix
import pwd
from _stat import S_ISREG

from secsign_gate.errors import ClaimError
from secsign_gate.wire import FindKeyLines, KeyLines

_READ_OVER = b"\v\f\r"
_FILE_LIMIT = 8 * 1024 * 1024  # bytes; sshd has none, a person has one
_WRITABLE_BY_OTHERS = 0o022


def find_key_lines(wanted: FindKeyLines) -> KeyLines:
    """Return every line that contains one of the needles, file by file, in order, and which files are unsafe.

    Bytes over which sshd reads within a key are left out for the search. A file that is missing, unreadable or no
    file is passed over, as sshd passes it over. Raises ClaimError for one that cannot be read to its end: what is not
    seen could be what restricts the key.
    """
    found: list[tuple[bytes, int, bytes]] = []
    unsafe = []
    for path in wanted.paths:
        try:
            lines, is_unsafe = _matching(path, wanted.needles)
        except (FileNotFoundError, NotADirectoryError, PermissionError, ValueError):  # ValueError: no file's name
            continue
        except OSError as error:
            raise ClaimError(f"{_printable(path)} cannot be read ({error.strerror}); try again") from None
        found += lines
        if lines and is_unsafe:
            unsafe.append(path)
    return KeyLines(lines=found, unsafe=unsafe)


def _matching(path: bytes, needles: list[bytes]) -> tuple[list[tuple[bytes, int, bytes]], bool]:
    """Return the lines of one file, and whether it is unsafe."""
    lines = []
    descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK)
    try:
        for number, line in enumerate(_content(descriptor).split(b"\n"), 1):
            searched = line.translate(None, _READ_OVER)
            if any(needle in searched for needle in needles):
                lines.append((path, number, line))
        return lines, bool(lines) and _is_unsafe(descriptor)
    finally:
        posix.close(descriptor)


def _content(descriptor: int) -> bytes:
    if not S_ISREG(posix.fstat(descriptor).st_mode):
        return b""
    pieces = []
    size = 0
    while piece := posix.read(descriptor, 1 << 20):
        pieces.append(piece)
        size += len(piece)
        if size > _FILE_LIMIT:
            raise ClaimError(f"a key file is longer than {_FILE_LIMIT} bytes; shorten it")
    return b"".join(pieces)


def _printable(path: bytes) -> str:
    return path.decode("ascii", "backslashreplace")


def _is_unsafe(descriptor: int) -> bool:
    """Tell whether somebody else could have written to the open file; sshd then passes it over (StrictModes).

    Judged are, as by sshd, the file and the directories above it, up to the home directory. Not every sshd is as
    strict (Debian's spares a group of one), and StrictModes may be off: hence a doubt, and not a verdict.
    """
    if _others_may_change(posix.fstat(descriptor)):
        return True
    home = posix.stat(pwd.getpwuid(posix.getuid()).pw_dir)
    directory = posix.readlink(b"/proc/self/fd/%d" % descriptor)
    while directory != b"/":
        directory = directory.rpartition(b"/")[0] or b"/"
        status = posix.stat(directory)
        if _others_may_change(status):
            return True
        if (status.st_dev, status.st_ino) == (home.st_dev, home.st_ino):
            return False
    return False


def _others_may_change(status: posix.stat_result) -> bool:
    return status.st_uid not in (0, posix.getuid()) or bool(status.st_mode & _WRITABLE_BY_OTHERS)

"""Find the lines of the user's key files that the broker asks for: it may not read them, this process may."""

import posix
from _stat import S_ISREG

from secsign_gate.wire import FindKeyLines, KeyLines

_READ_OVER = b"\v\f\r"
_FILE_LIMIT = 8 * 1024 * 1024  # bytes; sshd has none, a person has one


def find_key_lines(wanted: FindKeyLines) -> KeyLines:
    """Return every line that contains one of the needles, file by file, in order.

    Bytes over which sshd reads within a key are left out for the search. A file that is missing, unreadable or no
    file is passed over, as sshd passes it over.
    """
    lines = []
    for path in wanted.paths:
        try:
            content = _read(path)
        except OSError:
            continue
        for number, line in enumerate(content.split(b"\n"), 1):
            searched = line.translate(None, _READ_OVER)
            if any(needle in searched for needle in wanted.needles):
                lines.append((path, number, line))
    return KeyLines(lines)


def _read(path: bytes) -> bytes:
    descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK)
    try:
        if not S_ISREG(posix.fstat(descriptor).st_mode):
            return b""
        pieces = []
        size = 0
        while size <= _FILE_LIMIT and (piece := posix.read(descriptor, 1 << 20)):
            pieces.append(piece)
            size += len(piece)
        return b"".join(pieces)
    finally:
        posix.close(descriptor)

"""Lines of log files, oldest first: the file itself, what rotation made of it, and what is still to come.

Nothing is held in memory but one line and what the buffers hold. What is in the lines is not known here, except that
records have a time.
"""

import gzip
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TypeAlias

import click

from secsign_gate.admin.logged_record import MAX_BYTES, logged_record

Stream: TypeAlias = IO[bytes] | gzip.GzipFile

COMPRESSED = ".gz"
_BLOCK = 64 * 1024
_LONGEST = MAX_BYTES + 1024  # of a line with what syslog puts before it; the rest of a longer one is passed over
# What logrotate(8) and savelog(8) append: a number that grows with age, or (dateext) the date; then .gz perhaps.
_ROTATED = re.compile(r"\.([0-9]{1,5})(?:\.gz)?|-([0-9]{8}(?:-[0-9]{1,10})?)(?:\.gz)?")


def lines_in(stream: Stream) -> Iterator[bytes]:
    """Yield each line of `stream`, the last one perhaps without its newline. Overlong ones are cut."""
    while line := stream.readline(_LONGEST):
        yield line
        while len(line) == _LONGEST and not line.endswith(b"\n"):
            line = stream.readline(_LONGEST)


def file_lines(path: str, since: str) -> Iterator[bytes]:
    """Yield the lines of the file at `path`; first those of its rotated files as far back as `since` is.

    `since` is a time as records have it, empty for the file alone. Raises OSError for a file that cannot be read, and
    click.ClickException for a compressed one that is damaged.
    """
    for name, stream in _back_to(path, since):
        with stream:
            yield from _undamaged(name, stream)


def last_lines(path: str) -> Iterator[bytes]:
    """Yield the lines of the file at `path`, which is not compressed, from the last one to the first.

    The last ones of a file of many GB are there at once. Raises OSError.
    """
    with Path(path).open("rb") as stream:
        start = stream.seek(0, os.SEEK_END)
        if start == 0:
            return
        stream.seek(start - 1)
        if stream.read() == b"\n":
            start -= 1
        line = b""  # of which the beginning has not been read yet
        while start > 0:
            size = min(start, _BLOCK)
            start = stream.seek(start - size)
            beginning, *whole = (stream.read(size) + line).split(b"\n")
            yield from (one[:_LONGEST] for one in reversed(whole))
            line = beginning[:_LONGEST]
        yield line


def followed_lines(path: str, since: str) -> Iterator[bytes | None]:
    """Yield as `file_lines` does, and then what is appended, for ever; None when there is nothing more for the moment.

    A file that is replaced (rotated) is read to its end before the new one, one that is cut is begun again, one that
    does not exist is waited for.
    """
    stream: Stream | None = None
    if Path(path).exists():
        *older, (_, stream) = _back_to(path, since)
        for name, rotated in older:
            with rotated:
                yield from _undamaged(name, rotated)
    while True:
        while stream is None:
            yield None
            stream = _opened_if_there(path)
        with stream:
            yield from _until_replaced(path, stream)
        stream = _opened_if_there(path)


def _until_replaced(path: str, stream: Stream) -> Iterator[bytes | None]:
    """Yield what is and will be in `stream`, until another file has taken its name and all has been read."""
    line = b""
    replaced = False
    while True:
        piece = stream.readline(_LONGEST)
        if piece:
            line = line or piece if len(line) >= _LONGEST else line + piece
            if piece.endswith(b"\n"):
                yield line
                line = b""
            continue
        if replaced:
            break
        # A new file without content may still be ahead of its writer: what comes meanwhile is in the old one.
        replaced = _is_another(path, stream)
        if not replaced:
            if stream.tell() > os.fstat(stream.fileno()).st_size:
                stream.seek(0)
                line = b""
            yield None
    if line:
        yield line


def _is_another(path: str, stream: Stream) -> bool:
    try:
        there = os.stat(path)  # noqa: PTH116 - beside fstat
    except FileNotFoundError:
        return False
    return there.st_size > 0 and not os.path.samestat(there, os.fstat(stream.fileno()))


def _opened_if_there(path: str) -> Stream | None:
    try:
        return _opened(path)
    except FileNotFoundError:
        return None


def _opened(path: str) -> Stream:
    if path.endswith(COMPRESSED):
        return gzip.open(path, "rb")
    return Path(path).open("rb")


def _back_to(path: str, since: str) -> list[tuple[str, Stream]]:
    """Open the file and as many of its rotated ones as it takes to go back to `since`. The oldest comes first."""
    rotated = _rotated(path) if since or not Path(path).exists() else []
    newest = path if Path(path).exists() or not rotated else rotated.pop(0)
    found = [(newest, _opened(newest))]
    for name in rotated:
        if not since or _begins_by(*found[-1], since):
            break
        older = _opened(name)
        if any(os.path.samestat(os.fstat(older.fileno()), os.fstat(one.fileno())) for _, one in found):
            older.close()  # rotated in this very moment
        else:
            found.append((name, older))
    return found[::-1]


def _begins_by(name: str, stream: Stream, since: str) -> bool:
    """Tell whether the first record in `stream` is not later than `since`. Leaves the stream at its beginning."""
    try:
        for line in _undamaged(name, stream):
            try:
                record = logged_record(line)
            except ValueError:
                continue
            if record is not None:
                return record.time <= since
        return False
    finally:
        stream.seek(0)


def _rotated(path: str) -> list[str]:
    """Return the names of the files that rotation has made of the one at `path`, the youngest first."""
    place = Path(path)
    numbered, dated = [], []
    for entry in place.parent.iterdir():
        suffix = _ROTATED.fullmatch(entry.name.removeprefix(place.name)) if entry.name.startswith(place.name) else None
        if suffix is not None and suffix[1] is not None:
            numbered.append((int(suffix[1]), str(entry)))
        elif suffix is not None:
            dated.append((suffix[2], str(entry)))
    return [name for _, name in sorted(numbered)] + [name for _, name in sorted(dated, reverse=True)]


def _undamaged(name: str, stream: Stream) -> Iterator[bytes]:
    try:
        yield from lines_in(stream)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise click.ClickException(
            f"{name} is no whole gzip file; move it away, or ask for younger records by --since"
        ) from None

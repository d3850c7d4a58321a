"""Records from where they are kept: a file, standard input, the journal, or the system's log. Oldest first."""

import sys
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing
from datetime import datetime
from itertools import islice
from pathlib import Path
from time import sleep
from typing import NamedTuple

import click

from secsign_gate.admin.logged_record import LoggedRecord, logged_record
from secsign_gate.admin.record_choice import RecordChoice
from secsign_gate.admin.record_files import COMPRESSED, file_lines, followed_lines, last_lines, lines_in
from secsign_gate.admin.system_journal import journal_is_here, journal_lines, last_journal_lines

_SYSTEM_LOGS = ("/var/log/auth.log", "/var/log/secure")  # where Debian and Red Hat put authpriv
_SECONDS = 0.25  # between two looks at a file that is followed


class Wanted(NamedTuple):
    """`path` is a file, `-` for standard input, None for the system's log. `choice` says which records of it.

    `since` and `until` say the same as the choice, as instants. `limit` is for the last ones of those that are there,
    `follow` for those that will be.
    """

    path: str | None
    choice: RecordChoice
    since: datetime | None
    until: datetime | None
    limit: int | None
    follow: bool


def records(wanted: Wanted) -> Iterator[LoggedRecord]:
    """Yield what is wanted, in the order in which it was written.

    Damaged lines are counted, and told of on standard error at the end. Raises OSError and click.ClickException for a
    log that cannot be read.
    """
    path = wanted.path
    in_journal = path is None and journal_is_here()
    if path is None and not in_journal:
        path = _system_log()
    if wanted.limit is not None and wanted.since is None and not wanted.follow and _can_be_read_backwards(path):
        backwards = last_journal_lines(wanted.until) if path is None else last_lines(path)
        with closing(_chosen(backwards, wanted.choice)) as newest_first:
            last = [*islice(newest_first, wanted.limit)]
        yield from filter(None, reversed(last))
    else:
        yield from _limited(_chosen(_lines(path, wanted), wanted.choice), wanted.limit)


def _system_log() -> str:
    for path in _SYSTEM_LOGS:
        if Path(path).exists():
            return path
    raise click.ClickException("there is no journal and no /var/log/auth.log here; name the log with --file")


def _can_be_read_backwards(path: str | None) -> bool:
    """Tell whether the last ones can be had without the first ones. What is not there may just have been rotated."""
    return path is None or (not path.endswith(COMPRESSED) and Path(path).is_file())


def _lines(path: str | None, wanted: Wanted) -> Iterator[bytes | None]:
    """Return the lines from the oldest on; None where it may take a while until the next one."""
    if path == "-":
        return lines_in(sys.stdin.buffer)
    if path is None:
        return journal_lines(wanted.since, wanted.until, follow=wanted.follow)
    if wanted.follow:
        return followed_lines(path, wanted.choice.since)
    return file_lines(path, wanted.choice.since)


def _chosen(lines: Iterator[bytes | None], choice: RecordChoice) -> Generator[LoggedRecord | None, None, None]:
    """Yield the records that are chosen, and each None."""
    damaged = 0
    try:
        for line in lines:
            if line is None:
                yield None
                continue
            try:
                record = logged_record(line)
            except ValueError:
                damaged += 1
                continue
            if record is not None and choice.takes(record):
                yield record
    finally:
        if damaged:
            what = (
                "1 line is no whole record and is" if damaged == 1 else f"{damaged} lines are no whole records and are"
            )
            click.echo(f"secsign-gate: {what} left out", err=True)


def _limited(chosen: Iterator[LoggedRecord | None], limit: int | None) -> Iterator[LoggedRecord]:
    """Yield the last ones of those that are there, then the others as they come; wait at each None."""
    held: deque[LoggedRecord] | None = deque(maxlen=limit) if limit is not None else None
    for record in chosen:
        if record is None:
            yield from held or ()
            held = None
            sleep(_SECONDS)
        elif held is None:
            yield record
        else:
            held.append(record)
    yield from held or ()

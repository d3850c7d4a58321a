"""The records in systemd's journal, as journalctl(1) prints them."""

import os
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import click

from secsign_gate.admin.record_files import lines_in

_JOURNALCTL = "/usr/bin/journalctl"
_JOURNALS = ("/run/log/journal", "/var/log/journal")
_CURSOR = b"-- cursor: "
# The journal goes by when a message came in, which is later than the record's time, or earlier if a clock was set.
_MARGIN = timedelta(seconds=60)


def journal_is_here() -> bool:
    """Tell whether this host keeps a journal, and the program that reads it."""
    return os.access(_JOURNALCTL, os.X_OK) and any(Path(folder).is_dir() for folder in _JOURNALS)


def journal_lines(since: datetime | None, until: datetime | None, *, follow: bool) -> Iterator[bytes | None]:
    """Yield what was logged as secsign-gate, oldest first, some more on either side of `since` and `until`.

    With `follow` None comes after what is there, then what is logged from then on, as it comes in. Raises
    click.ClickException if journalctl fails; it has said why on standard error.
    """
    last = None
    for line in _printed(["--show-cursor", *_limits(since, until)]):
        if last is not None:
            yield last
        last = line
    if last is not None and not last.startswith(_CURSOR):
        yield last
    if follow:
        yield None
        after = [f"--after-cursor={last.removeprefix(_CURSOR).decode().strip()}"] if last is not None else []
        yield from _printed(["--follow", "--no-tail", *after])


def last_journal_lines(until: datetime | None) -> Iterator[bytes]:
    """Yield what was logged as secsign-gate, the newest first. Raises click.ClickException as `journal_lines`."""
    return _printed(["--reverse", *_limits(None, until)])


def _limits(since: datetime | None, until: datetime | None) -> list[str]:
    return [
        *([f"--since=@{(since - _MARGIN).timestamp():.0f}"] if since else []),
        *([f"--until=@{(until + _MARGIN).timestamp():.0f}"] if until else []),
    ]


def _printed(arguments: list[str]) -> Iterator[bytes]:
    command = [_JOURNALCTL, "--quiet", "--no-pager", "--identifier=secsign-gate", "--output=cat", *arguments]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as journalctl:
        if journalctl.stdout is None:
            raise RuntimeError("a pipe was asked for")
        try:
            yield from lines_in(journalctl.stdout)
        except GeneratorExit:  # enough has been seen
            journalctl.terminate()
            raise
    if journalctl.returncode:
        raise click.ClickException(f"journalctl ended with status {journalctl.returncode}; name a file with --file")

"""`secsign-gate import-mapping`: the vendor's mapping file becomes our users file."""

import os
from pathlib import Path
from typing import BinaryIO

import click

from secsign_gate.directory.users_file import MAX_BYTES
from secsign_gate.directory.vendor_import import import_mapping as users_file_from

_MODE = 0o644  # a broker that runs as the user reads it; the names in it are no secret


_HELP = """Convert FILE, the vendor's secsignid.config, into a users file. A FILE of - is standard input.

Taken are lines `user:id`, `user=id` and `user id`, and comments that begin with #. A line of any other form is refused
and named, and nothing is written.

\b
Examples:
  secsign-gate import-mapping /etc/secsignid.config
  secsign-gate import-mapping /etc/secsignid.config --output /etc/secsign-gate/users

Exit status: 0, or 78 if the file cannot be converted.
"""


@click.command(help=_HELP)
@click.argument("file", type=click.File("rb"))
@click.option("--output", type=click.Path(path_type=Path), help="Write here instead; a file that exists is kept.")
def import_mapping(file: BinaryIO, output: Path | None) -> None:
    """Read the vendor's file and write ours."""
    content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise click.ClickException(f"{file.name} is larger than {MAX_BYTES} bytes; check that it is the right file")
    text = users_file_from(file.name, content)
    if output is None:
        click.echo(text, nl=False)
        return
    _write_new(output, text)
    click.echo(f"wrote {text.count(chr(10))} lines to {output}; now run: secsign-gate check", err=True)


def _write_new(path: Path, text: str) -> None:
    """Create the file with its whole content, or leave no file."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
    except FileExistsError:
        raise click.ClickException(f"{path} exists already; move it away or name another --output") from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as output:
            output.write(text)
            output.flush()
            os.fsync(output.fileno())
    except OSError:
        path.unlink(missing_ok=True)
        raise

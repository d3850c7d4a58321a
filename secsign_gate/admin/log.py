"""`secsign-gate log`: verdicts on record, for people or as the JSON lines that they are."""

import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

import click
from click.core import ParameterSource

from secsign_gate.admin.logged_record import LoggedRecord
from secsign_gate.admin.moment import Span, moment, record_time
from secsign_gate.admin.record_choice import RecordChoice
from secsign_gate.admin.record_files import COMPRESSED
from secsign_gate.admin.record_source import Wanted, records
from secsign_gate.admin.record_view import record_line
from secsign_gate.config import load_settings
from secsign_gate.config.reader import DEFAULT_PATH
from secsign_gate.core.patterns import PatternList
from secsign_gate.core.verdict import Ground, Reason

_TAIL = 10  # records before the first new one, as tail(1) shows lines

_HELP = """Show verdicts on record: when, whether let in, which account, from where, for what, why, how long the person
waited, and the reference that the person saw.

They are read from audit.file of the configuration if it is set, else from the system's log: the journal where there is
one, else /var/log/auth.log. docs/audit.md explains every field and how far to trust it.

\b
Examples:
  secsign-gate log --limit 20                                  the last ones
  secsign-gate log --follow                                    and those to come
  secsign-gate log --reference 7F3KQ2 --json                   all about the one that somebody asks about
  secsign-gate log --verdict refuse --since 2h
  secsign-gate log --account 'svc-*,!svc-backup' --since 2024-05-17 --until 2024-05-18T06:30
  secsign-gate log --reason suspended --reason frozen --since 1w    is somebody trying?
  zcat gate.*.gz | secsign-gate log --file -

A moment is a date, a time of day, both, or an age such as 90s, 30m, 2h, 3d, 1w; without a time zone it is local time.
A date alone means the whole day.

Exit status: 0, also if no record is chosen; 1 if the log cannot be read; 78 if the configuration is wrong.
"""


@click.command(help=_HELP)
@click.option("--account", metavar="PATTERNS", help="Of accounts that an OpenSSH pattern list matches.")
@click.option("--since", metavar="MOMENT", help="Not older. Looks into rotated files (.1, .2.gz) as far as needed.")
@click.option("--until", metavar="MOMENT", help="Not younger.")
@click.option("--verdict", type=click.Choice(["allow", "refuse"]), help="That let somebody in, or did not.")
@click.option(
    "--reason",
    "reasons",
    multiple=True,
    metavar="NAME",
    type=click.Choice([reason.value for reason in Reason]),
    help="Refused for NAME, e.g. no_answer.",
)
@click.option(
    "--ground",
    "grounds",
    multiple=True,
    metavar="NAME",
    type=click.Choice([ground.value for ground in Ground]),
    help="Let in because of NAME, e.g. approved.",
)
@click.option("--reference", metavar="REF", help="With the reference that the person was told.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The last N of them.")
@click.option("--follow", is_flag=True, help=f"Go on with what comes in, after the last {_TAIL} if not told otherwise.")
@click.option("--json", "as_json", is_flag=True, help="Print the records as they were written, one JSON object a line.")
@click.option("--file", "path", metavar="PATH", help="Read this file; - is standard input.")
@click.option("--config", "configuration", default=DEFAULT_PATH, show_default=True, help="Where audit.file is set.")
@click.pass_context
def log(  # noqa: PLR0913 - one parameter for each option
    ctx: click.Context,
    *,
    account: str | None,
    since: str | None,
    until: str | None,
    verdict: str | None,
    reasons: tuple[str, ...],
    grounds: tuple[str, ...],
    reference: str | None,
    limit: int | None,
    follow: bool,
    as_json: bool,
    path: str | None,
    configuration: str,
) -> None:
    """Read, choose, print."""
    if follow and until is not None:
        raise click.UsageError("--follow goes on for ever; leave out --until.", ctx)
    if follow and path is not None and path.endswith(COMPRESSED):
        raise click.UsageError("nothing is appended to a compressed file; leave out --follow.", ctx)
    first = _moment(since, "--since", ctx)
    last = _moment(until, "--until", ctx)
    choice = RecordChoice(
        accounts=_patterns(account, ctx),
        since=record_time(first.first) if first else "",
        until=record_time(last.last) if last else "",
        verdict=verdict or "",
        grounds=grounds,
        reasons=reasons,
        reference=reference or "",
    )
    if follow and limit is None and since is None:
        limit = _TAIL
    wanted = Wanted(
        path=path or _audit_file(configuration, ctx),
        choice=choice,
        since=first.first if first else None,
        until=last.last if last else None,
        limit=limit,
        follow=follow,
    )
    for record in records(wanted):
        click.echo(record.text if as_json else _for_people(record), color=ctx.color)


def _moment(text: str | None, option: str, ctx: click.Context) -> Span | None:
    if text is None:
        return None
    try:
        return moment(text, datetime.now(UTC), None)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param_hint=option) from None


def _patterns(text: str | None, ctx: click.Context) -> PatternList | None:
    if text is None:
        return None
    try:
        return PatternList.parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param_hint="--account") from None


def _audit_file(configuration: str, ctx: click.Context) -> str | None:
    """Return the file that the configuration names, None if it names none, or if this host has no configuration."""
    asked_for = ctx.get_parameter_source("configuration") is not ParameterSource.DEFAULT
    if not asked_for and not Path(configuration).exists():
        return None
    return load_settings(configuration).audit.file


def _for_people(record: LoggedRecord) -> str:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    cells = record_line(record, width, None)
    return " ".join(click.style(cell.text, fg=cell.colour) if cell.colour else cell.text for cell in cells).rstrip()

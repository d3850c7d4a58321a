"""`secsign-gate doctor`: what stands open on this host, what does not work, and how to mend it."""

import json
import os
import shutil
import sys
from typing import Any

import click

from secsign_gate.activation.journal import Journal
from secsign_gate.activation.on_record import examine_change
from secsign_gate.admin.doctor_push import PushMade
from secsign_gate.admin.doctor_report import exit_status, report
from secsign_gate.admin.doctor_text import Page, doctor_text, steps_text
from secsign_gate.config.reader import DEFAULT_PATH
from secsign_gate.core.verdict import Reason
from secsign_gate.core.verdict import exit_status as refusal_status
from secsign_gate.doctor.at_sshd import see_sshd
from secsign_gate.doctor.host import examine_host
from secsign_gate.doctor.one_login import NoSuchAccountError
from secsign_gate.doctor.rehearsal import NoSuchLoginError
from secsign_gate.doctor.station import Examined, Station
from secsign_gate.doctor.walk import Asked, examine_login

_HELP = """Look at this host from sshd to the phone, and report what stands open, what does not work, why it matters,
and the exact line that mends it: what sshd would really do, who could change the gate's files, whether the daemon
serves, whether the ID server answers, and who has a SecSign ID. Run it as root. It changes nothing.

With --user, walk the way of one account's login, without a push; with --push as well, really make one, and tell how it
goes and how long it takes. Nobody is let in by it.

`secsign-gate check` looks at the configuration, the users file and the daemon only: run that after each change to them,
and this one after each change to sshd, and when somebody cannot log in.

\b
Examples:
  secsign-gate doctor
  secsign-gate doctor --all
  secsign-gate doctor --group ops
  secsign-gate doctor --user alice
  secsign-gate doctor --user alice --push
  secsign-gate doctor --json | jq '.stations[].findings[] | select(.status == "open")'

\b
Exit status, the first that applies:
  1    something is open
  78   something is set up so that it does not work, or locks somebody out
  75   daemon or ID server do not answer as they should, or something could not be looked at
  77   the push was not accepted
  0    nothing of these, though something may be weak
"""


@click.command(help=_HELP)
@click.option("--config", "path", default=DEFAULT_PATH, show_default=True, help="The gate's configuration.")
@click.option("--sshd", metavar="PATH", help="The sshd to ask. Default: the one that runs.")
@click.option("--sshd-config", metavar="PATH", help="Its configuration. Default: that of the one that runs.")
@click.option("--group", "groups", multiple=True, metavar="NAME", help="Ask sshd about this group's members only.")
@click.option("--user", metavar="NAME", help="Walk the way of this account's login.")
@click.option("--fingerprint", "fingerprints", multiple=True, help="... with the key of this fingerprint (SHA256:...).")
@click.option("--push", is_flag=True, help="... and push once. Whoever holds the phone sees that it is a test.")
@click.option("--offline", is_flag=True, help="Do not ask the ID servers.")
@click.option("--all", "everything", is_flag=True, help="List what is in order, too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def doctor(  # noqa: PLR0913 - one parameter for each option
    ctx: click.Context,
    *,
    path: str,
    sshd: str | None,
    sshd_config: str | None,
    groups: tuple[str, ...],
    user: str | None,
    fingerprints: tuple[str, ...],
    push: bool,
    offline: bool,
    everything: bool,
    as_json: bool,
) -> None:
    """Examine, and print what was found."""
    if user is None and (push or fingerprints):
        raise click.UsageError("--push and --fingerprint are about one login: add --user.", ctx)
    if push and offline:
        raise click.UsageError("--push asks the ID server: leave out --offline.", ctx)
    if user is not None and groups:
        raise click.UsageError("--user is one account and --group are many: leave out one of them.", ctx)
    page = _page()
    if user is None:
        examined = _with_change(examine_host(path, see_sshd(sshd, sshd_config), groups, id_servers=not offline))
        if as_json:
            click.echo(json.dumps(report(examined), indent=2))
        else:
            click.echo(doctor_text(examined, page, everything=everything), color=ctx.color)
        ctx.exit(exit_status(examined))
    try:
        walk = examine_login(Asked(user, path, sshd, sshd_config, fingerprints), id_servers=not offline)
    except (NoSuchAccountError, NoSuchLoginError) as error:
        raise click.ClickException(str(error)) from None
    found: dict[str, Any] = report(walk.examined) | {
        "account": walk.account.name,
        "secsign_ids": list(walk.secsign_ids),
    }
    if not as_json:
        click.echo(steps_text(walk.examined, page), color=ctx.color)
    status = exit_status(walk.examined)
    if push:
        made = PushMade(page, ctx.color, quiet=as_json)
        end = made.push(walk)
        found["push"] = end._asdict() | {"stages": made.stages}
        status = status or (0 if end.accepted else refusal_status(Reason(end.why)))
    if as_json:
        click.echo(json.dumps(found, indent=2))
    ctx.exit(status)


def _with_change(examined: tuple[Examined, ...]) -> tuple[Examined, ...]:
    """Say at sshd's station, too, whether a change to sshd is under way; only root can know."""
    if os.geteuid() != 0:
        return examined
    change = examine_change(Journal())
    return tuple(
        one._replace(findings=(*change, *one.findings)) if one.station is Station.SSHD else one for one in examined
    )


def _page() -> Page:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    return Page(width, unicode=(sys.stdout.encoding or "").lower().replace("-", "") == "utf8")

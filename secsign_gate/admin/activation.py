"""`secsign-gate enable`, `confirm` and `disable`: switching the gate on and off."""

import os
import sys
import time
from typing import Any

import click

from secsign_gate.activation.change import Change, Phase
from secsign_gate.activation.confirm import confirm as keep_change
from secsign_gate.activation.confirm import disable as switch_off
from secsign_gate.activation.confirm import undo_unconfirmed
from secsign_gate.activation.enable import enable_gate
from secsign_gate.activation.journal import Journal
from secsign_gate.activation.orders import UnavailableError, asks_daemon, usable_orders
from secsign_gate.activation.plan import Doors, Gated
from secsign_gate.activation.planning import DOORS, FORCE_COMMAND, PAM, Plan, Request, plan_change
from secsign_gate.activation.server import require_root
from secsign_gate.activation.trial import NoTrial, Trial
from secsign_gate.admin.activation_report import Report, printable
from secsign_gate.config.reader import DEFAULT_PATH
from secsign_gate.errors import ConfigError, GateError

_ENABLE_HELP = """Switch the gate on in sshd, so that nobody can be locked out by it.

It shows what would change and asks. Then it keeps what is there, makes the undo ready, writes the drop-in, has sshd
test it, tries logins, and tells sshd to read it. From then on it waits for `secsign-gate confirm` from a login that is
new; if none comes within --minutes, everything is put back, whatever became of this command, its session or the host.
Open sessions go on through all of it.

\b
Examples:
  secsign-gate enable --user alice --dry-run
  secsign-gate enable --user alice
  secsign-gate enable --group operators --break-glass rescue
  secsign-gate enable --all --break-glass rescue --identity ~/.ssh/id_ed25519

\b
Exit status:
  0    confirmed; or nothing had to be changed, or --dry-run or --no-wait was given and all went well
  1    not switched on, or not confirmed: everything is as it was before
  2    the command line is wrong
  75   the ID server or the daemon does not answer; nothing was changed
  78   the gate's configuration is wrong; nothing was changed
  130  interrupted while it waited; the change still waits to be confirmed, or is undone
"""
_CONFIRM_HELP = """Keep what `secsign-gate enable` has changed. Say so in a login that you have opened since, by SSH: it
proves that you get in. A further channel of a connection that was open before (ControlMaster) is no such login.

\b
Examples:
  ssh alice@web1                    from where you sit, in another window
  sudo secsign-gate confirm

Exit status: 0 if it is kept; 1 if it is not, because this is no new login, or nothing waits to be confirmed.
"""
_DISABLE_HELP = """Switch the gate off in sshd: put back what was there before `secsign-gate enable`, byte for byte,
and tell sshd to read it. Open sessions go on.

\b
Examples:
  secsign-gate disable
  secsign-gate disable --unconfirmed      only if nobody has confirmed it: do not wait for the undo

Exit status: 0 if it is off, also if it was before; 1 if something is left to do, which is then tried again by itself.
"""


_NOT_ON = (
    "nothing was changed: the gate is not on by `secsign-gate enable`; what was put into sshd_config.d by hand is taken"
    " away by hand"
)
_LOOK_EVERY = 0.3


class _Failed(click.ClickException):
    """What was to be done was not done."""

    exit_code = 1


@click.command(help=_ENABLE_HELP)
@click.option("--user", "users", multiple=True, metavar="NAME", help="Gate this account. May be repeated.")
@click.option("--group", "groups", multiple=True, metavar="NAME", help="Gate the members of this group.")
@click.option("--all", "everybody", is_flag=True, help="Gate everybody.")
@click.option("--break-glass", multiple=True, metavar="ACCOUNT", help="Leave this account as it is, for a bad day.")
@click.option(
    "--door",
    "door_names",
    type=click.Choice(DOORS),
    multiple=True,
    default=(FORCE_COMMAND,),
    show_default=True,
    help="Which doors to set up. May be repeated.",
)
@click.option(
    "--broker/--embedded",
    "broker",
    default=None,
    help="Doors ask the daemon, or start a broker each.  [default: the daemon if one is set up]",
)
@click.option("--minutes", type=click.FloatRange(0.01, 1440), default=5, show_default=True, help="Undo it after these.")
@click.option("--config", "orders", default=DEFAULT_PATH, show_default=True, help="The gate's configuration.")
@click.option("--sshd", metavar="FILE", help="The sshd that is meant.  [default: the one that listens]")
@click.option("--sshd-config", metavar="FILE", help="Its configuration.  [default: the one that it was started with]")
@click.option("--drop-in-directory", "directory", metavar="DIRECTORY", help="Where sshd_config includes drop-ins from.")
@click.option("--identity", metavar="FILE", help="A private key to try a gated login with, or `agent`.")
@click.option("--break-glass-identity", metavar="FILE", help="One to try the way in for a bad day with.")
@click.option("--no-trial", is_flag=True, help="Try no login before it is confirmed.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--no-wait", is_flag=True, help="End when the change waits to be confirmed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
@click.pass_context
def enable(ctx: click.Context, /, **given: Any) -> None:
    """Plan, show, ask, do, and wait."""
    report = Report(as_json=given["as_json"], color=ctx.color)
    journal = Journal()
    try:
        require_root()
        request = _request(ctx, given)
        if given["dry_run"]:
            report.plan(plan_change(request, journal))
            report.end("planned")
            return

        def agree(plan: Plan) -> bool:
            report.plan(plan)
            if given["yes"] or _agreed():
                return True
            raise _Failed("nothing was changed")

        change = enable_gate(request, journal, _trial(given, request.orders), agree=agree, say=report.done)
        if change is None:
            report.end("unchanged", "the drop-in says this already; nothing had to be changed")
            return
        report.waits(change)
        sys.stdout.flush()
        if given["no_wait"]:
            report.end("waiting", change=change)
            return
        _wait(journal, change)
        report.end("confirmed", "confirmed")
    except KeyboardInterrupt:
        _tell_interrupted(journal)
        raise click.Abort from None
    except (ConfigError, UnavailableError):
        raise
    except GateError as error:
        raise _Failed(str(error)) from None


@click.command(help=_CONFIRM_HELP)
@click.option("--at-the-console", is_flag=True, help="You sit where no sshd is needed to get in.")
def confirm(*, at_the_console: bool) -> None:
    """Confirm."""
    try:
        change = keep_change(Journal(), at_the_console=at_the_console)
    except GateError as error:
        raise _Failed(str(error)) from None
    click.echo(
        f"confirmed: the gate stands in front of {printable(change.gated)}; `secsign-gate disable` takes it away"
    )


@click.command(help=_DISABLE_HELP)
@click.option("--unconfirmed", is_flag=True, help="Only undo what nobody has confirmed.")
@click.option("--at-boot", is_flag=True, hidden=True)
def disable(*, unconfirmed: bool, at_boot: bool) -> None:
    """Switch it off."""
    try:
        if unconfirmed:
            click.echo(undo_unconfirmed(Journal(), at_boot=at_boot))
            return
        change = switch_off(Journal(), sys.prefix, say=lambda sentence: click.echo(f"  {printable(sentence)}"))
    except GateError as error:
        raise _Failed(str(error)) from None
    click.echo("the gate is off; everything is as it was before" if change else _NOT_ON)


def _request(ctx: click.Context, given: dict[str, Any]) -> Request:
    kinds = [bool(given["users"]), bool(given["groups"]), given["everybody"]]
    if sum(kinds) != 1:
        raise click.UsageError("say whom the gate is for: --user, --group or --all, and one of them only.", ctx)
    gated = Gated("all")
    if given["users"]:
        gated = Gated("user", given["users"])
    elif given["groups"]:
        gated = Gated("group", given["groups"])
    settings = usable_orders(given["orders"]).settings
    daemon = asks_daemon(settings) if given["broker"] is None else given["broker"]
    return Request(
        gated=gated,
        break_glass=given["break_glass"],
        doors=Doors(settings.path, settings.broker.socket if daemon else "", sys.prefix),
        door_names=frozenset(given["door_names"]),
        seconds=given["minutes"] * 60,
        orders=settings.path,
        sshd=given["sshd"],
        sshd_config=given["sshd_config"],
        directory=given["directory"],
    )


def _trial(given: dict[str, Any], orders: str) -> Trial:
    """Return how logins are to be tried, with the keys that were named. Raises ProbeError."""
    if given["no_trial"]:
        return NoTrial()
    from secsign_gate.activation.logins import Logins  # noqa: PLC0415 - paramiko takes half a second to load
    from secsign_gate.probe.fault import ProbeError  # noqa: PLC0415 - as above
    from secsign_gate.probe.identity import agent_identities, read_identity  # noqa: PLC0415 - as above

    def identities(name: str | None) -> tuple[Any, ...]:
        if name != "agent":
            return () if name is None else (read_identity(name, _ask),)
        found = tuple(agent_identities())
        if not found:
            raise ProbeError("no agent with a key is reached; try `sudo --preserve-env=SSH_AUTH_SOCK`, or name a file")
        return found

    return Logins(
        usable_orders(orders).settings.policy,
        FORCE_COMMAND in given["door_names"] and PAM not in given["door_names"],
        os.environ.get("SUDO_USER", ""),
        identities(given["identity"]),
        identities(given["break_glass_identity"]),
    )


def _agreed() -> bool:
    """Ask whether to go on. Where nobody can answer, that is said."""
    click.echo("Do it? [y/N]: ", err=True, nl=False)
    answer = sys.stdin.buffer.readline() if sys.stdin else b""  # None if it was closed
    if not answer:
        click.echo(err=True)
        raise _Failed("nobody answers on standard input, so nothing was changed; say --yes if you mean it")
    return answer.strip().lower() in (b"y", b"yes")


def _ask(prompt: str) -> str:
    answer: str = click.prompt(prompt.rstrip(": "), hide_input=True, err=True)
    return answer


def _wait(journal: Journal, change: Change) -> None:
    """Return once the change is confirmed. Raises click.ClickException once it is undone."""
    while True:
        present = journal.read()
        if present is None or present.started != change.started:
            raise _Failed("it was not confirmed, so everything is as it was before")
        if present.phase is Phase.CONFIRMED:
            return
        time.sleep(_LOOK_EVERY)


def _tell_interrupted(journal: Journal) -> None:
    change = journal.read()
    if change is not None and change.phase is Phase.WAITING:
        click.echo("it still waits to be confirmed; `secsign-gate disable --unconfirmed` undoes it now", err=True)

"""`secsign-gate check`: every mistake in the files that the gate takes orders from, and what a login would meet."""

import json

import click

from secsign_gate.config import Settings
from secsign_gate.config.reader import DEFAULT_PATH
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.core.verdict import CONFIGURATION_ERROR
from secsign_gate.directory.registry import Registry
from secsign_gate.directory.users_file import Users
from secsign_gate.doctor.daemon_found import DaemonFound, daemon_found
from secsign_gate.doctor.orders import load_orders, mapped_accounts, strangers
from secsign_gate.doctor.rehearsal import Described, NoSuchLoginError, Rehearsal, rehearse
from secsign_gate.errors import ConfigError, Problem

_HELP = """Load the configuration and the users file, look for the daemon if there is to be one, and tell every problem
at once, or a summary. As root, also whether the daemon serves, and whether it may read what it needs.

\b
Examples:
  secsign-gate check
  secsign-gate check --account alice
  secsign-gate check --account deploy --fingerprint SHA256:... --command uptime
  secsign-gate check --account nagios --client 192.0.2.7 --json

That is all it looks at; `secsign-gate doctor` looks at sshd, the gate's own files and the ID server, too.

Nobody is asked and nothing is changed. Exit status: 0 if all is in order, 78 if not.
"""


@click.command(help=_HELP)
@click.option("--config", "path", default=DEFAULT_PATH, show_default=True, help="The configuration to check.")
@click.option("--account", help="Tell what a login to this account would meet.")
@click.option("--fingerprint", "fingerprints", multiple=True, help="... with the key of this fingerprint (SHA256:...).")
@click.option("--command", help="... for this command, instead of a shell.")
@click.option("--client", help="... from this address.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def check(  # noqa: PLR0913 - one parameter for each option
    ctx: click.Context,
    *,
    path: str,
    account: str | None,
    fingerprints: tuple[str, ...],
    command: str | None,
    client: str | None,
    as_json: bool,
) -> None:
    """Load what the gate would load, and print what is wrong with it or what it says."""
    if account is None and (fingerprints or command is not None or client is not None):
        raise click.UsageError("--fingerprint, --command and --client describe a login: add --account.", ctx)
    orders = load_orders(path)
    problems, settings, users, _ = orders
    daemon = None
    if settings is not None:
        daemon = daemon_found(settings)
        known = {str(problem) for problem in problems}
        problems += [problem for problem in daemon.problems if str(problem) not in known]
    if problems or settings is None or users is None or daemon is None:
        if not as_json:
            raise ConfigError(problems)
        click.echo(json.dumps({"ok": False, "configuration": path, "problems": [*map(_fields, problems)]}, indent=2))
        ctx.exit(CONFIGURATION_ERROR)
    rehearsal = None
    if account is not None:
        holders = orders.holders(account, fingerprints)
        rehearsal = _rehearsed(Described(account, fingerprints, command, client), settings, users, holders)
    notes = _notes(users, orders.registry) + daemon.notes
    if as_json:
        click.echo(json.dumps(_report(settings, users, daemon, notes, rehearsal), indent=2))
        return
    for line in _summary(settings, users, orders.registry, daemon):
        click.echo(line)
    for note in notes:
        click.echo(f"{click.style('note', fg='yellow')}: {note}")
    if rehearsal is not None:
        click.echo(f"{click.style(rehearsal.outcome, bold=True)}: {rehearsal.sentence}")


def _rehearsed(described: Described, settings: Settings, users: Users, holders: frozenset[SecSignId]) -> Rehearsal:
    try:
        return rehearse(described, settings, users, holders)
    except NoSuchLoginError as error:
        raise click.ClickException(str(error)) from None


def _notes(users: Users, registry: Registry | None) -> list[str]:
    """Return what is no mistake but may not be meant."""
    if not users.rules and not (registry and registry.lines):
        return ["the users file maps nobody, so only logins that need no approval are let in"]
    files = [("users file", mapped_accounts(users))]
    files += [("registry", sorted(registry.accounts))] if registry is not None else []
    return [
        f"the {file} names {account}, whom this host does not know"
        for file, accounts in files
        for account in strangers(accounts)
    ]


def _summary(settings: Settings, users: Users, registry: Registry | None, daemon: DaemonFound) -> list[str]:
    server, policy, audit = settings.id_server, settings.policy, settings.audit
    credentials = f", PIN account {server.pin_account.name}" if server.pin_account else ""
    exempt = [
        *([f"accounts {policy.exempt_accounts.text}"] if policy.exempt_accounts.text else []),
        *([f"groups {policy.exempt_groups.text}"] if policy.exempt_groups.text else []),
        *[f"network {network}" for network in policy.exempt_networks],
        *[f"command {rule.command.decode()!a} of {rule.accounts.text}" for rule in policy.exempt_commands],
    ]
    sinks = [*(["syslog authpriv"] if audit.syslog else []), *([audit.file] if audit.file else [])]
    in_order = click.style("in order", fg="green")
    keys = []
    if registry is not None:
        keys = [
            f"{settings.registry_file}: {in_order}, {len(registry.lines)} keys for {len(registry.accounts)} accounts"
        ]
    return [
        f"{settings.path}: {in_order}",
        f"{settings.users_file}: {in_order}, {len(users)} lines for {len(mapped_accounts(users))} accounts",
        *keys,
        f"ID server: {server.url} ({server.dialect}{credentials})",
        f"needs no approval: {'; '.join(exempt) or 'nobody'}",
        f"recorded in: {', '.join(sinks)}",
        f"daemon: {daemon.sentence}",
    ]


def _report(
    settings: Settings, users: Users, daemon: DaemonFound, notes: list[str], rehearsal: Rehearsal | None
) -> dict[str, object]:
    report: dict[str, object] = {
        "ok": True,
        "configuration": settings.path,
        "users_file": settings.users_file,
        "registry_file": settings.registry_file,
        "id_server": {"url": settings.id_server.url, "dialect": settings.id_server.dialect},
        "accounts": mapped_accounts(users),
        "daemon": {"socket": settings.broker.socket, "state": daemon.state},
        "problems": [],
        "notes": notes,
    }
    return report if rehearsal is None else report | {"login": rehearsal._asdict()}


def _fields(problem: Problem) -> dict[str, object]:
    return {
        "path": problem.path,
        "line": problem.line,
        "key": problem.key,
        "what": problem.what,
        "remedy": problem.remedy,
    }

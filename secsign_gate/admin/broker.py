"""`secsign-gate broker`, and what may be asked of one that runs: `status` and `unblock`."""

import asyncio
import json
from typing import Any

import click

from secsign_gate.admin.status_text import status_text
from secsign_gate.broker.control import ControlError, asked
from secsign_gate.broker.listening import control_path
from secsign_gate.config.reader import DEFAULT_PATH, broker_socket_named_in

_BROKER_HELP = """Serve all logins of this host as a daemon: one approval covers all channels of an SSH connection.

Start it as root; it gives up root at once, for the account in [broker] of the configuration, and keeps a helper that
does nothing but tell it what the kernel knows of a process.

\b
Examples:
  secsign-gate broker                           in the foreground; Ctrl-C ends it
  systemctl enable --now secsign-gate.socket secsign-gate.service
                                                with the units in share/secsign-gate/systemd

\b
Doors ask it if the ForceCommand line says so, in place of --config:
  ... secsign-gate-force-command --broker /run/secsign-gate/broker.sock

SIGHUP reads configuration and users file again; if they are not usable, the old ones stay in force, and `status` says
so. SIGTERM refuses everybody who waits, withdraws their pushes and ends.

Exit status: 0 once it was told to end; 78 if the configuration, the account or the socket's folder is wrong; 75 if its
helper did not start.
"""
_STATUS_HELP = """Show what a running broker is doing: who waits, whose connections are approved, who was pushed how
often, and how the ID servers are. Needs root.

\b
Examples:
  secsign-gate status
  secsign-gate status --json | jq .waiting

Exit status: 0 if all is well, 1 if an ID server is down, the monitor has ended or new orders were not usable, 75 if no
broker answers.
"""
_UNBLOCK_HELP = """Forget how often NAME, an account or a SecSign ID, was pushed and what was denied, so that the next
login is asked for at once. Of an account, its SecSign IDs are freed, too. Needs root.

\b
Examples:
  secsign-gate unblock alice
  secsign-gate unblock alice@example.org

Exit status: 0, also if nothing was held against NAME; 75 if no broker answers.
"""
_config = click.option("--config", "path", default=DEFAULT_PATH, show_default=True, help="The broker's configuration.")


@click.command(help=_BROKER_HELP)
@_config
def broker(path: str) -> None:
    """Run the daemon until it is told to stop."""
    from secsign_gate.broker.start import start  # noqa: PLC0415 - all of the broker, for this command only

    start(path)


@click.command(help=_STATUS_HELP)
@_config
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def status(ctx: click.Context, *, path: str, as_json: bool) -> None:
    """Ask and show."""
    found = _asked(path, {"request": "status"})
    click.echo(json.dumps(found, indent=2) if as_json else status_text(found), color=ctx.color)
    unwell = (
        found["configuration_fault"]
        or found["monitor"] != "running"
        or any(server["state"] == "down" for server in found["id_servers"])
    )
    ctx.exit(1 if unwell else 0)


@click.command(help=_UNBLOCK_HELP)
@click.argument("name")
@_config
def unblock(*, name: str, path: str) -> None:
    """Have it forgotten, and say whether there was anything."""
    freed = _asked(path, {"request": "unblock", "name": name})["unblocked"]
    for subject in freed:
        kind = "SecSign ID" if subject["kind"] == "secsign_id" else subject["kind"]
        click.echo(f"{kind} {subject['name']} may be pushed again")
    if not freed:
        click.echo(f"nothing was held against {name}")


def _asked(path: str, request: dict[str, str]) -> dict[str, Any]:
    socket_path = control_path(broker_socket_named_in(path))
    try:
        return asyncio.run(asked(socket_path, request))
    except (KeyError, TypeError):
        raise ControlError(f"the broker at {socket_path} is of another version; restart it") from None

"""`secsign-gate pam`: what to write into /etc/pam.d, for people; started by pam_exec(8), it becomes the door."""

import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from secsign_gate.activation.plan import Doors
from secsign_gate.activation.plan_doors import pam_example
from secsign_gate.activation.shipped import shipped_pam
from secsign_gate.config import load_settings
from secsign_gate.config.reader import DEFAULT_PATH, DEFAULT_SOCKET
from secsign_gate.errors import ConfigError, Problem

SETUPS = ("login", "sshd-account", "sshd-password-then-push", "sshd-publickey-then-push", "sudo")
_DOOR = "secsign-gate-pam"
_SET_BY_PAM_EXEC = "PAM_TYPE"

_HELP = f"""Print the lines for /etc/pam.d on this host, by which PAM asks the phone before it lets somebody in.

The first lines that are printed say which line of which file the others take the place of, and what sshd_config needs
besides. Nothing is changed, and nobody is asked. The daemon must be running: PAM asks it and nobody else.

\b
Which SETUP:
  sshd-account              after the key, before all of the connection, forwarding too; BatchMode goes on working
  sshd-publickey-then-push  key, then phone, where several people share an account; not for BatchMode
  sshd-password-then-push   password, then phone; not for BatchMode
  sudo                      password of whoever calls sudo, then the phone
  login                     the console; and su: the same lines

\b
Which line where:
  account  ours before @include common-account, which ends with a yes where a password has expired
  auth     ours behind the lines that ask for the password, and those requisite: else a wrong one rings the phone
  Never in common-auth or common-account: cron and others read these, too, and the gate refuses there.

\b
Options on the line that is printed (docs/pam.md):
  --seconds N        refuse after N seconds (90); less than LoginGraceTime
  --after-password   in auth lines: a password has been verified before this line
  --say-before       sshd 10.3 or newer, auth lines: say at once which phone to look at

\b
Examples:
  secsign-gate pam sshd-account
  secsign-gate pam sudo | grep -v '^#'          only the lines
  secsign-gate enable --door pam --user alice   the same for sshd, tried, and undone unless you confirm it

\b
Exit status:
  0   printed
  2   there is no such SETUP
  75  the example is missing; install the program anew
  78  the configuration, which says where the daemon listens, is wrong

Started by pam_exec, which sets {_SET_BY_PAM_EXEC}, this becomes the door itself, with the door's options and exit
status. The lines that are printed start {_DOOR} instead, which is there sooner, and isolated from the start.
"""


class _DoorForPamExec(click.Command):
    """The command, unless pam_exec has started it: then nothing may end with 0 but the door, not even --help."""

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **more: Any) -> click.Context:
        """Begin the command, or be the door."""
        if _SET_BY_PAM_EXEC in os.environ:
            _become_door(args)
        return super().make_context(info_name, args, *rest, **more)


@click.command(cls=_DoorForPamExec, help=_HELP, no_args_is_help=True)
@click.argument("setup", type=click.Choice(SETUPS), metavar="SETUP")
@click.option("--broker", metavar="SOCKET", help="Where the daemon listens, if not where the configuration says.")
@click.option("--config", metavar="FILE", help=f"The configuration ({DEFAULT_PATH}).")
def pam(setup: str, broker: str | None, config: str | None) -> None:
    """Print a set-up."""
    socket = broker or _socket(config)
    if not socket.startswith("/"):
        raise click.BadParameter("the door needs an absolute path.", param_hint="--broker")
    click.echo(pam_example(shipped_pam(setup), Doors("", socket, sys.prefix)), nl=False)


def _socket(config: str | None) -> str:
    """Return where the daemon listens. Raises ConfigError."""
    if config is None and not Path(DEFAULT_PATH).exists():
        return DEFAULT_SOCKET
    return load_settings(config or DEFAULT_PATH).broker.socket


def _become_door(arguments: list[str]) -> NoReturn:
    """Be what PAM should have started. Raises ConfigError if that is not installed, OSError if it cannot be started."""
    door = Path(sys.executable).parent / _DOOR
    if not door.is_file():
        raise ConfigError([Problem(str(door), 0, "", "is missing, so PAM lets nobody in", "install the program anew")])
    os.execv(sys.executable, [sys.executable, "-I", "-S", str(door), *arguments])  # noqa: S606 - no shell is wanted

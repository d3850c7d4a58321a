"""The administrator's command line: what commands there are, their help, and how each ends.

The work is done elsewhere. This is the one place where a fault becomes a sentence and an exit status, and only the
unexpected shows a traceback. Commands are imported when they are called: `secsign-gate --help` loads no web server.
"""

import importlib
import os
import sys
from typing import NamedTuple, NoReturn

import click

from secsign_gate import __version__
from secsign_gate.core.verdict import CONFIGURATION_ERROR, COULD_NOT_ASK
from secsign_gate.errors import ConfigError, GateError

_FAILED = 1
_INTERRUPTED = 130  # 128 + SIGINT, as a shell says it

_HELP = """Phone approval for OpenSSH logins: after the key, one tap on the phone, then the session that sshd would have
given anyway.

sshd starts the gate by itself (see sshd_config.d/). These commands are for the administrator.

\b
Try it without touching sshd:
  secsign-gate simulator --id alice             an ID server with a phone
  secsign-gate phone list                       what is on the phone
  secsign-gate phone accept alice               tap "accept"

\b
Set it up:
  secsign-gate import-mapping secsignid.config --output /etc/secsign-gate/users
  secsign-gate check                                         every mistake in the files; is the daemon well?
  secsign-gate check --account alice --command uptime        what a login would meet
  secsign-gate probe alice@web1                              what gets past the gate, tried from outside
  secsign-gate doctor                                        what stands open, from sshd to the phone
  secsign-gate doctor --user alice                           why somebody cannot log in

\b
Switch it on, and off again:
  secsign-gate enable --user alice                           shows the plan, tries it, undoes it unless ...
  secsign-gate confirm                                       ... a new login says that it is well
  secsign-gate disable                                       as it was before
  secsign-gate pam sudo                                      the lines for /etc/pam.d, to do it by hand

\b
Look at what it does:
  secsign-gate log --limit 20                                the last verdicts
  secsign-gate log --follow --verdict refuse                 refusals, as they come

\b
Run it:
  secsign-gate broker                       one daemon for all logins of this host
  secsign-gate status                       who waits, who is approved, how the ID servers are
  secsign-gate unblock alice                let somebody be pushed again

\b
Exit status:
  0    done, and nothing is wrong
  1    the command failed, or was refused
  2    the command line is wrong
  75   somebody who had to be asked did not answer: ID server, broker, or log
  78   a file that orders are read from is wrong
  130  interrupted
"""


class _Command(NamedTuple):
    """Where a command is: `attribute` of `module`. One that needs an extra of the package says so when it is called."""

    module: str
    attribute: str
    short_help: str


_COMMANDS = {
    "authorized-keys": _Command(
        "secsign_gate.admin.authorized_keys", "authorized_keys", "Print what sshd is told of an offered key."
    ),
    "broker": _Command("secsign_gate.admin.broker", "broker", "Serve all logins of this host as a daemon."),
    "check": _Command("secsign_gate.admin.check", "check", "Find every mistake in the configuration."),
    "confirm": _Command("secsign_gate.admin.activation", "confirm", "Keep what enable has changed."),
    "disable": _Command("secsign_gate.admin.activation", "disable", "Switch the gate off in sshd."),
    "doctor": _Command("secsign_gate.admin.doctor", "doctor", "Find what stands open, and what does not work."),
    "enable": _Command("secsign_gate.admin.activation", "enable", "Switch the gate on in sshd, safely."),
    "import-mapping": _Command(
        "secsign_gate.admin.import_mapping", "import_mapping", "Convert the vendor's secsignid.config."
    ),
    "log": _Command("secsign_gate.admin.log", "log", "Show verdicts on record."),
    "pam": _Command("secsign_gate.admin.pam", "pam", "Print the lines for /etc/pam.d."),
    "phone": _Command("secsign_gate.simulator.cli", "phone", "Use the simulator's phone."),
    "probe": _Command("secsign_gate.admin.probe", "probe", "Try from outside what gets past the gate."),
    "simulator": _Command("secsign_gate.simulator.cli", "simulator", "Run an ID server with a phone."),
    "status": _Command("secsign_gate.admin.broker", "status", "Show what a running broker is doing."),
    "unblock": _Command("secsign_gate.admin.broker", "unblock", "Let somebody be pushed again."),
}


# The first three see to changes that are under way themselves. The last one may be somebody's login.
_UNDO_NOTHING = ("confirm", "disable", "enable", "pam")


class _Commands(click.Group):
    """A group whose commands are imported when they are called; their one-line helps are known before."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the help."""
        del ctx
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command, or return None if there is none of the name."""
        del ctx
        entry = _COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command = getattr(importlib.import_module(entry.module), entry.attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry.module}.{entry.attribute} is no command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing one."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, _COMMANDS[name].short_help) for name in sorted(_COMMANDS)])


@click.group(
    cls=_Commands,
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="secsign-gate")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Attach what all commands share: colours only for a terminal whose user wants them (https://no-color.org)."""
    if os.environ.get("NO_COLOR"):
        ctx.color = False
    if os.geteuid() == 0 and ctx.invoked_subcommand not in _UNDO_NOTHING:
        _undo_what_is_due()


def _undo_what_is_due() -> None:
    """Undo a change to sshd that nobody has confirmed in time, should the process that was to do it be gone."""
    from secsign_gate.activation.journal import Journal  # noqa: PLC0415 - the rest only if there is something to undo

    if not Journal().exists():
        return
    from secsign_gate.activation.undo import undo_in_passing  # noqa: PLC0415 - as above

    try:
        why = undo_in_passing(Journal())
    except GateError as error:  # the command that was called has nothing to do with it
        click.echo(f"secsign-gate: a change to sshd could not be undone: {error}", err=True)
        return
    if why:
        click.echo(f"secsign-gate: a change to sshd was undone: {why}", err=True)


def main() -> NoReturn:
    """Run the command line and exit. Each way to end has its exit status, told in the help."""
    sys.exit(_run())


def _run() -> int:
    try:
        status = cli.main(prog_name="secsign-gate", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of a pipe has had enough
        _give_up_output()
        return _FAILED
    except (click.ClickException, click.Abort, GateError, OSError) as error:
        return _told(error)
    return status if isinstance(status, int) else 0


def _give_up_output() -> None:
    """Drop what standard output did not take. Python would try again when it ends, and complain in its own words."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _told(error: click.ClickException | click.Abort | GateError | OSError) -> int:
    """Say on stderr what went wrong, one sentence for each fault, and return the exit status."""
    match error:
        case click.UsageError():
            error.show()
            return error.exit_code
        case click.ClickException():
            return _say(error.format_message(), error.exit_code)
        case click.Abort():
            return _say("interrupted", _INTERRUPTED)
        case ConfigError(problems=problems):
            for problem in problems:
                _say(str(problem), CONFIGURATION_ERROR)
            return CONFIGURATION_ERROR
        case OSError():
            _give_up_output()
            return _say(f"{error.filename or 'input or output'}: {error.strerror or error}", _FAILED)
        case _:
            return _say(str(error), COULD_NOT_ASK)


def _say(sentence: str, status: int) -> int:
    click.echo(f"secsign-gate: {sentence}", err=True)
    return status

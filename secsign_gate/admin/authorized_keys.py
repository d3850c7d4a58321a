"""`secsign-gate authorized-keys`: what sshd would be told of a key, by the same code as tells sshd."""

import sys
from pathlib import Path

import click

from secsign_gate.authorized_keys import run

_HELP = """Print how an offered KEY may log in as ACCOUNT: one line as in authorized_keys, or nothing.

sshd asks this, as AuthorizedKeysCommand, for each key that a client offers. It is told: the registry's line for the
key and the account, with `restrict`, and the gate as the key's command. This command is for looking at that; sshd runs
the program secsign-gate-authorized-keys, which needs a tenth of the time. Nobody's phone is asked.

\b
In sshd_config.d/ (see docs/authorized-keys.md and the example there):
  AuthorizedKeysCommand /opt/secsign-gate/bin/python3 -I -S \\
      /opt/secsign-gate/bin/secsign-gate-authorized-keys --broker /run/secsign-gate/broker.sock %u %t %k %f
  AuthorizedKeysCommandUser secsign-gate-keys

\b
Options, before ACCOUNT:
  --registry FILE            the registry (/etc/secsign-gate/registry), `none` for none
  --authorized-keys PATTERN  besides, files of this name, with %h %u %U; several times for several
  --broker SOCKET            have the gate ask the daemon behind this socket
  --config FILE              have the gate start a broker of its own with this configuration

\b
Examples:
  secsign-gate authorized-keys deploy $(cut -d' ' -f1,2 alice.pub) -
  secsign-gate authorized-keys --registry $PWD/registry.new deploy $(cut -d' ' -f1,2 alice.pub) -

\b
Exit status:
  0   answered; nothing was printed if the key may not log in
  78  it could not be vouched for any answer: the registry, or the command line, is wrong
"""


@click.command(
    help=_HELP,
    options_metavar="[OPTIONS]",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="ACCOUNT TYPE KEY FINGERPRINT")
@click.pass_context
def authorized_keys(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Answer as sshd is answered."""
    ctx.exit(run(list(words), str(Path(sys.executable).parent)))

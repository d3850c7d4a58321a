"""The command `simulator`, and with it `phone`. Nothing here needs the extra packages until the simulator starts."""

import ipaddress
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from secsign_gate.simulator.phone_commands import DEFAULT_FOLDER, phone

if TYPE_CHECKING:
    from secsign_gate.simulator.certificates import Quality

__all__ = ["phone", "simulator"]

SECSIGN_ID = re.compile(r"[A-Za-z0-9@_.-]{1,255}")
EXTRA_MISSING = "The simulator needs the packages of the extra `simulator`: pip install 'secsign-gate[simulator]'."

EPILOG = """\b
Examples:
  secsign-gate simulator --id alice --id bob
      form dialect; open the printed phone page, or press the buttons with
  secsign-gate phone accept alice
  secsign-gate simulator --pin-account gate:secret --auto-accept 2
      REST too; every request is accepted after two seconds
  secsign-gate simulator --certificate expired
      what does the gate say to that?

Exit status: 0 ended by SIGTERM or SIGINT; 1 cannot start; 2 wrong usage.
"""


def _pin_account(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    del context, parameter
    if value is not None and not re.fullmatch("[^:]+:.+", value):
        raise click.BadParameter("write it as NAME:PASSWORD.")
    return value


def _secsign_ids(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> frozenset[str] | None:
    del context, parameter
    for value in values:
        if not SECSIGN_ID.fullmatch(value):
            raise click.BadParameter(f"{value!r} is no SecSign ID: letters, digits and @ _ - . only.")
    return frozenset(value.lower() for value in values) or None


def _address(context: click.Context, parameter: click.Parameter, value: str) -> str:
    del context, parameter
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise click.BadParameter(f"{value!r} is no IP address.") from None


SECONDS = click.FloatRange(min=0, max=86400)
PORT = click.IntRange(0, 65535)


@click.command(epilog=EPILOG)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_FOLDER,
    show_default=True,
    help="Keeps ca.pem; made if missing.",
)
@click.option(
    "--host",
    metavar="ADDRESS",
    callback=_address,
    default="127.0.0.1",
    show_default=True,
    help="Where the ID server listens.",
)
@click.option("--port", type=PORT, metavar="PORT", default=0, help="Of the ID server; 0 (default): any free one.")
@click.option(
    "--phone-port",
    type=PORT,
    metavar="PORT",
    default=0,
    help="Of the phone, always on 127.0.0.1; 0 (default): any free one.",
)
@click.option(
    "--id",
    "enrolled",
    multiple=True,
    callback=_secsign_ids,
    help="An enrolled SecSign ID, repeatable. None: every ID exists.",
)
@click.option(
    "--pin-account", metavar="NAME:PASSWORD", callback=_pin_account, help="Who may use REST. None: REST answers 401."
)
@click.option(
    "--session-seconds",
    type=SECONDS,
    metavar="SECONDS",
    default=120,
    show_default=True,
    help="Life of an auth session.",
)
@click.option("--auto-accept", type=SECONDS, metavar="SECONDS", help="The phone accepts by itself after so long.")
@click.option("--auto-deny", type=SECONDS, metavar="SECONDS", help="The phone denies by itself after so long.")
@click.option(
    "--certificate",
    type=click.Choice(["good", "wrong-host", "expired", "self-signed"]),
    default="good",
    show_default=True,
    help="Of the ID server; good ones are for 127.0.0.1, localhost and --host, signed by ca.pem.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the ready line as JSON: url, phone_url, ca_file.")
def simulator(  # noqa: PLR0913 - one argument per option, as click passes them
    *,
    folder: Path,
    host: str,
    port: int,
    phone_port: int,
    enrolled: frozenset[str] | None,
    pin_account: str | None,
    session_seconds: float,
    auto_accept: float | None,
    auto_deny: float | None,
    certificate: "Quality",
    as_json: bool,
) -> None:
    """Run a SecSign ID server with a phone, for trials and tests.

    The ID server speaks both dialects over TLS on one port: the form dialect at `/`, REST below `/rest/v2`.
    The phone is a web page on another port. One line on standard output says when both are ready, and where.

    It is no guard: whoever can reach the phone's port on this machine can press its buttons.
    """
    if auto_accept is not None and auto_deny is not None:
        raise click.UsageError("--auto-accept and --auto-deny contradict each other.")
    try:
        from secsign_gate.simulator import run  # noqa: PLC0415 - starlette, uvicorn and cryptography are an extra
        from secsign_gate.simulator.auth_sessions import PhoneHabits  # noqa: PLC0415 - as above
    except ModuleNotFoundError as missing:
        raise click.ClickException(EXTRA_MISSING) from missing
    habits = PhoneHabits(session_seconds, enrolled, auto_accept, auto_deny)
    wishes = run.Wishes(folder, host, port, phone_port, certificate, pin_account, habits)

    def tell(facts: dict[str, str]) -> None:
        sentence = "ID server {url}, phone {phone_url}, certificate authority {ca_file}".format(**facts)
        click.echo(json.dumps(facts) if as_json else sentence)

    try:
        run.run(wishes, tell)
    except run.CannotStart as reason:
        raise click.ClickException(str(reason)) from reason

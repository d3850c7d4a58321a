"""`secsign-gate probe`: what gets past the gate, tried from outside with a real key."""

import getpass
import json
import signal
import sys
from types import FrameType
from typing import Any, NamedTuple, NoReturn

import click

from secsign_gate.probe.fault import ProbeError
from secsign_gate.probe.host_keys import read_host_keys
from secsign_gate.probe.identity import read_identity, usual_identities
from secsign_gate.probe.outcome import Status
from secsign_gate.probe.place import checked_account, parse_host_and_port, parse_place
from secsign_gate.probe.registry import ATTEMPTS, Attempt
from secsign_gate.probe.report import Whole, as_json, lines
from secsign_gate.probe.run import chosen, pushes_to_expect, run
from secsign_gate.probe.situation import Situation, Wishes

_FOUND = 1
_COLOURS = {Status.GOT_THROUGH: "red", Status.AGREED: "yellow", Status.HELD: "green", Status.UNKNOWN: "blue"}

_HELP = """Log in to HOST with a key, and try every way around the gate that a client can go, before any approval.

HOST is a name or an address: host, user@host, host:port, [2001:db8::7]:22. The server must be known: by known_hosts,
or by --host-key. What gets past the gate is used to see that it does, and for nothing else.

Sessions that are tried may ask the phone: accept nothing. Each is left as soon as that is clear, the gate withdraws its
request, and only then comes the next. With --daemon they share one request; without the daemon do not say so, for two
requests at a time freeze a SecSign ID. --no-sessions tries only what asks nobody.

\b
Examples:
  secsign-gate probe web1
  secsign-gate probe alice@web1:2222 --identity ~/.ssh/id_ed25519 --no-sessions
  secsign-gate probe web1 --also-user deploy --also-address 2001:db8::7 --json
  secsign-gate probe web1 --target db.internal:5432 --socket /run/docker.sock
  secsign-gate probe tester@localhost --plant            as root, on the host itself, for a test account
  secsign-gate probe web1 --only tunnel --only subsystem

\b
Exit status:
  0    nothing got through, and sshd agreed to nothing; what is unknown is listed
  1    something got through, or sshd agreed to it
  2    the command line is wrong
  75   no login, or no SSH server: nothing can be said
  130  interrupted
"""


@click.command(help=_HELP)
@click.argument("host", required=False)
@click.option("--port", type=click.IntRange(1, 65535), help="The port, if it is not in HOST.")
@click.option("--user", "account", help="The account, if it is not in HOST; else your own name.")
@click.option("--identity", "identities", multiple=True, help="A private key; else the agent's, or ~/.ssh/id_*.")
@click.option("--certificate", help="The certificate of the one --identity, if it is not beside it.")
@click.option("--known-hosts", multiple=True, help="A known_hosts file in place of ssh's usual ones.")
@click.option("--host-key", "fingerprints", multiple=True, help="The server's host key, as SHA256:...")
@click.option("--target", "targets", multiple=True, help="HOST:PORT of a service that the host can reach.")
@click.option("--socket", "sockets", multiple=True, help="A unix socket that is on the host.")
@click.option("--subsystem", "subsystems", multiple=True, help="A subsystem's name, besides the usual ones.")
@click.option(
    "--also-user", "also_users", multiple=True, help="Another account that should be gated; root always is tried."
)
@click.option("--also-address", "also_addresses", multiple=True, help="Another address of the same host.")
@click.option("--from", "sources", multiple=True, help="An address of this computer to come from.")
@click.option(
    "--restricted-identity", "restricted", multiple=True, help="A key (or its certificate) with a command of its own."
)
@click.option("--ask-password", is_flag=True, help="Ask for the account's password, and try it alone.")
@click.option(
    "--idle", type=click.FloatRange(min=0), default=0.0, help="Seconds that a connection without a session is watched."
)
@click.option("--plant", is_flag=True, help="Put files into the home of a TEST account on this host, for a moment.")
@click.option("--daemon", is_flag=True, help="The gate has its daemon: sessions of one connection share a push.")
@click.option("--no-sessions", is_flag=True, help="Open no session, so that no phone is asked.")
@click.option(
    "--patience", type=click.FloatRange(min=1), default=15.0, show_default=True, help="Seconds for each step."
)
@click.option("--only", "names", multiple=True, help="Only the attempt of this name.")
@click.option("--list", "list_names", is_flag=True, help="List the attempts and try none.")
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON object.")
@click.pass_context
def probe(ctx: click.Context, /, **words: Any) -> None:
    """Read what is asked for, run the attempts, and print what came of them."""
    given = _Given(**words)
    if given.list_names:
        for name, attempt in ATTEMPTS.items():
            click.echo(f"{name}: {attempt.bypass.title}")
        return
    try:
        attempts, wishes = chosen(given.names), _wishes(ctx, given)
    except ProbeError as fault:
        raise click.UsageError(str(fault), ctx) from fault
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)  # so that what was planted is put back
    whole = _probe(wishes, attempts)
    if given.json_wanted:
        click.echo(json.dumps(as_json(whole), indent=2))
    else:
        for line in lines(whole):
            click.secho(line.text, fg=_COLOURS[line.status] if line.status else None, bold=line.heading)
    ctx.exit(0 if whole.is_tight else _FOUND)


class _Given(NamedTuple):
    """The command line."""

    host: str | None
    port: int | None
    account: str | None
    identities: tuple[str, ...]
    certificate: str | None
    known_hosts: tuple[str, ...]
    fingerprints: tuple[str, ...]
    targets: tuple[str, ...]
    sockets: tuple[str, ...]
    subsystems: tuple[str, ...]
    also_users: tuple[str, ...]
    also_addresses: tuple[str, ...]
    sources: tuple[str, ...]
    restricted: tuple[str, ...]
    ask_password: bool
    idle: float
    plant: bool
    daemon: bool
    no_sessions: bool
    patience: float
    names: tuple[str, ...]
    list_names: bool
    json_wanted: bool


def _wishes(ctx: click.Context, given: _Given) -> Wishes:
    """Return what is asked for. Raises ProbeError, and click.UsageError."""
    if given.host is None:
        raise click.UsageError("Missing argument 'HOST'.", ctx)
    if given.certificate is not None and len(given.identities) != 1:
        raise click.UsageError("--certificate belongs to one --identity.", ctx)
    place = parse_place(given.host, account=given.account or getpass.getuser(), port=given.port)
    if given.account is not None and place.account != given.account:
        raise click.UsageError(f"HOST says {place.account}, and --user {given.account}: name the account once.", ctx)
    wishes = Wishes(
        place,
        [],
        read_host_keys(given.known_hosts, given.fingerprints),
        targets=tuple(_target(text) for text in given.targets),
        sockets=given.sockets,
        subsystems=given.subsystems,
        also_users=tuple(checked_account(name) for name in given.also_users),
        also_addresses=tuple(parse_host_and_port(address)[0] for address in given.also_addresses),
        sources=given.sources,
        idle=given.idle,
        plant=given.plant,
        sessions=not given.no_sessions,
        at_once=given.daemon,
        seconds=given.patience,
    )
    identities = [read_identity(name, _ask, given.certificate) for name in given.identities] or usual_identities(_ask)
    if not identities:
        raise ProbeError("there is no key to log in with, neither in the agent nor in ~/.ssh; name one by --identity")
    return wishes._replace(
        identities=identities,
        restricted=tuple(read_identity(name, _ask) for name in given.restricted),
        password=_ask(f"Password of {place.account}: ") if given.ask_password else "",
    )


def _probe(wishes: Wishes, attempts: list[Attempt]) -> Whole:
    """Run the attempts, telling on standard error what is under way."""
    facts: list[str] = []

    def started(situation: Situation) -> None:
        name = situation.identity.name if situation.identity else ""
        facts.extend([situation.host_key, situation.server, name])
        pushes = pushes_to_expect(attempts, wishes)
        click.echo(f"{wishes.place}: {situation.server}, host key {situation.host_key}, key {name}", err=True)
        if situation.has_put_back:
            click.echo(
                f"In the home of {wishes.place.account}, put back what an earlier probe had moved aside.", err=True
            )
        if pushes:
            times = "once" if pushes == 1 else f"up to {pushes} times"
            click.echo(f"The phone may be asked {times}: accept nothing; each request is withdrawn at once.", err=True)

    running = run(wishes, attempts, started)
    results = [next(running)]
    if sys.stderr.isatty():
        with click.progressbar(length=len(attempts), label="attempts", show_eta=False, file=sys.stderr) as bar:
            bar.update(1)
            for result in running:
                results.append(result)
                bar.update(1)
    else:
        results += running
    host_key, server, name = facts
    return Whole(str(wishes.place), host_key, server, name, results)


def _target(text: str) -> tuple[str, int]:
    host, port = parse_host_and_port(text)
    if port is None:
        raise ProbeError(f"{text!a} names no port; write --target HOST:PORT")
    return host, port


def _ask(prompt: str) -> str:
    answer: str = click.prompt(prompt.removesuffix(": "), hide_input=True, default="", show_default=False, err=True)
    return answer


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    raise KeyboardInterrupt

"""The command `phone`: the simulated phone's buttons on the command line, and its faults."""

import contextlib
import inspect
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
import httpx

from secsign_gate.simulator import fault_queue

PATIENCE_SECONDS = 10.0
DEFAULT_FOLDER = "secsign-simulator"  # below where one works: simulator and phone find each other without a word

EPILOG = """\b
Examples:
  secsign-gate phone list
  secsign-gate phone wait alice && secsign-gate phone accept alice
  secsign-gate phone fault hang --on state
  secsign-gate phone --url http://127.0.0.1:8080/ deny alice

Exit status: 0 done; 1 no such request is open; 2 wrong usage; 75 no simulator answers.
"""


class NothingThere(click.ClickException):
    """There is no such request."""

    exit_code = 1


class SaidNo(click.ClickException):
    """The phone does not understand what was asked."""

    exit_code = 2


class NoSimulator(click.ClickException):
    """No simulator answers; 75 is EX_TEMPFAIL of sysexits(3)."""

    exit_code = 75


class Button:
    """The way to the simulator's phone: what `phone`'s own options say, for the commands below it."""

    def __init__(self, url: str | None, folder: Path) -> None:
        self._url, self._folder = url, folder

    def call(self, method: str, path: str, body: object = None, **query: str | int) -> Any:
        """Ask the phone; its answer as JSON. Ends the command with one sentence if there is none or it is a no."""
        wait = float(query.get("wait", 0))
        url = self._url or self._url_from_folder()
        try:
            with httpx.Client(base_url=url, timeout=PATIENCE_SECONDS + wait, trust_env=False) as client:
                content = json.dumps({} if body is None else body)
                headers = {"content-type": "application/json"}
                answer = client.request(method, path, params=query, content=content, headers=headers)
            found = answer.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            sentence = f"No simulator answers at {url} ({error}). Is `secsign-gate simulator` running?"
            raise NoSimulator(sentence) from error
        if answer.status_code == httpx.codes.OK:
            return found
        sentence = str(found.get("error")) if isinstance(found, dict) else "The phone says no."
        raise NothingThere(sentence) if answer.status_code == httpx.codes.NOT_FOUND else SaidNo(sentence)

    def request_of(self, secsign_id: str) -> int:
        """Return the number of this ID's open request; ends the command if there is none."""
        for request in self.call("GET", "requests", secsignid=secsign_id)["requests"]:
            return int(request["number"])
        raise NothingThere(f"No request for {secsign_id} is open on the phone.")

    def _url_from_folder(self) -> str:
        state_file = self._folder / "simulator.json"
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            return str(json.loads(state_file.read_text())["phone_url"])
        raise NoSimulator(f"No simulator runs with the folder {self._folder}: {state_file} does not name one.")


button = click.make_pass_decorator(Button)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(epilog=EPILOG)
@click.option("--url", help="The phone page of the simulator.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=DEFAULT_FOLDER,
    show_default=True,
    help="The simulator's --folder, which names that page.",
)
@click.pass_context
def phone(context: click.Context, url: str | None, folder: Path) -> None:
    """Press the buttons of the simulator's phone."""
    context.obj = Button(url, folder)


@phone.command("list")
@as_json
@button
def list_requests(press: Button, *, as_json: bool) -> None:
    """List the open requests."""
    _print(press.call("GET", "requests")["requests"], as_json=as_json)


@phone.command()
@click.argument("secsign_id", metavar="ID")
@click.option("--seconds", type=click.IntRange(0, 60), default=60, show_default=True, help="How long at most.")
@as_json
@button
def wait(press: Button, secsign_id: str, seconds: int, *, as_json: bool) -> None:
    """Wait until a request for this SecSign ID is open, and list it."""
    found = press.call("GET", "requests", secsignid=secsign_id, wait=seconds)["requests"]
    if not found:
        raise NothingThere(f"No request for {secsign_id} came within {seconds} seconds.")
    _print(found, as_json=as_json)


@phone.command()
@click.argument("secsign_id", metavar="ID")
@as_json
@button
def accept(press: Button, secsign_id: str, *, as_json: bool) -> None:
    """Accept the open request of this SecSign ID, with the right access pass if it has one."""
    _answer(press, secsign_id, "accept", as_json=as_json)


@phone.command()
@click.argument("secsign_id", metavar="ID")
@as_json
@button
def deny(press: Button, secsign_id: str, *, as_json: bool) -> None:
    """Deny the open request of this SecSign ID."""
    _answer(press, secsign_id, "deny", as_json=as_json)


@phone.command()
@click.argument("secsign_id", metavar="ID")
@button
def unfreeze(press: Button, secsign_id: str) -> None:
    """Tap a frozen SecSign ID, so that it takes requests again."""
    press.call("POST", f"ids/{quote(secsign_id, safe='')}/unfreeze")
    click.echo(f"{secsign_id} takes requests.")


def _answer(press: Button, secsign_id: str, act: str, *, as_json: bool) -> None:
    state = press.call("POST", f"requests/{press.request_of(secsign_id)}/{act}")["state"]
    sentence = f"The request for {secsign_id} is now {state}."
    click.echo(json.dumps({"secsignid": secsign_id.lower(), "state": state}) if as_json else sentence)


def _print(requests: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(requests))
        return
    for request in requests:
        title = (request["transaction"] or {}).get("title", request["servicename"])
        facts = (
            request["secsignid"],
            request["state"],
            f"{request['seconds_left']} s",
            request["serviceaddress"],
            title,
        )
        click.echo("  ".join(facts))
    if not requests:
        click.echo("No request is open.")


def _explained() -> Iterator[str]:
    """Say each fault in a line, from the functions themselves."""
    yield "\b\nFaults:"
    for name, function in fault_queue.FAULTS.items():
        options = " ".join(_option(parameter) for parameter in fault_queue.options_of(name).values())
        yield f"  {name}{' ' if options else ''}{options}"
        yield f"      {(inspect.getdoc(function) or '').splitlines()[0]}"


def _option(parameter: inspect.Parameter) -> str:
    return (
        parameter.name
        if parameter.default is parameter.empty
        else f"{parameter.name}={shlex.quote(str(parameter.default))}"
    )


FAULT_EPILOG = (
    "\n".join(_explained())
    + """

\b
Examples:
  secsign-gate phone fault status --on create status=429
  secsign-gate phone fault state value='"3"'
  secsign-gate phone fault drip --on any --until-cleared milliseconds=500
  secsign-gate phone faults --clear
"""
)


@phone.command(epilog=FAULT_EPILOG)
@click.argument("name", metavar="FAULT", type=click.Choice(sorted(fault_queue.FAULTS), case_sensitive=True))
@click.argument("options", metavar="[OPTION=VALUE]...", nargs=-1)
@click.option(
    "--on", type=click.Choice(fault_queue.KINDS_OF_REQUESTS), default="any", help="Which requests; any (default)."
)
@click.option("--times", type=click.IntRange(min=1), default=1, show_default=True, help="How many requests.")
@click.option("--until-cleared", is_flag=True, help="All such requests until `faults --clear`.")
@button
def fault(  # noqa: PLR0913 - one argument per option, as click passes them
    press: Button, name: str, options: tuple[str, ...], on: str, times: int, *, until_cleared: bool
) -> None:
    """Ask the ID server to misbehave at the next requests."""
    known = fault_queue.options_of(name)
    values: dict[str, object] = {}
    for option in options:
        key, equals, text = option.partition("=")
        if not equals or key not in known:
            raise click.UsageError(f"{option!r} is no OPTION=VALUE of {name}; it has {', '.join(known) or 'none'}.")
        values[key] = text if known[key].annotation is str else _number_or_object(text)
    wanted = {"fault": name, "on": on, "times": None if until_cleared else times, "options": values}
    try:
        fault_queue.read(wanted)
    except fault_queue.FaultMistake as mistake:
        raise click.UsageError(str(mistake)) from mistake
    press.call("POST", "faults", wanted)
    click.echo(
        f"The ID server will misbehave: {name}, on {on}, {'until cleared' if until_cleared else f'{times} times'}."
    )


def _number_or_object(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


@phone.command()
@click.option("--clear", is_flag=True, help="Forget them: behave again.")
@button
def faults(press: Button, *, clear: bool) -> None:
    """List the faults still to come, as JSON."""
    for each in press.call("DELETE" if clear else "GET", "faults")["faults"]:
        click.echo(json.dumps(each))

"""A broker's status as people read it: what is wrong comes first."""

import time
from typing import Any

import click

from secsign_gate.admin.record_view import plain

_INDENT = "  "


def status_text(status: dict[str, Any]) -> str:
    """Return `status` (broker/control.py) in lines, with colours that click takes away where there is no terminal.

    Nothing in it is trusted to be printable: doors are asked by anybody.
    """
    status = _plain(status)
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(status["started_at"]))
    sections = [
        [f"broker {status['version']}, pid {status['pid']}, since {since}, {status['connections']} SSH connections"],
        _faults(status),
        _section("ID servers", [_id_server(one) for one in status["id_servers"]]),
        _section("waiting", [_waiting(one) for one in status["waiting"]]),
        _section("approved connections", [_grant(one) for one in status["grants"]]),
        _section("pushes lately", [_pushes(one) for one in status["pushes"]]),
        _section("verdicts since the start", [_verdict(one) for one in status["verdicts"]]),
    ]
    return "\n".join("\n".join(lines) for lines in sections if lines)


def _plain(value: Any) -> Any:
    match value:
        case str():
            return plain(value)
        case dict():
            return {name: _plain(one) for name, one in value.items()}
        case list():
            return [_plain(one) for one in value]
        case _:
            return value


def _section(title: str, lines: list[str]) -> list[str]:
    return [click.style(f"{title}:", bold=True), *(lines or [f"{_INDENT}none"])]


def _faults(status: dict[str, Any]) -> list[str]:
    fault = status["configuration_fault"]
    faults = [f"the new orders are not usable, those before stay in force: {fault}"] if fault else []
    if status["monitor"] != "running":
        faults.append("the monitor has ended, so that no connection can be proven; restart the broker")
    return [click.style(sentence, fg="red") for sentence in faults]


def _id_server(server: dict[str, Any]) -> str:
    colour = {"up": "green", "down": "red"}.get(server["state"])
    since = "" if server["for"] is None else f" for {server['for']:.0f} s"
    said = f": {server['sentence']}" if server["sentence"] else ""
    return f"{_INDENT}{server['url']}  {click.style(server['state'], fg=colour)}{since}{said}"


def _waiting(one: dict[str, Any]) -> str:
    where = one["stage"] or "arriving"
    if one["stage"] == "queued":
        where = f"queued behind {one['place']}"
    who = f"{one['account'] or '?'} from {one['client'] or '?'}"
    phone = f", phone of {one['secsign_id']}" if one["secsign_id"] else ""
    return f"{_INDENT}{who} for {one['waited']:.0f} s: {where}{phone}; {one['wants'] or '?'} (ref {one['reference']})"


def _grant(one: dict[str, Any]) -> str:
    left = "" if one["seconds_left"] is None else f", {one['seconds_left']:.0f} s left"
    when = f"{one['granted_for']:.0f} s ago{left}"
    return f"{_INDENT}{one['account']}, sshd {one['sshd_pid']}, by {one['secsign_id']} {when} (ref {one['reference']})"


def _pushes(one: dict[str, Any]) -> str:
    kind = "SecSign ID" if one["kind"] == "secsign_id" else one["kind"]
    line = f"{_INDENT}{kind} {one['name']}: {one['recent']}"
    if one["denials"]:
        line += f", denied {one['denials']} times in a row"
    if one["pause_left"]:
        line += click.style(f", not pushed for another {one['pause_left']:.0f} s", fg="yellow")
    return line


def _verdict(one: dict[str, Any]) -> str:
    return f"{_INDENT}{one['verdict']} {one['why']}: {one['count']}"

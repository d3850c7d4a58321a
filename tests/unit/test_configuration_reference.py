"""docs/configuration.md says what the code does: every setting, its default, its choices and its range."""

import re
from pathlib import Path

import pytest

from secsign_gate.config.reader import parse_settings
from secsign_gate.config.table import Reading, dotted
from secsign_gate.directory.users_file import parse_users
from secsign_gate.errors import ConfigError

REFERENCE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
BASE = {"id_server.dialect": '"form"', "id_server.url": '"https://id.example.org"'}
RULE = {"policy.exempt_commands.accounts": '"a"', "policy.exempt_commands.command": '"b"'}


def documented() -> dict[str, tuple[str, str]]:
    """Return type and default by the dotted name of each setting in the tables."""
    found: dict[str, tuple[str, str]] = {}
    section = ""
    for line in REFERENCE.splitlines():
        if heading := re.match(r"## (?:`\[(\w+)\]`|Top level)$", line):
            section = f"{heading[1]}." if heading[1] else ""
        elif inner := re.match(r"\| setting in `\[\[([\w.]+)\]\]`", line):
            section = f"{inner[1]}."
        elif row := re.match(r"\| `(\w+)` \| (.*?) \| (.*?) \|", line):
            assert section + row[1] not in found, f"{section}{row[1]} is documented twice"
            found[section + row[1]] = (row[2], row[3])
    return found


DOCUMENTED = documented()


def toml(values: dict[str, str]) -> str:
    """Return the values as TOML, each section in one piece."""
    lines = [f"{name} = {value}" for name, value in values.items() if "." not in name]
    for section in dict.fromkeys(name.rpartition(".")[0] for name in values if "." in name):
        lines.append(f"[[{section}]]" if section == "policy.exempt_commands" else f"[{section}]")
        lines += [
            f"{name.rpartition('.')[2]} = {value}"
            for name, value in values.items()
            if name.rpartition(".")[0] == section
        ]
    return "\n".join(lines) + "\n"


def keys_at_fault(values: dict[str, str]) -> list[str]:
    try:
        parse_settings("/gate.toml", toml(values))
    except ConfigError as error:
        return [problem.key.replace("[1]", "") for problem in error.problems]
    return []


def test_every_setting_is_documented_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    readings: list[Reading] = []
    monkeypatch.setattr(Reading, "refuse_unless_clean", lambda reading: readings.append(reading))  # noqa: PLW0108
    parse_settings("/gate.toml", toml(BASE | RULE))
    [reading] = readings
    asked = {dotted((*section, name)) for section, names in reading.asked.items() for name in names}
    sections = {dotted(section) for section in reading.asked} - {"", "policy.exempt_commands"}
    assert DOCUMENTED.keys() == asked - sections


def test_the_defaults_are_those_of_the_code() -> None:
    defaults = {name: default.strip("`") for name, (_, default) in DOCUMENTED.items() if default.startswith("`")}
    assert len(defaults) > 15
    assert parse_settings("/gate.toml", toml(BASE | defaults)) == parse_settings("/gate.toml", toml(BASE))


def test_what_is_required_is_and_what_has_no_default_may_be_absent() -> None:
    required = {name for name, (_, default) in DOCUMENTED.items() if default == "required"}
    complete = BASE | RULE
    assert keys_at_fault(complete) == []
    assert required == complete.keys()
    for name in required:
        assert keys_at_fault({key: value for key, value in complete.items() if key != name}) == [name]


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        (name, *map(float, found.groups()))
        for name, (kind, _) in DOCUMENTED.items()
        if (found := re.search(r"([\d.]+) to ([\d.]+)", kind))
    ],
)
def test_the_ranges_are_those_of_the_code(name: str, low: float, high: float) -> None:
    # connecting is part of a request, so the other limit makes room
    room = {"id_server.total_seconds": "120"} if name == "id_server.connect_seconds" else {}
    room = {"id_server.connect_seconds": "0.1"} if name == "id_server.total_seconds" else room
    # and no pause is longer than the longest
    room = {"limits.longest_pause_seconds": "86400"} if name == "limits.pause_seconds" else room
    room = {"limits.pause_seconds": "0"} if name == "limits.longest_pause_seconds" else room
    step = 1 if "whole" in DOCUMENTED[name][0] else 0.01
    for good in (low, high):
        assert keys_at_fault(BASE | room | {name: f"{good:g}"}) == []
    for bad in (low - step, high + step):
        assert keys_at_fault(BASE | room | {name: f"{bad:g}"}) == [name]


@pytest.mark.parametrize(
    ("name", "choices"),
    [(name, re.findall(r'`("[^"]+")`', kind)) for name, (kind, _) in DOCUMENTED.items() if " or `" in kind],
)
def test_the_choices_are_those_of_the_code(name: str, choices: list[str]) -> None:
    assert len(choices) == 2
    for choice in choices:
        assert name not in keys_at_fault(BASE | {name: choice})
    assert name in keys_at_fault(BASE | {name: '"something else"'})


def test_the_users_file_in_the_reference_is_one() -> None:
    text = "".join(f"{line.strip()}\n" for line in REFERENCE.splitlines() if line.startswith("    "))
    users = parse_users("users", text)
    assert users.secsign_id("alice", ()) == "alice"
    assert len(users) == 3

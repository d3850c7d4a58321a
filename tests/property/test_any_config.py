"""Any TOML text gives Settings or problems with lines; what Settings can hold can be written, and is read back."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from secsign_gate.config.reader import parse_settings
from secsign_gate.config.toml_text import LineNumbers
from secsign_gate.core.patterns import PatternList
from secsign_gate.errors import ConfigError, Problem

PATH = "/etc/secsign-gate/secsign-gate.toml"
NAMES = {
    "": ["users_file"],
    "id_server": ["dialect", "url", "fallback_url", "ca_file", "pin_account_file", "proxy", "connect_seconds",
                  "total_seconds", "requests_per_second", "api_method"],
    "push": ["service_name", "service_address", "access_pass", "wait_seconds"],
    "policy": ["exempt_accounts", "exempt_groups", "exempt_networks", "exempt_commands"],
    "sshd": ["authorized_keys_files", "authorized_keys_elsewhere", "trusted_user_ca_keys", "subsystems", "motd_files"],
    "messages": ["before", "after"],
    "audit": ["syslog", "file"],
}  # fmt: skip
MINIMAL = {"id_server": {"dialect": "form", "url": "https://id.example.org"}}


def toml_value(value: Any) -> str:
    """Return a value as TOML."""
    match value:
        case bool() | int() | float():
            return str(value).lower()
        case str():
            escapes = "".join(
                char if char.isprintable() and char not in '"\\' else f"\\U{ord(char):08x}" for char in value
            )
            return f'"{escapes}"'
        case list():
            return "[" + ", ".join(map(toml_value, value)) + "]"
        case _:
            return "{" + ", ".join(f"{json.dumps(key)} = {toml_value(entry)}" for key, entry in value.items()) + "}"


def toml(tables: dict[str, Any]) -> str:
    lines = [f"{name} = {toml_value(value)}" for name, value in tables.items() if name not in NAMES]
    for name, table in tables.items():
        if name in NAMES:
            lines += [f"[{name}]", *(f"{key} = {toml_value(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def problems_of(text: str) -> list[Problem]:
    """Return what is wrong with the text, each problem judged."""
    try:
        parse_settings(PATH, text)
    except ConfigError as error:
        problems = error.problems
    else:
        return []
    assert problems
    assert all(str(problem).isprintable() for problem in problems)
    numbers = [problem.line for problem in problems if problem.path == PATH]
    assert numbers == sorted(numbers)
    assert all(0 <= number <= text.count("\n") + 1 for number in numbers)
    return problems


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    problems_of(text)


words = st.sampled_from(
    ["", "form", "rest", "https://a", "http://a:1", "/a", "a,b", "!a", "*", "192.0.2.0/24", "{host}"]
)
leaves = st.booleans() | st.integers(-5, 700) | st.floats() | words | st.text(max_size=10)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["accounts", "command", "a b"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_value_of_any_setting_and_every_problem_is_at_its_line(data: st.DataObject) -> None:
    tables: dict[str, Any] = {}
    for section, names in NAMES.items():
        chosen = {name: data.draw(values) for name in names if data.draw(st.integers(0, 3)) == 0}
        tables |= chosen if not section else {section: chosen}
    text = toml(tables)
    lines = text.split("\n")
    for problem in problems_of(text):
        if problem.path == PATH and problem.line:
            line = lines[problem.line - 1]
            parts = [part.partition("[")[0] for part in problem.key.split(".")]
            assert any(line.startswith((f"{part} = ", f"[{part}]")) for part in parts), (problem.key, line)


file_names = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=20).filter(
    lambda name: not name.startswith("~")
)
shown = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="&=;%{}"), min_size=1, max_size=40
)
patterns = st.lists(st.sampled_from(["a", "svc-*", "b?"]), min_size=1, max_size=3).map(",".join)
commands = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=30)
good = st.fixed_dictionaries(
    {
        "users_file": file_names,
        "push": st.fixed_dictionaries(
            {
                "service_name": st.lists(shown | st.just("{account}"), min_size=1, max_size=4).map("".join),
                "wait_seconds": st.integers(5, 600),
            }
        ),
        "policy": st.fixed_dictionaries(
            {
                "exempt_accounts": patterns,
                "exempt_networks": st.lists(st.ip_addresses(v=4).map(str), max_size=3),
                "exempt_commands": st.lists(
                    st.fixed_dictionaries({"accounts": patterns, "command": commands}), max_size=3
                ),
            }
        ),
        "messages": st.fixed_dictionaries({"before": st.booleans(), "after": st.booleans()}),
    }
)


@settings(deadline=None)
@given(good)
def test_good_values_are_read_as_they_were_written(tables: dict[str, Any]) -> None:
    read = parse_settings(PATH, toml(tables | MINIMAL))
    name = tables["users_file"]
    assert read.users_file == (name if name.startswith("/") else f"/etc/secsign-gate/{name}")
    assert read.push._asdict().items() >= tables["push"].items()
    policy = tables["policy"]
    assert read.policy.exempt_accounts == PatternList.parse(policy["exempt_accounts"])
    assert [str(network.network_address) for network in read.policy.exempt_networks] == policy["exempt_networks"]
    rules = [{"accounts": rule.accounts.text, "command": rule.command.decode()} for rule in read.policy.exempt_commands]
    assert rules == policy["exempt_commands"]
    assert read.messages._asdict() == tables["messages"]


@settings(deadline=None)
@given(st.text(st.sampled_from("ab.=[]{}\"'#\n \\,1"), max_size=80))
def test_no_text_at_all_confuses_the_finder_of_lines(text: str) -> None:
    # It is made for texts that tomllib has taken, but a fault in it must not hide the problem that it is asked about.
    assert 0 <= LineNumbers(text).of(("a", "b")) <= text.count("\n") + 1

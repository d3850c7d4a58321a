"""Every mistake in the TOML file is named, all at once, with line, setting and remedy."""

from pathlib import Path

import pytest

from secsign_gate.config import Settings, load_settings
from secsign_gate.errors import ConfigError, Problem

MINIMAL = '[id_server]\ndialect = "form"\nurl = "https://id.example.org"\n'


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    return tmp_path / "secsign-gate.toml"


def load(toml: Path, text: str) -> Settings:
    toml.write_text(text)
    toml.chmod(0o644)
    return load_settings(str(toml))


def problems(toml: Path, text: str) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        load(toml, text)
    return caught.value.problems


def write_pin_account(toml: Path, *, mode: int = 0o600) -> Path:
    path = toml.parent / "pin-account"
    path.write_text("gate:open sesame\n")
    path.chmod(mode)
    return path


# Each line is put into its section of an otherwise good file. The line number and the name in the sentence are judged
# by the test; here stand the setting, and what the sentence must say.
MISTAKES = [
    ("", 'users_file = ""', "users_file", "is empty; give it a value"),
    ("", 'users_file = "~/users"', "users_file", "begins with ~, which only a shell knows"),
    ("", 'users_file = "a\\u0007b"', "users_file", "holds a control character"),
    ("", "users_file = 3", "users_file", 'is a whole number; write a text in quotes, like "this"'),
    ("", 'user_file = "users"', "user_file", "there is no such setting; did you mean users_file?"),
    ("", "push = 3", "push", "is no section; write its settings below a line [push]"),
    ("", "[pusch]", "pusch", "there is no such setting; did you mean push?"),
    ("", "[zzz]", "zzz", "there is no such setting; remove it, or see docs/configuration.md"),
    (
        "id_server",
        'fallback_url = "http://id2.example.org"',
        "id_server.fallback_url",
        "is not encrypted; use https://",
    ),
    ("id_server", 'fallback_url = "id2.example.org"', "id_server.fallback_url", "is no address of a server"),
    ("id_server", 'fallback_url = "https://id.example.org/"', "id_server.fallback_url", "is the same as url"),
    (
        "id_server",
        'fallback_url = "https://u:p@id2.example.org"',
        "id_server.fallback_url",
        "is no address of a server",
    ),
    ("id_server", 'fallback_url = "https://id2.example.org:70000"', "id_server.fallback_url", "is no address of a"),
    ("id_server", 'fallback_url = "https://id2.example.org:0"', "id_server.fallback_url", "is no address of a server"),
    ("id_server", 'fallback_url = "https://id2.example.org/a/../b"', "id_server.fallback_url", "is no address of a"),
    (
        "id_server",
        'fallback_url = "https://id2.example.org/a?b"',
        "id_server.fallback_url",
        "is no address of a server",
    ),
    ("id_server", 'fallback_url = "https://id2..example.org"', "id_server.fallback_url", "is no address of a server"),
    ("id_server", 'fallback_url = "https://-id2.example.org"', "id_server.fallback_url", "is no address of a server"),
    ("id_server", 'fallback_url = "https://[::g]"', "id_server.fallback_url", "is no address of a server"),
    ("id_server", 'fallback_url = "https://[1.2.3.4]"', "id_server.fallback_url", "is no address of a server"),
    ("id_server", 'fallback_url = "https://idü.example.org"', "id_server.fallback_url", "is no address of a server"),
    ("id_server", 'proxy = "proxy.example.org:3128"', "id_server.proxy", "is no address of a proxy; write http://host"),
    ("id_server", 'proxy = "http://proxy.example.org"', "id_server.proxy", "is no address of a proxy"),
    ("id_server", 'proxy = "http://u:p@proxy.example.org:1"', "id_server.proxy", "holds credentials"),
    ("id_server", "connect_seconds = true", "id_server.connect_seconds", "is true or false; write a number of seconds"),
    ("id_server", "connect_seconds = nan", "id_server.connect_seconds", "is out of range"),
    (
        "id_server",
        "connect_seconds = 0",
        "id_server.connect_seconds",
        "out of range; write a number of seconds from 0.1",
    ),
    ("id_server", 'total_seconds = "5"', "id_server.total_seconds", "is a text; write a number of seconds"),
    ("id_server", "total_seconds = inf", "id_server.total_seconds", "is out of range"),
    ("id_server", "requests_per_second = 0", "id_server.requests_per_second", "is out of range"),
    ("id_server", "requests_per_second = 2.5", "id_server.requests_per_second", "write a whole number"),
    ("id_server", "connect_seconds = 16", "id_server.connect_seconds", "is more than total_seconds, 15; connecting is"),
    (
        "id_server",
        'api_method = "a&b"',
        "id_server.api_method",
        "holds a character that the ID server's protocol cannot",
    ),
    ("id_server", 'api_methot = "a"', "id_server.api_methot", "did you mean id_server.api_method?"),
    ("id_server", 'dialekt = "form"', "id_server.dialekt", "did you mean id_server.dialect?"),
    ("push", 'service_name = "{user}"', "push.service_name", "holds a placeholder that does not exist; use {account}"),
    ("push", 'service_name = "{account!r}"', "push.service_name", "holds a placeholder that does not exist"),
    ("push", 'service_name = "{{account}}"', "push.service_name", "holds a placeholder that does not exist"),
    ("push", 'service_name = "{account"', "push.service_name", "holds a placeholder that does not exist"),
    ("push", 'service_name = "Büro"', "push.service_name", "protocol cannot carry; write ASCII without & = ; %"),
    ("push", 'service_address = "100%"', "push.service_address", "protocol cannot carry"),
    ("push", f'service_address = "{"a" * 256}"', "push.service_address", "is longer than 255 characters; shorten it"),
    ("push", 'access_pass = "always"', "push.access_pass", 'is none of the choices; write "with-terminal" or "never"'),
    ("push", "access_pass = true", "push.access_pass", 'is true or false; write "with-terminal" or "never"'),
    ("push", "wait_seconds = 4", "push.wait_seconds", "is out of range; write a whole number from 5 to 600"),
    ("push", "wait_seconds = 601", "push.wait_seconds", "is out of range"),
    ("push", "wait_seconds = 60.0", "push.wait_seconds", "is a number; write a whole number from 5 to 600"),
    ("push", "wait_seconds = true", "push.wait_seconds", "is true or false; write a whole number"),
    ("push", "wait_seconds = 07:32:00", "push.wait_seconds", "is a date or time; write a whole number"),
    ("push", "wait_second = 60", "push.wait_second", "did you mean push.wait_seconds?"),
    ("push", "motd_files = []", "push.motd_files", "there is no such setting; did you mean sshd.motd_files?"),
    ("policy", 'exempt_accounts = ["backup"]', "policy.exempt_accounts", "is a list; write one text with commas"),
    (
        "policy",
        'exempt_accounts = "!root"',
        "policy.exempt_accounts",
        "matches nobody, for all its patterns are negated",
    ),
    ("policy", 'exempt_accounts = "a,,b"', "policy.exempt_accounts", "a pattern between the commas is empty"),
    ("policy", 'exempt_accounts = "a, b"', "policy.exempt_accounts", "white space"),
    ("policy", 'exempt_accounts = ""', "policy.exempt_accounts", "is empty; give it a value or leave the setting out"),
    ("policy", 'exempt_accounts = "a,*"', "policy.exempt_accounts", "is everybody; take ForceCommand out of sshd's"),
    ("policy", 'exempt_groups = "**"', "policy.exempt_groups", "is everybody"),
    (
        "policy",
        'exempt_networks = "192.0.2.0/24"',
        "policy.exempt_networks",
        "is a text; write a list in square brackets",
    ),
    (
        "policy",
        'exempt_networks = ["::1", "192.0.2.1/24"]',
        "policy.exempt_networks",
        "entry 2 has bits set beyond its",
    ),
    (
        "policy",
        'exempt_networks = ["192.0.2.0/33"]',
        "policy.exempt_networks",
        "entry 1 is no network; write it like 192.",
    ),
    ("policy", 'exempt_networks = ["office"]', "policy.exempt_networks", "entry 1 is no network"),
    ("policy", "exempt_networks = [1]", "policy.exempt_networks", "entry 1 is a whole number"),
    ("policy", 'exempt_networks = ["0.0.0.0/0"]', "policy.exempt_networks", "entry 1 is the whole Internet"),
    ("policy", 'exempt_networks = ["::/0"]', "policy.exempt_networks", "entry 1 is the whole Internet"),
    (
        "policy",
        'exempt_networks = ["::ffff:192.0.2.1"]',
        "policy.exempt_networks",
        "entry 1 is no network that sshd names",
    ),
    ("policy", 'exempt_networks = ["fe80::1%eth0"]', "policy.exempt_networks", "entry 1 is no network"),
    (
        "policy",
        "exempt_commands = 3",
        "policy.exempt_commands",
        "is no list of tables; write each entry below a line [[po",
    ),
    ("policy", 'exempt_commands = ["a"]', "policy.exempt_commands", "is no list of tables"),
    ("policy", 'exempt_commands = [{accounts = "a"}]', "policy.exempt_commands[1].command", "is missing"),
    ("policy", 'exempt_commands = [{command = "a"}]', "policy.exempt_commands[1].accounts", "is missing"),
    ("policy", 'exempt_commands = [{accounts="a", command=""}]', "policy.exempt_commands[1].command", "is no command"),
    (
        "policy",
        'exempt_commands = [{accounts="a", command="\\u0000"}]',
        "policy.exempt_commands[1].command",
        "is no comm",
    ),
    (
        "policy",
        'exempt_commands = [{accounts="a", command=1}]',
        "policy.exempt_commands[1].command",
        "is a whole number",
    ),
    ("policy", "exempt_users = 3", "policy.exempt_users", "there is no such setting"),
    ("sshd", 'authorized_keys_files = ".ssh/keys"', "sshd.authorized_keys_files", "is a text; write a list"),
    ("sshd", 'authorized_keys_files = ["none"]', "sshd.authorized_keys_files", 'entry 1 is "none"; write [] if there'),
    (
        "sshd",
        'authorized_keys_files = ["%h/%%/%k"]',
        "sshd.authorized_keys_files",
        "entry 1 holds a token that sshd does",
    ),
    (
        "sshd",
        'authorized_keys_files = ["keys/50%"]',
        "sshd.authorized_keys_files",
        "entry 1 holds a token that sshd does",
    ),
    ("sshd", 'authorized_keys_files = ["a b"]', "sshd.authorized_keys_files", "is not one file name as sshd writes it"),
    (
        "sshd",
        'authorized_keys_files = ["~/keys"]',
        "sshd.authorized_keys_files",
        "is not one file name as sshd writes it",
    ),
    (
        "sshd",
        'authorized_keys_elsewhere = "allow"',
        "sshd.authorized_keys_elsewhere",
        'write "refuse" or "unrestricted"',
    ),
    (
        "sshd",
        'trusted_user_ca_keys = ["ca.pub"]',
        "sshd.trusted_user_ca_keys",
        "entry 1 is no absolute file name; begin",
    ),
    ("sshd", 'permit_user_rc = "yes"', "sshd.permit_user_rc", "is a text; write true or false, without quotes"),
    ("sshd", "subsystems = [{}]", "sshd.subsystems", "entry 1 is a table; write a text in quotes"),
    ("sshd", 'sftp_server = "sftp-server"', "sshd.sftp_server", "is no absolute file name"),
    ("messages", "before = 1", "messages.before", "is a whole number; write true or false, without quotes"),
    ("audit", "syslog = false", "audit.syslog", "is false and no file is named, so no verdict would be on record"),
    ("audit", 'file = "gate.log"', "audit.file", "is no absolute file name; begin it with /"),
    ("audit", 'users_file = "users"', "audit.users_file", "there is no such setting; did you mean users_file?"),
]


@pytest.mark.parametrize(("section", "line", "key", "says"), MISTAKES, ids=[mistake[1][:40] for mistake in MISTAKES])
def test_a_mistake_is_named_with_file_line_setting_and_remedy(
    toml: Path, section: str, line: str, key: str, says: str
) -> None:
    sections = ["", "id_server", "push", "policy", "sshd", "messages", "audit"]
    lines = []
    for name in sections:
        if name and not (name == "push" and line.startswith("push =")):
            lines.append(f"[{name}]")
        if name == section:
            lines.append(line)
        if name == "id_server":
            lines += ['dialect = "form"', 'url = "https://id.example.org"']
    [found] = problems(toml, "\n".join(lines) + "\n")
    assert found.path == str(toml)
    assert found.line == lines.index(line) + 1
    assert found.key == key
    assert says in f"{found.what}; {found.remedy}"
    assert str(found).startswith(f"{toml} line {found.line}: {key}: ")


def test_all_mistakes_are_told_at_once_in_file_order_and_the_secrets_file_last(toml: Path) -> None:
    pin_account = write_pin_account(toml, mode=0o644)
    text = f"""a = 1
[id_server]
dialect = "rest"
url = "http://id.example.org"
pin_account_file = "pin-account"
ca_file = "missing.pem"
api_method = "Gate"
[push]
wait_seconds = 1
[[policy.exempt_commands]]
accounts = "a"
command = "b"
[[policy.exempt_commands]]
accounts = "!a"
comand = "b"
[audit]
file = "{toml}"
"""
    told = [(found.path, found.line, found.key) for found in problems(toml, text)]
    assert told == [
        (str(toml), 1, "a"),
        (str(toml), 4, "id_server.url"),
        (str(toml), 7, "id_server.api_method"),
        (str(toml), 9, "push.wait_seconds"),
        (str(toml), 13, "policy.exempt_commands[2].command"),
        (str(toml), 14, "policy.exempt_commands[2].accounts"),
        (str(toml), 15, "policy.exempt_commands[2].comand"),
        (str(toml), 17, "audit.file"),
        (f"{toml.parent}/missing.pem", 0, ""),
        (str(pin_account), 0, ""),
    ]


def test_a_message_names_every_problem(toml: Path) -> None:
    with pytest.raises(ConfigError, match=r"id_server\.dialect: is missing.*id_server\.url: is missing"):
        load(toml, "[push]\n")


class TestMissing:
    def test_required_settings(self, toml: Path) -> None:
        found = problems(toml, "\n[id_server]\n")
        assert [(one.line, one.key, one.what) for one in found] == [
            (2, "id_server.dialect", "is missing"),
            (2, "id_server.url", "is missing"),
        ]

    def test_the_whole_section(self, toml: Path) -> None:
        assert [one.line for one in problems(toml, "[push]\n")] == [0, 0]


class TestContradictions:
    def test_form_with_a_pin_account(self, toml: Path) -> None:
        write_pin_account(toml)
        [found] = problems(toml, MINIMAL + 'pin_account_file = "pin-account"\n')
        assert (found.line, found.key) == (4, "id_server.pin_account_file")
        assert "is given, but the dialect form has no PIN account" in found.what

    def test_rest_without_a_pin_account(self, toml: Path) -> None:
        [found] = problems(toml, MINIMAL.replace("form", "rest"))
        assert found.key == "id_server.pin_account_file"
        assert "is missing, and the dialect rest needs it" in found.what

    def test_a_missing_dialect_is_not_taken_for_form(self, toml: Path) -> None:
        write_pin_account(toml)
        text = '[id_server]\nurl = "https://id.example.org"\npin_account_file = "pin-account"\n'
        assert [found.key for found in problems(toml, text)] == ["id_server.dialect"]

    def test_verdicts_in_the_file_that_maps_users(self, toml: Path) -> None:
        text = MINIMAL + f'[audit]\nfile = "{toml.parent}/users"\n'
        [found] = problems(toml, text)
        assert (found.line, found.key) == (5, "audit.file")
        assert "is a file that orders are read from" in found.what


def test_unknown_names_are_shown_fit_to_be_read(toml: Path) -> None:
    [escape, long] = problems(toml, f'"a\\u001b[31m" = 1\n{"b" * 300} = 1\n' + MINIMAL)
    assert escape.key == "'a\\x1b[31m'"
    assert len(long.key) < 100

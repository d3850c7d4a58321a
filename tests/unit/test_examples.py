"""The examples are what they say: each loads, and the full one shows every setting at its default."""

import base64
import hashlib
import re
import shutil
import tomllib
from pathlib import Path

import pytest

from secsign_gate.config import Settings, load_settings
from secsign_gate.core.authorized_keys import parse_key_line
from secsign_gate.directory.users_file import load_users

EXAMPLES = Path(__file__).parents[2] / "examples"
FULL = (EXAMPLES / "secsign-gate.toml").read_text()
SECTIONS = ("id_server", "push", "policy", "sshd", "messages", "audit", "grants", "limits", "broker")
WITHOUT_DEFAULT = {
    "grants.per_channel_accounts",
    "grants.per_channel_commands",
    "broker.metrics",
    "id_server.fallback_url",
    "id_server.ca_file",
    "id_server.proxy",
    "policy.exempt_accounts",
    "policy.exempt_groups",
    "policy.exempt_networks",
    "policy.exempt_commands",
    "audit.file",
}


def uncommented(text: str) -> str:
    """Return the text with every setting in a comment taken out of it. `# prose` has a blank, `#name = ` has none."""
    return re.sub(r"^#(?=[a-z_]+ = |\[)", "", text, flags=re.MULTILINE)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The examples as an administrator would have them, the secrets file and the CA of his own beside."""
    for example in EXAMPLES.iterdir():
        if example.is_file():
            shutil.copyfile(example, tmp_path / example.name)
            (tmp_path / example.name).chmod(0o644)
    (tmp_path / "pin-account").write_text("gate:open sesame\n")
    (tmp_path / "pin-account").chmod(0o640)
    (tmp_path / "id-server-ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    (tmp_path / "id-server-ca.pem").chmod(0o644)
    return tmp_path


def load(installed: Path, text: str) -> Settings:
    path = installed / "tried.toml"
    path.write_text(text)
    path.chmod(0o644)
    return load_settings(str(path))


def test_the_minimal_configuration_loads_with_its_users(installed: Path) -> None:
    settings = load_settings(str(installed / "secsign-gate.minimal.toml"))
    assert settings.id_server.dialect == "form"
    assert load_users(settings.users_file).secsign_id("alice", ()) == "alice"


def test_the_full_configuration_loads_as_it_stands(installed: Path) -> None:
    settings = load_settings(str(installed / "secsign-gate.toml"))
    assert settings.id_server.dialect == "rest"
    assert settings.users_file == str(installed / "users")


def test_what_stands_in_comments_are_the_defaults(installed: Path) -> None:
    as_it_stands = load(installed, FULL)
    others = r"fallback_url|ca_file|proxy|api_method|exempt_\w+|per_channel_\w+"
    no_defaults = rf"registry_file|{others}|metrics|file|\[\[|accounts|command"
    at_defaults = re.sub(rf"^({no_defaults}) ?=?.*$", "", uncommented(FULL), flags=re.MULTILINE)
    assert load(installed, at_defaults) == as_it_stands
    assert tomllib.loads(uncommented(FULL))["id_server"]["api_method"] == as_it_stands.id_server.api_method


def test_what_has_no_default_is_an_example_that_works(installed: Path) -> None:
    settings = load(installed, re.sub(r"^api_method.*$", "", uncommented(FULL), flags=re.MULTILINE))
    plain = load(installed, FULL)
    changed = {
        f"{section}.{name}"
        for section in SECTIONS
        for name, value in getattr(settings, section)._asdict().items()
        if value != getattr(getattr(plain, section), name)
    }
    assert changed == WITHOUT_DEFAULT


def test_the_full_configuration_shows_every_setting(installed: Path) -> None:
    shown = tomllib.loads(uncommented(FULL))
    settings = load(installed, FULL)
    for section in SECTIONS:
        names = {"pin_account_file" if name == "pin_account" else name for name in getattr(settings, section)._fields}
        assert shown[section].keys() == names
    assert "users_file" in shown


def fingerprint(key: str) -> str:
    digest = hashlib.sha256(base64.b64decode(key)).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def test_the_shared_account_asks_whom_its_comments_say(installed: Path) -> None:
    keys = [
        line.split()[1]
        for line in (installed / "authorized_keys.shared-account").read_text().splitlines()
        if line.startswith("ssh-")
    ]
    alices, bobs, third = map(fingerprint, keys)
    users = load_users(str(installed / "users.shared-account"))
    assert users.secsign_id("deploy", (alices,)) == "alice"
    assert users.secsign_id("deploy", (bobs,)) == "bob@example.org"
    assert users.secsign_id("deploy", (third,)) is None
    assert users.secsign_id("alice", (alices,)) == "alice"
    assert users.secsign_id("alice", (third,)) == "bob@example.org"


def test_the_examples_hold_no_private_key() -> None:
    texts = [path.read_bytes() for path in EXAMPLES.rglob("*") if path.is_file()]
    assert texts
    assert not [text for text in texts if b"PRIVATE KEY" in text]


@pytest.mark.parametrize(("name", "words"), [("own-account", "--started-by-key"), ("backup-robot", "rrsync")])
def test_the_example_key_lines_are_restricted_as_they_say(name: str, words: str) -> None:
    lines = [parse_key_line(line) for line in (EXAMPLES / f"authorized_keys.{name}").read_bytes().splitlines()]
    (line,) = [line for line in lines if line is not None]
    assert line.options.force_command is not None
    assert words in line.options.force_command.decode()
    assert not line.options.permits("port-forwarding")


def test_the_backups_key_runs_what_its_exemption_names(installed: Path) -> None:
    lines = (EXAMPLES / "authorized_keys.backup-robot").read_text().splitlines()
    exemption = [line.removeprefix("#").strip() for line in lines if line.startswith("#   ")]
    settings = load(installed, (EXAMPLES / "secsign-gate.minimal.toml").read_text() + "\n".join(exemption) + "\n")
    key = parse_key_line(lines[-1].encode())
    assert key is not None
    assert [rule.command for rule in settings.policy.exempt_commands] == [key.options.force_command]

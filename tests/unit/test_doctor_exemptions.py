"""Who comes in unasked: each rule is told, and one that lets nearly everybody in is a hole."""

import json

import pytest

from secsign_gate.config.reader import parse_settings
from secsign_gate.doctor.exemptions import examine_credentials, examine_exemptions
from secsign_gate.doctor.finding import Finding, Status

SERVER = '[id_server]\ndialect = "form"\nurl = "https://id.example.org"\n'


def told(**policy: object) -> tuple[Finding, ...]:
    lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in policy.items())
    return examine_exemptions(parse_settings("/etc/secsign-gate/secsign-gate.toml", f"{SERVER}[policy]\n{lines}"))


def test_nobody_is_exempt() -> None:
    assert [one.status for one in told()] == [Status.CLOSED]


@pytest.mark.parametrize(
    ("policy", "status", "words"),
    [
        ({"exempt_accounts": "rescue"}, Status.NOTE, "the accounts rescue"),
        ({"exempt_accounts": "?*"}, Status.OPEN, "names all accounts: ?*"),
        ({"exempt_accounts": "*,!alice"}, Status.WEAK, "names all accounts but some"),
        ({"exempt_groups": "monitoring"}, Status.NOTE, "the groups monitoring"),
        ({"exempt_groups": "[a-z]*,?*"}, Status.OPEN, "names all groups"),
        ({"exempt_networks": ["192.0.2.0/24"]}, Status.NOTE, "192.0.2.0/24"),
        ({"exempt_networks": ["10.0.0.0/8"]}, Status.NOTE, "10.0.0.0/8"),
        ({"exempt_networks": ["fc00::/7"]}, Status.NOTE, "fc00::/7"),
        ({"exempt_networks": ["128.0.0.0/1"]}, Status.OPEN, "128.0.0.0/1"),
        ({"exempt_networks": ["8.0.0.0/7"]}, Status.OPEN, "8.0.0.0/7"),
        ({"exempt_networks": ["2000::/3"]}, Status.OPEN, "2000::/3"),
    ],
)
def test_each_rule(policy: dict[str, object], status: Status, words: str) -> None:
    [one] = told(**policy)
    assert one.status is status
    assert words in one.what


def test_several_rules() -> None:
    assert len(told(exempt_accounts="a", exempt_groups="b", exempt_networks=["192.0.2.1/32", "::1/128"])) == 4


def test_credentials_that_users_may_read() -> None:
    settings = parse_settings("/etc/secsign-gate/secsign-gate.toml", SERVER)
    assert examine_credentials(settings, embedded=True) == ()

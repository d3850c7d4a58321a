"""Who passes without a push: each with its ground on record, and nobody's phone is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from by_hand import door
from gate import CONFIGURATION

if TYPE_CHECKING:
    from gate import Gate

ORDERS = CONFIGURATION / "secsign-gate.toml"
COMMAND = "echo ran"
EXEMPTIONS: list[tuple[str, dict[str, Any], str]] = [
    ("exempt_account", {"exempt_accounts": "bob,al*,!alba"}, "bob,al*,!alba"),
    ("exempt_group", {"exempt_groups": "wheel,operators"}, "wheel,operators"),
    ("exempt_network", {"exempt_networks": ["2001:db8::/32", "192.0.2.0/28"]}, "192.0.2.0/28"),
    ("exempt_command", {"exempt_commands": [{"accounts": "alice", "command": COMMAND}]}, "alice"),
]


def configure(gate: Gate, settings: dict[str, Any]) -> None:
    """Add to the policy; each exempt command is a table of its own, which is why it must come last."""
    gate.configure(policy={name: value for name, value in settings.items() if name != "exempt_commands"})
    with ORDERS.open("a") as orders:
        for rule in settings.get("exempt_commands", ()):
            orders.write(
                f"[[policy.exempt_commands]]\naccounts = '{rule['accounts']}'\ncommand = '{rule['command']}'\n"
            )


@pytest.mark.parametrize(("ground", "settings", "rule"), EXEMPTIONS, ids=[ground for ground, _, _ in EXEMPTIONS])
def test_an_exemption_is_on_record_and_asks_nobody(
    gate: Gate, ground: str, settings: dict[str, Any], rule: str
) -> None:
    alice = gate.user("alice", secsign_id="alice")
    configure(gate, settings)
    assert door(alice, COMMAND).outcome() == (0, b"ran\n", b"")
    (record,) = gate.records
    assert (record["verdict"], record["ground"], record["rule"]) == ("allow", ground, rule)
    assert "secsign_id" not in record
    assert gate.phone("alice").auth_sessions() == []


def test_who_is_not_meant_is_asked(gate: Gate) -> None:
    gate.configure(policy={"exempt_accounts": "*,!alice", "exempt_groups": "wheel", "exempt_networks": ["10.0.0.0/8"]})
    configure(gate, {"exempt_commands": [{"accounts": "alice", "command": COMMAND}]})
    alice = gate.user("alice", secsign_id="alice")
    for command in (f"{COMMAND} ", f"{COMMAND}; id", None):
        login = door(alice, command)
        gate.phone("alice").deny()
        assert login.outcome().status == 77
    assert {record["reason"] for record in gate.records} == {"denied_on_phone"}


def test_an_exempt_command_opens_no_restricted_key(gate: Gate) -> None:
    """What counts is what runs: the key's own command, whatever the client says."""
    configure(gate, {"exempt_commands": [{"accounts": "alice", "command": COMMAND}]})
    alice = gate.user("alice", secsign_id="alice", key_options='command="touch ~/proof"')
    login = door(alice, COMMAND)
    gate.phone("alice").deny()
    assert login.outcome()[:2] == (77, b"")
    assert not alice.has("proof")


def test_a_key_restricted_to_an_exempt_command_passes(gate: Gate) -> None:
    configure(gate, {"exempt_commands": [{"accounts": "alice", "command": COMMAND}]})
    alice = gate.user("alice", secsign_id="alice", key_options=f'command="{COMMAND}"')
    assert door(alice, "touch ~/proof").outcome() == (0, b"ran\n", b"")
    assert [record["ground"] for record in gate.records] == ["exempt_command"]
    assert not alice.has("proof")

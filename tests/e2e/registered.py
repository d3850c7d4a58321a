"""A host where keys come from the registry: its two ways to have the gate in front of them, and its people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import drop_in
from gate import CONFIGURATION

if TYPE_CHECKING:
    from gate import Gate, Person

REGISTRY = CONFIGURATION / "registry"
EXAMPLE = (drop_in.FOLDER / "01-secsign-gate-keys.conf.example").read_text()
EMBEDDED = EXAMPLE.replace("--broker /run/secsign-gate/broker.sock", "--config /etc/secsign-gate/secsign-gate.toml")
FOR_EVERYBODY = EMBEDDED.replace("Match User deploy", "Match all")
YESTERDAY = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y%m%d%H%MZ")
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y%m%d%H%MZ")
DENIED = b"Permission denied (publickey"


def with_registry(gate: Gate) -> None:
    gate.above_tables = 'registry_file = "registry"\n'
    gate.configure()
    registry("# nobody yet")


def registry(*lines: str) -> None:
    """Write the registry, as an administrator should: beside it, then into its place."""
    new = REGISTRY.with_name("registry.new")
    new.write_text("".join(f"{line}\n" for line in lines))
    new.chmod(0o644)
    new.rename(REGISTRY)


def person(gate: Gate, account: str = "deploy") -> Person:
    """Return somebody with a key that no file of the account's holds."""
    made = gate.user(account)
    made.write(".ssh/authorized_keys", "")
    return made


def line(gate: Gate, who: Person, secsign_id: str, options: str = "", accounts: str = "deploy") -> str:
    holder = gate.id_of(secsign_id) if secsign_id != "-" else "-"
    return f"{accounts}  {holder}  {options} {who.client.public_key}"


def told(gate: Gate) -> list[str]:
    """Return what the program that sshd asks has put into the log."""
    return [text for text in gate.system_log.lines() if "secsign-gate-authorized-keys" in text]


def is_denied(who: Person, *command: str) -> bool:
    """Tell whether sshd refuses the key."""
    outcome = who.ssh(*command).outcome()
    return outcome.status == 255 and DENIED in outcome.stderr

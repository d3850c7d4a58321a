"""`does_the_gate_ask`: one login by paramiko, for whoever has just switched the gate on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from records import wait_for_record
from stranger import until

from secsign_gate.probe.fault import HostKeyRefused, LoginRefused
from secsign_gate.probe.host_keys import read_host_keys
from secsign_gate.probe.identity import read_identity
from secsign_gate.probe.login import does_the_gate_ask
from secsign_gate.probe.place import Place
from secsign_gate.probe.session import Seen

if TYPE_CHECKING:
    from gate import Gate, Person

    from secsign_gate.probe.session import Heard


def no_passphrase(prompt: str) -> str:
    raise AssertionError(prompt)


def asked(gate: Gate, person: Person, at: str = "gated", account: str = "") -> Heard:
    person.at(at)  # known_hosts
    server = gate.server(at)
    return does_the_gate_ask(
        Place(account or person.account, server.address, server.port),
        [read_identity(str(person.client.key), no_passphrase)],
        read_host_keys([str(person.client.folder / "known_hosts")], []),
    )


def test_it_asks_and_the_push_is_withdrawn(gate: Gate) -> None:
    alice = gate.user("alice", secsign_id="alice")
    heard = asked(gate, alice)
    assert heard.seen is Seen.ASKED
    assert heard.words.startswith("accept alice@private-host on the phone of SecSign ID")
    assert wait_for_record(gate, event="verdict")["reason"] == "client_left"
    until(lambda: [one["disposed"] for one in gate.phone("alice").auth_sessions()] == ["cancel"])


def test_without_the_gate_the_command_runs(gate: Gate) -> None:
    assert asked(gate, gate.user("alice"), "ungated").seen is Seen.RAN


def test_who_has_no_phone_is_refused(gate: Gate) -> None:
    heard = asked(gate, gate.user("bob"))
    assert (heard.seen, heard.status) == (Seen.REFUSED, 77)
    assert heard.words.startswith("no SecSign ID is set for this account and key")


def test_another_account_does_not_take_the_key(gate: Gate) -> None:
    with pytest.raises(LoginRefused, match=r"does not take .*id_ed25519 for root"):
        asked(gate, gate.user("alice"), account="root")


def test_an_unknown_host_is_told_nothing(gate: Gate) -> None:
    alice = gate.user("alice")
    (alice.client.folder / "known_hosts").write_text("")
    server = gate.server("ungated")
    identities = [read_identity(str(alice.client.key), no_passphrase)]
    with pytest.raises(HostKeyRefused, match="--host-key SHA256:"):
        does_the_gate_ask(
            Place("alice", server.address, server.port),
            identities,
            read_host_keys([str(alice.client.folder / "known_hosts")], []),
        )
    assert "Accepted" not in server.log

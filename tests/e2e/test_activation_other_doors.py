"""The other doors switched on and off: PAM's account phase, and keys from the registry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from activation_host import CONFIRM, ActivationHost
from gate import CONFIGURATION
from records import wait_for_record
from running_broker import RunningBroker

from secsign_gate.core.verdict import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate import Gate, Person

PAM = Path("/etc/pam.d/sshd")


@pytest.fixture
def alice(gate: Gate) -> Person:
    return gate.user("alice", secsign_id="alice")


@pytest.fixture
def broker(alice: Person) -> Iterator[RunningBroker]:
    del alice  # whom it is to know
    with RunningBroker() as running:
        yield running


@pytest.fixture
def host(gate: Gate, broker: RunningBroker, alice: Person, tmp_path: Path) -> Iterator[ActivationHost]:
    del broker
    pam = PAM.read_bytes()
    made = ActivationHost(gate, tmp_path)
    alice.client.knows("host", made.sshd.address, made.sshd.port)
    yield made
    made.close()
    PAM.write_bytes(pam)


def test_pam_for_some_and_all_back_again(host: ActivationHost, alice: Person) -> None:
    before = PAM.read_bytes()
    bob = host.gate.user("bob")
    bob.client.knows("host", host.sshd.address, host.sshd.port)
    done = host.enable("--door", "pam")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert "+account  [success=1 default=ignore]  pam_succeed_if.so quiet user notin alice" in done.stdout
    assert not host.drop_in.exists()
    assert bob.run("ssh", "bob@host", "echo in").outcome()[:2] == (0, b"in\n")
    said = host.run("doctor", "--offline", "--json", "--sshd-config", str(host.sshd.configuration)).stdout
    findings = [finding for station in json.loads(said)["stations"] for finding in station["findings"]]
    about = [one["account"].split(", ") for one in findings if one["bypass"] == "ungated-account"]
    assert any("bob" in names for names in about), findings
    assert not any("alice" in names for names in about), findings
    assert "may keep PAM from asking" not in said
    one = host.run("doctor", "--offline", "--user", "bob", "--sshd-config", str(host.sshd.configuration)).stdout
    assert "the gate stands before bob" not in one, one
    login = alice.run("ssh", "alice@host", "touch proof")
    host.gate.phone("alice").deny()
    assert login.outcome().status == 255
    assert not alice.has("proof")
    assert wait_for_record(host.gate, event="verdict")["reason"] == Reason.DENIED_ON_PHONE
    confirmed = host.ssh(CONFIRM).outcome()
    assert confirmed.status == 0, confirmed
    assert host.run("disable").returncode == 0
    assert PAM.read_bytes() == before


def test_pam_and_force_command_and_one_way_in(host: ActivationHost, alice: Person) -> None:
    before = PAM.read_bytes()
    done = host.enable("--all", "--door", "pam", "--door", "force-command", "--break-glass", "root", minutes=0.05)
    assert (done.returncode, done.stderr) == (0, "")
    assert "root got in without the gate" in done.stdout
    assert host.drop_in.exists()
    login = alice.run("ssh", "alice@host", "echo in")
    host.gate.phone("alice").accept()
    assert login.outcome()[:2] == (0, b"in\n")  # one tap for both
    host.wait_until_undone()
    assert PAM.read_bytes() == before
    assert not host.drop_in.exists()


def test_a_door_that_is_no_longer_wanted_is_taken_away(host: ActivationHost) -> None:
    before = PAM.read_bytes()
    assert host.enable("--door", "pam", "--door", "force-command", "--no-trial").returncode == 0
    assert host.ssh(CONFIRM).outcome().status == 0
    done = host.enable("--no-trial")
    assert (done.returncode, done.stderr) == (0, "")
    assert "/opt/secsign-gate/bin/secsign-gate-pam" in done.stdout
    assert PAM.read_bytes() == before
    assert host.drop_in.exists()
    assert host.ssh(CONFIRM).outcome().status == 0
    assert host.run("disable").returncode == 0
    assert (PAM.read_bytes(), host.drop_in.exists()) == (before, False)


def test_keys_from_the_registry(host: ActivationHost, broker: RunningBroker, alice: Person) -> None:
    registry = CONFIGURATION / "registry"
    registry.write_text(f"alice {host.gate.id_of('alice')} {alice.client.public_key}\n")
    orders = CONFIGURATION / "secsign-gate.toml"
    orders.write_text('registry_file = "registry"\n' + orders.read_text())
    alice.write(".ssh/authorized_keys", "")
    broker.reload()
    done = host.enable("--door", "force-command", "--door", "authorized-keys")
    assert (done.returncode, done.stderr) == (0, "")
    keys = host.drop_in.with_name("01-secsign-gate-keys.conf")
    assert "Match User alice" in keys.read_text()
    login = alice.run("ssh", "alice@host", "echo in")
    host.gate.phone("alice").accept()
    assert login.outcome()[:2] == (0, b"in\n")
    assert host.ssh(CONFIRM).outcome().status == 0
    assert host.run("disable").returncode == 0
    assert not keys.exists()
    assert not host.drop_in.exists()


def test_a_registry_in_which_nobody_has_a_key(host: ActivationHost, broker: RunningBroker) -> None:
    (CONFIGURATION / "registry").write_text("# nobody yet\n")
    orders = CONFIGURATION / "secsign-gate.toml"
    orders.write_text('registry_file = "registry"\n' + orders.read_text())
    broker.reload()
    done = host.enable("--door", "force-command", "--door", "authorized-keys")
    assert done.returncode == 1
    assert "/registry has a key with a SecSign ID of nobody of whom the gate would stand in front of" in done.stderr
    assert not host.drop_in.exists()


def test_a_daemon_that_goes_by_older_orders(host: ActivationHost) -> None:
    host.gate.user("bob", secsign_id="bob")
    done = host.enable("--user", "bob")
    assert done.returncode == 1
    assert "the daemon has not read these orders since they were changed" in done.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--door", "pam", "--embedded"), "the PAM door asks the daemon and nobody else"),
        (("--door", "authorized-keys"), "names no registry, and the door for keys knows no others; set registry_file"),
    ],
)
def test_what_a_door_needs(host: ActivationHost, words: tuple[str, ...], sentence: str) -> None:
    before = PAM.read_bytes()
    done = host.enable(*words)
    assert (done.returncode, sentence in done.stderr) == (1, True), done
    assert PAM.read_bytes() == before
    assert not host.drop_in.exists()


@pytest.mark.parametrize(
    ("line", "sentence"),
    [("LoginGraceTime 60", "set `LoginGraceTime 120`"), ("UsePAM no", "sshd does not ask PAM; set `UsePAM yes`")],
)
def test_what_pam_needs_of_sshd(host: ActivationHost, line: str, sentence: str) -> None:
    host.sshd.configuration.write_text(f"{line}\n{host.sshd.configuration.read_text()}")
    done = host.enable("--door", "pam")
    assert (done.returncode, sentence in done.stderr) == (1, True), done

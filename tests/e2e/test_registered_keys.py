"""Several people, one account: sshd asks our AuthorizedKeysCommand, and each person's own phone is asked.

Twice where it matters: with the drop-in's ForceCommand before the key's command, and with the key's command alone.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import drop_in
import pytest
from gate import Person, grounds
from registered import (
    EXAMPLE,
    REGISTRY,
    TOMORROW,
    YESTERDAY,
    is_denied,
    line,
    person,
    registry,
    told,
    with_registry,
)
from running_broker import SOCKET, RunningBroker
from ssh_keygen import SshKeygen

from secsign_gate.core.verdict import Reason

if TYPE_CHECKING:
    from gate import Gate, Login
    from pam_stack import PamStack


def test_two_people_share_an_account_and_each_is_asked_on_a_phone_of_ones_own(shared: Gate) -> None:
    alice, bob = person(shared), person(shared)
    command = "printf '%s|' restricted \\\"$SSH_ORIGINAL_COMMAND\\\""
    registry(line(shared, alice, "alice"), line(shared, bob, "bob", f'restrict,command="{command}"'))
    hers = alice.ssh("touch ~/hers; id -un")
    shared.phone("alice").accept()
    assert hers.outcome()[:2] == (0, b"deploy\n")
    his = bob.ssh("touch ~/his")
    shared.phone("bob").accept()
    assert his.outcome()[:2] == (0, b"restricted|touch ~/his|")
    assert alice.has("hers")
    assert not bob.has("his")
    assert [record["secsign_id"] for record in shared.records] == [shared.id_of("alice"), shared.id_of("bob")]
    denied = alice.ssh("touch ~/denied")
    shared.phone("alice").deny()
    assert denied.refused(Reason.DENIED_ON_PHONE)
    assert not alice.has("denied")


def test_files_go_through_as_without_a_gate(shared: Gate) -> None:
    alice = person(shared)
    registry(line(shared, alice, "alice"))
    notes = shared.folder / "notes"
    notes.write_bytes(bytes(range(256)) * 1000)
    transfers: list[Callable[[], Login]] = [
        lambda: alice.scp(notes, ":by-scp"),
        lambda: alice.rsync(notes, ":by-rsync"),
        lambda: alice.sftp(f"put {notes} by-sftp\n"),
    ]
    for begin in transfers:
        login = begin()
        shared.phone("alice").accept()
        assert login.outcome().status == 0
    assert {(alice.home / name).read_bytes() for name in ("by-scp", "by-rsync", "by-sftp")} == {notes.read_bytes()}


def test_a_change_of_the_registry_counts_at_the_next_login(shared: Gate) -> None:
    shared.configure(policy={"exempt_accounts": "deploy"})
    alice, bob = person(shared), person(shared)
    registry(line(shared, alice, "alice"))
    assert alice.ssh("echo in").outcome()[:2] == (0, b"in\n")
    assert is_denied(bob, "echo in")
    registry(line(shared, alice, "alice", f'expiry-time="{YESTERDAY}"'), line(shared, bob, "bob"))
    assert is_denied(alice, "echo in")
    assert bob.ssh("echo in").outcome()[:2] == (0, b"in\n")
    registry(line(shared, alice, "alice", f'expiry-time="{TOMORROW}"'), line(shared, bob, "bob", accounts="root,alice"))
    assert alice.ssh("echo in").outcome()[:2] == (0, b"in\n")
    assert is_denied(bob, "echo in")
    assert "its expiry-time has passed" in told(shared)[-1]


def test_a_key_changes_hands_at_its_time(shared: Gate) -> None:
    """The line that has expired is neither what sshd goes by nor whose phone is asked."""
    who = person(shared)
    registry(
        line(shared, who, "alice", f'command="echo old",expiry-time="{YESTERDAY}"'),
        line(shared, who, "bob", 'command="echo new"'),
    )
    login = who.ssh("id")
    shared.phone("bob").accept()
    assert login.outcome()[:2] == (0, b"new\n")


def test_nobody_is_asked_if_nobody_can_tell_whose_key_it_is(shared: Gate) -> None:
    who = person(shared)
    registry(line(shared, who, "alice"), line(shared, who, "bob"))
    assert who.ssh("touch ~/proof").refused(Reason.NO_SECSIGN_ID)
    registry(line(shared, who, "-"))
    assert who.ssh("touch ~/proof").refused(Reason.NO_SECSIGN_ID)
    shared.add_to_users_file(f"deploy {shared.id_of('carol')}")
    login = who.ssh("touch ~/proof")
    shared.phone("carol").deny()
    assert login.refused(Reason.DENIED_ON_PHONE)
    assert not who.has("proof")


def test_offered_keys_ask_nobody(shared: Gate) -> None:
    """Whoever knows public keys, from wherever they are published, can have sshd ask about all of them."""
    shared.more_settings = "MaxAuthTries 100\n"
    stranger = person(shared)
    keys = SshKeygen(shared.folder)
    public = [b" ".join(keys.public(f"published{number}")) for number in range(50)]
    registry(*(f"deploy {shared.id_of('alice')} {key.decode()}" for key in public))
    before = len(shared.simulator.auth_sessions())
    with agent_that_never_signs([shared.folder / f"published{number}" for number in range(50)]) as socket:
        identities = [word for number in range(50) for word in ("-i", str(shared.folder / f"published{number}.pub"))]
        options = [*identities, "-v", "-o", "LogLevel=DEBUG1"]
        outcome = stranger.ssh("id", options=options, environment={"SSH_AUTH_SOCK": str(socket)}).outcome()
    assert outcome.status == 255
    assert outcome.stderr.count(b"Server accepts key") == 50
    assert len(shared.simulator.auth_sessions()) == before
    assert grounds(shared) == []


@contextmanager
def agent_that_never_signs(keys: list[Path]) -> Iterator[Path]:
    """Hold the keys in an agent that asks before it signs, and is always told no."""
    socket = keys[0].with_name("agent")
    environment = os.environ | {"SSH_ASKPASS": "/bin/false", "DISPLAY": "none", "SSH_AUTH_SOCK": str(socket)}
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", socket], env=environment, stdout=subprocess.PIPE)
    try:
        assert agent.stdout is not None
        agent.stdout.readline()  # it says where it listens once it does
        subprocess.run(["ssh-add", "-q", "-c", *keys], env=environment, check=True)
        yield socket
    finally:
        agent.kill()
        agent.communicate()


def test_one_authority_for_several_people(shared: Gate) -> None:
    keys = SshKeygen(shared.folder)
    authority = b" ".join(keys.public("authority")).decode()
    hers, his, nobodys, forced = (person(shared) for _ in range(4))
    for who, principals, options in (
        (hers, "alice", ()),
        (his, "bob", ()),
        (nobodys, "eve", ()),
        (forced, "alice", ("-O", "force-command=id")),
    ):
        certify(keys, who, principals, *options)
    registry(
        f'deploy {shared.id_of("alice")} cert-authority,principals="alice" {authority}',
        f'deploy {shared.id_of("bob")} cert-authority,principals="bob,robert",command="echo bob" {authority}',
    )
    login = hers.ssh("echo in")
    shared.phone("alice").accept()
    assert login.outcome()[:2] == (0, b"in\n")
    login = his.ssh("touch ~/proof")
    shared.phone("bob").accept()
    assert login.outcome()[:2] == (0, b"bob\n")
    assert is_denied(nobodys, "touch ~/proof")
    assert is_denied(forced, "touch ~/proof")
    assert "leaves no place for the gate" in told(shared)[-1]
    assert not his.has("proof")


def certify(keys: SshKeygen, who: Person, principals: str, *options: str) -> None:
    """Give somebody a certificate of the authority's."""
    name = f"{who.client.folder.name}-certified"
    word, text = who.client.public_key.split()[:2]
    keys.put_public(name, word.encode(), text.encode())
    signed = keys.certificate("authority", name, *options, principals=principals)
    who.client.key.with_name("id_ed25519-cert.pub").write_bytes(b" ".join(signed) + b"\n")


def test_a_person_with_a_key_of_two_accounts(shared: Gate) -> None:
    """One key, one phone, and what the line names: no other account."""
    alice = person(shared)
    registry(line(shared, alice, "alice", accounts="deploy,backup-robot"))
    login = alice.ssh("id -un")
    shared.phone("alice").accept()
    assert login.outcome()[:2] == (0, b"deploy\n")


@pytest.fixture
def broker(gate: Gate) -> Iterator[RunningBroker]:
    with_registry(gate)
    gate.drop_in = drop_in.gated(ForceCommand="none")
    gate.drop_in += EXAMPLE
    with RunningBroker() as running:
        yield running


def test_the_daemon_needs_no_reload_for_the_registry(gate: Gate, broker: RunningBroker) -> None:
    alice, bob = person(gate), person(gate)
    registry(line(gate, alice, "alice"))
    login = alice.ssh("echo in")
    gate.phone("alice").accept()
    assert login.outcome()[:2] == (0, b"in\n")
    registry(line(gate, alice, "alice"), line(gate, bob, "bob"))
    login = bob.ssh("echo in")
    gate.phone("bob").accept()
    assert login.outcome()[:2] == (0, b"in\n")
    assert grounds(gate) == ["approved", "approved"]
    REGISTRY.chmod(0o666)
    assert is_denied(bob)
    assert broker.process is not None


def test_a_key_by_the_registry_and_the_phone_by_pam(gate: Gate, pam: PamStack) -> None:
    """Both doors know whose key it is, and one tap is for both."""
    with_registry(gate)
    pam.use("sshd-publickey-then-push")
    gate.more_settings = (
        "KbdInteractiveAuthentication yes\nPasswordAuthentication no\n"
        "AuthenticationMethods publickey,keyboard-interactive:pam\n"
    )
    gate.drop_in = drop_in.asking(str(SOCKET)) + EXAMPLE
    alice, bob = person(gate), person(gate)
    registry(line(gate, alice, "alice"), line(gate, bob, "bob", 'command="echo bob"'))
    with RunningBroker():
        for who, name, says in ((alice, "alice", b"alice\n"), (bob, "bob", b"bob\n")):
            login = who.ssh("echo alice", options=["-o", "BatchMode=no"])
            gate.phone(name).accept()
            assert login.outcome()[:2] == (0, says)
            assert len(gate.phone(name).auth_sessions()) == 1
    assert grounds(gate) == ["approved", "granted"] * 2


def test_pam_asks_nobody_where_only_the_key_could_tell_whom(gate: Gate, pam: PamStack) -> None:
    """After a key alone, PAM's account phase is not told which key it was."""
    with_registry(gate)
    pam.use("sshd-account")
    gate.drop_in = EXAMPLE
    alice = person(gate)
    gate.add_to_users_file(f"deploy {gate.id_of('bob')}")
    registry(line(gate, alice, "alice"))
    with RunningBroker():
        assert alice.ssh("touch ~/proof").outcome().status == 255
    assert grounds(gate) == ["key_not_told"]
    assert gate.phone("bob").auth_sessions() == []
    assert not alice.has("proof")

"""PAM's auth phase, in the two set-ups of the vendor's module: key then phone, and password then phone."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import drop_in
import pytest
from accounts import PASSWORD
from pam_stack import PAM
from records import wait_for_record
from running_broker import SOCKET, RunningBroker

from secsign_gate.core.verdict import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate import Gate, Login, Person
    from pam_stack import PamStack

KEY_THEN_PUSH = """KbdInteractiveAuthentication yes
PasswordAuthentication no
AuthenticationMethods publickey,keyboard-interactive:pam"""
PASSWORD_THEN_PUSH = """KbdInteractiveAuthentication yes
PasswordAuthentication no
AuthenticationMethods keyboard-interactive:pam"""
NOT_IN_BATCH = ["-o", "BatchMode=no", "-o", "LogLevel=INFO"]


@pytest.fixture
def broker(gate: Gate) -> Iterator[RunningBroker]:
    gate.drop_in = "# PAM alone\n"
    with RunningBroker() as running:
        yield running


@pytest.fixture
def key_then_push(gate: Gate, broker: RunningBroker, pam: PamStack) -> RunningBroker:
    pam.use("sshd-publickey-then-push")
    gate.more_settings = KEY_THEN_PUSH
    return broker


@pytest.fixture
def password_then_push(gate: Gate, broker: RunningBroker, pam: PamStack) -> RunningBroker:
    pam.use("sshd-password-then-push")
    gate.more_settings = PASSWORD_THEN_PUSH
    return broker


def known(gate: Gate, broker: RunningBroker, *people: tuple[str, str]) -> list[Person]:
    made = [gate.user(account, secsign_id=secsign_id) for account, secsign_id in people]
    broker.reload()
    return made


def with_password(person: Person, *command: str, password: str = PASSWORD) -> Login:
    """`ssh`, where the password is typed by a program."""
    program = person.write("askpass", f"#!/bin/sh\necho >>{person.home}/asked\necho '{password}'\n", mode=0o700)
    typed = {"SSH_ASKPASS": str(program), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": "none"}
    options = [*NOT_IN_BATCH, "-o", "PubkeyAuthentication=no"]
    return person.ssh(*command, options=options, environment=typed)


def reasons(gate: Gate) -> list[str]:
    return [record.get("ground") or record["reason"] for record in gate.records]


class TestKeyThenPush:
    def test_nothing_is_typed_and_one_tap_lets_in(self, gate: Gate, key_then_push: RunningBroker) -> None:
        (alice,) = known(gate, key_then_push, ("alice", "alice"))
        login = alice.ssh("echo in", options=NOT_IN_BATCH)
        gate.phone("alice").accept()
        assert login.outcome()[:2] == (0, b"in\n")
        (record,) = gate.records
        assert (record["phase"], record["methods"]) == ("auth", ["publickey ssh-ed25519"])
        assert record["fingerprints"] == [alice.client.fingerprint]

    def test_people_who_share_an_account_are_asked_each_on_their_phone(
        self, gate: Gate, key_then_push: RunningBroker
    ) -> None:
        _, bob = known(gate, key_then_push, ("deploy", "alice"), ("deploy", "bob"))
        login = bob.ssh("echo in", options=NOT_IN_BATCH)
        gate.phone("bob").accept()
        assert login.outcome().stdout == b"in\n"
        assert gate.phone("alice").auth_sessions() == []

    def test_a_denial_stands_however_often_the_client_tries_again(
        self, gate: Gate, key_then_push: RunningBroker
    ) -> None:
        (alice,) = known(gate, key_then_push, ("alice", "alice"))
        gate.configure(limits={"pause_seconds": 0})  # it is not the pause that keeps the phone quiet
        key_then_push.reload()
        login = alice.ssh("touch proof", options=NOT_IN_BATCH)
        gate.phone("alice").deny()
        status, _, stderr = login.outcome()
        assert status == 255
        assert b"denied on the phone" in stderr
        assert reasons(gate) == [Reason.DENIED_ON_PHONE, Reason.REFUSED_BEFORE, Reason.REFUSED_BEFORE]
        assert f"ref {gate.records[0]['reference']}" in gate.records[2]["detail"]
        assert len(gate.phone("alice").auth_sessions()) == 1
        assert not alice.has("proof")

    def test_a_denial_stands_also_where_proc_hides_roots_processes(
        self, gate: Gate, key_then_push: RunningBroker
    ) -> None:
        (alice,) = known(gate, key_then_push, ("alice", "alice"))
        gate.configure(limits={"pause_seconds": 0})
        key_then_push.reload()
        subprocess.run(["mount", "-o", "remount,hidepid=invisible", "/proc"], check=True)
        try:
            login = alice.ssh("touch proof", options=NOT_IN_BATCH)
            gate.phone("alice").deny()
            assert login.outcome().status == 255
        finally:
            subprocess.run(["mount", "-o", "remount,hidepid=off", "/proc"], check=True)
        assert reasons(gate) == [Reason.DENIED_ON_PHONE, Reason.REFUSED_BEFORE, Reason.REFUSED_BEFORE]
        assert len(gate.phone("alice").auth_sessions()) == 1

    def test_a_new_connection_is_asked_for_anew(self, gate: Gate, key_then_push: RunningBroker) -> None:
        (alice,) = known(gate, key_then_push, ("alice", "alice"))
        gate.configure(limits={"pause_seconds": 0})
        key_then_push.reload()
        first = alice.ssh("touch proof", options=[*NOT_IN_BATCH, "-o", "NumberOfPasswordPrompts=1"])
        gate.phone("alice").deny()
        assert first.outcome().status == 255
        second = alice.ssh("echo in", options=NOT_IN_BATCH)
        gate.phone("alice").accept()
        assert second.outcome().stdout == b"in\n"

    def test_a_client_in_batch_mode_does_not_try(self, gate: Gate, key_then_push: RunningBroker) -> None:
        (alice,) = known(gate, key_then_push, ("alice", "alice"))
        assert alice.ssh("touch proof").outcome().status == 255
        assert gate.records == []

    def test_a_client_that_has_gone_leaves_no_push_behind(self, gate: Gate, key_then_push: RunningBroker) -> None:
        (alice,) = known(gate, key_then_push, ("alice", "alice"))
        login = alice.ssh("touch proof", options=NOT_IN_BATCH)
        gate.phone("alice").wait()
        login.session.kill()
        wait_for_record(gate, reason="client_left")
        while gate.phone("alice").auth_sessions()[0]["disposed"] is None:
            pass

    def test_all_three_doors_together_cost_one_tap(
        self, gate: Gate, key_then_push: RunningBroker, pam: PamStack
    ) -> None:
        pam.use("sshd-account")
        gate.drop_in = drop_in.asking(str(SOCKET))
        (alice,) = known(gate, key_then_push, ("alice", "alice"))
        login = alice.ssh("echo in", options=NOT_IN_BATCH)
        gate.phone("alice").accept()
        assert login.outcome()[:2] == (0, b"in\n")
        assert [(one["door"], one.get("phase"), one["ground"]) for one in gate.records] == [
            ("pam_exec", "auth", "approved"),
            ("pam_exec", "account", "granted"),
            ("force_command", None, "granted"),
        ]
        assert len(gate.phone("alice").auth_sessions()) == 1
        # After two methods, sshd names the first of them in the account phase as well.
        assert gate.records[1]["methods"] == ["publickey ssh-ed25519"]

    def test_the_phone_is_never_all_that_it_takes(self, gate: Gate, key_then_push: RunningBroker) -> None:
        gate.more_settings = PASSWORD_THEN_PUSH  # sshd asks nothing but PAM, and PAM nothing but the phone
        (alice,) = known(gate, key_then_push, ("alice", "alice"))
        login = alice.ssh("touch proof", options=[*NOT_IN_BATCH, "-o", "PubkeyAuthentication=no"])
        status, _, stderr = login.outcome()
        assert status == 255
        assert b"nobody has shown a key or a password" in stderr
        assert set(reasons(gate)) == {Reason.CONFIGURATION_ERROR}
        assert gate.phone("alice").auth_sessions() == []


class TestPasswordThenPush:
    def test_password_and_tap_let_in(self, gate: Gate, password_then_push: RunningBroker) -> None:
        (alice,) = known(gate, password_then_push, ("alice", "alice"))
        login = with_password(alice, "echo in")
        gate.phone("alice").accept()
        assert login.outcome()[:2] == (0, b"in\n")
        assert gate.records[0]["phase"] == "auth"

    def test_a_wrong_password_rings_no_phone(self, gate: Gate, password_then_push: RunningBroker) -> None:
        (alice,) = known(gate, password_then_push, ("alice", "alice"))
        assert with_password(alice, "touch proof", password="wrong").outcome().status == 255
        assert gate.records == []
        assert gate.phone("alice").auth_sessions() == []

    def test_a_denial_rings_it_once_though_the_password_is_typed_three_times(
        self, gate: Gate, password_then_push: RunningBroker
    ) -> None:
        (alice,) = known(gate, password_then_push, ("alice", "alice"))
        gate.configure(limits={"pause_seconds": 0})
        password_then_push.reload()
        login = with_password(alice, "touch proof")
        gate.phone("alice").deny()
        assert login.outcome().status == 255
        assert (alice.home / "asked").read_text().count("\n") == 3
        assert len(gate.phone("alice").auth_sessions()) == 1
        assert not alice.has("proof")

    @pytest.mark.parametrize(
        ("lines", "rings"),
        [
            ("auth [success=1 default=ignore] pam_unix.so\nauth requisite pam_deny.so", False),
            ("auth requisite pam_unix.so", False),
            ("auth required pam_unix.so", True),
            ("auth substack as-on-fedora", True),
        ],
    )
    def test_the_phone_is_quiet_only_where_a_wrong_password_ends_pams_lines(
        self, gate: Gate, password_then_push: RunningBroker, pam: PamStack, lines: str, *, rings: bool
    ) -> None:
        """What PAM does, on which docs/pam.md and the doctor rely; nobody is let in by any of these."""
        pam.write("as-on-fedora", "auth sufficient pam_unix.so\nauth required pam_deny.so\n")
        text = (PAM / "sshd").read_text()
        assert text.count("\n@include common-auth\n") == 1
        pam.write("sshd", text.replace("\n@include common-auth\n", f"\n{lines}\n"))
        (alice,) = known(gate, password_then_push, ("alice", "alice"))
        login = with_password(alice, "touch proof", password="wrong")
        if rings:
            gate.phone("alice").accept()
        assert login.outcome().status == 255
        assert len(gate.phone("alice").auth_sessions()) == (1 if rings else 0)
        assert not alice.has("proof")

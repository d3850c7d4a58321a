"""Who claims to be PAM and is not: an ordinary user gets nothing, and root nothing that is another connection's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import drop_in
import pytest
from by_hand import LONGEST_WAIT, PYTHON, as_account
from records import wait_for_record
from running_broker import SOCKET, RunningBroker
from ssh_client import Session
from stranger import claim

from secsign_gate.core.verdict import Reason
from secsign_gate.wire import AskForPam

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate import Gate, Person
    from stranger import Stranger

DOOR = "/opt/secsign-gate/bin/secsign-gate-pam"
SSHD_SAYS = {
    "PAM_TYPE": "account",
    "PAM_SERVICE": "sshd",
    "PAM_USER": "bob",
    "PAM_TTY": "ssh",
    "PAM_RHOST": "192.0.2.1",
    "SSH_CONNECTION": "192.0.2.1 50022 192.0.2.2 22",
    "SSH_AUTH_INFO_0": "",
}


@pytest.fixture
def broker(gate: Gate) -> Iterator[RunningBroker]:
    gate.drop_in = drop_in.asking(str(SOCKET))
    gate.more_settings = "PermitRootLogin yes"
    gate.add_to_users_file(f"bob {gate.id_of('bob')}")
    with RunningBroker() as running:
        yield running


def question(**changed: Any) -> AskForPam:
    fields: dict[str, Any] = {
        "phase": b"account",
        "service": b"sshd",
        "account": b"bob",
        "remote_user": b"",
        "remote_host": b"",
        "terminal": b"ssh",
        "ssh_connection": SSHD_SAYS["SSH_CONNECTION"].encode(),
        "auth_info": b"",
        "after_password": True,
        "seconds": 90,
    }
    return AskForPam(**fields | changed)


def door(account: str, *options: str, **changed: str | None) -> Session:
    given = {name: value for name, value in (SSHD_SAYS | changed).items() if value is not None}
    return Session(as_account(account, given, PYTHON, "-I", "-S", DOOR, *options), None, {})


def nothing_came_of_it(gate: Gate, broker: RunningBroker) -> bool:
    status = broker.status()
    return (gate.phone("bob").auth_sessions(), status["grants"], status["waiting"]) == ([], [], [])


def test_a_user_who_starts_the_door_himself_gets_nothing(gate: Gate, broker: RunningBroker) -> None:
    status, stdout, stderr = door("alice").outcome()
    assert (status, stdout) == (77, b"")
    assert b"PAM starts this program as root" in stderr
    assert nothing_came_of_it(gate, broker)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"phase": b"auth", "auth_info": b"publickey ssh-ed25519 AAAA\n"},
        {"service": b"sudo", "ssh_connection": b"", "phase": b"auth", "remote_user": b"bob"},
        {"account": b"alice"},
    ],
    ids=["account phase", "auth phase", "sudo", "for himself"],
)
def test_a_user_who_speaks_as_pam_does_gets_nothing(
    gate: Gate, broker: RunningBroker, stranger: Stranger, changed: dict[str, bytes]
) -> None:
    stream = stranger.connect()
    stream.send(question(**changed))
    answer = stream.answer()
    assert (answer.allowed, answer.why) == (False, Reason.CLAIM_UNUSABLE)
    assert stream.hears_nothing_more()
    assert nothing_came_of_it(gate, broker)
    record = wait_for_record(gate, door="pam_exec")
    assert (record["uid"], record["phase"]) == (2001, changed.get("phase", b"account").decode())
    assert "account" not in record
    assert "only root's PAM is believed" in record["detail"]


def test_a_user_whose_question_calls_itself_pams_is_no_door(
    gate: Gate, broker: RunningBroker, stranger: Stranger
) -> None:
    stream = stranger.connect()
    stream.send(claim("alice", door="pam_exec"))
    answer = stream.answer()
    assert (answer.allowed, answer.why) == (False, Reason.BROKER_UNAVAILABLE)
    assert gate.records == []
    assert nothing_came_of_it(gate, broker)


def test_root_cannot_name_a_connection_that_it_is_not_of(gate: Gate, broker: RunningBroker) -> None:
    alice = gate.user("alice", secsign_id="alice")
    broker.reload()
    login = alice.ssh("echo $SSH_CONNECTION; cat", stdin=b"")
    gate.phone("alice").accept()
    hers = login.outcome().stdout.decode().strip()
    status, _, stderr = door("root", SSH_CONNECTION=hers).outcome()
    assert status == 77
    assert b"its SSH connection is not proven" in stderr
    record = wait_for_record(gate, door="pam_exec")
    assert (record["reason"], record["account"]) == (Reason.CLAIM_UNUSABLE, "bob")
    assert "which is not root's sshd" in record["unproven"]
    assert nothing_came_of_it(gate, broker)


def test_root_on_a_connection_of_its_own_cannot_name_another(gate: Gate, broker: RunningBroker) -> None:
    gate.drop_in = "# no gate\n"
    gate.more_settings = "PermitRootLogin yes\nAuthorizedKeysFile /home/alice/.ssh/authorized_keys\nStrictModes no"
    root = _root_with_the_key_of(gate.user("alice"))
    variables = " ".join(f"{name}='{value}'" for name, value in SSHD_SAYS.items())
    login = root.ssh(f"exec env -i {variables} {PYTHON} -I -S {DOOR}")
    assert login.outcome().status == 77
    assert gate.records[0]["reason"] == Reason.CLAIM_UNUSABLE
    assert nothing_came_of_it(gate, broker)


def _root_with_the_key_of(person: Person) -> Person:
    person.account = "root"
    return person


def test_an_environment_with_two_authors_is_not_believed(broker: RunningBroker) -> None:
    code = _with_doubled("PAM_USER=alice", "PAM_USER=bob")
    session = Session([PYTHON, "-I", "-S", "-c", code], None, {})
    status, _, stderr = session.outcome(LONGEST_WAIT)
    assert status == 77
    assert b"PAM_USER is set twice" in stderr
    assert broker.status()["waiting"] == []


def _with_doubled(*entries: str) -> str:
    """Return a program that becomes the door with an environment which no dictionary can hold."""
    return (
        "import ctypes\n"
        f"arguments = {[PYTHON, '-I', '-S', DOOR]!r}\n"
        f"entries = {['PAM_TYPE=account', 'PAM_SERVICE=login', *entries]!r}\n"
        "block = lambda words: (ctypes.c_char_p * (len(words) + 1))(*[word.encode() for word in words], None)\n"
        "ctypes.CDLL(None).execve(arguments[0].encode(), block(arguments), block(entries))\n"
    )

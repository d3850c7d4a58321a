"""Bad input of every kind: one clear sentence on stderr, nothing on stdout, nothing runs, the right exit status."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from by_hand import (
    DOOR,
    PYTHON,
    Broker,
    answering,
    as_account,
    auth_info,
    door,
    environment,
    refused_in_a_sentence,
    yes_to_alice,
)
from gate import CONFIGURATION

from secsign_gate.core.verdict import CONFIGURATION_ERROR, REFUSED, Reason
from secsign_gate.wire import Answer, Ask, Left

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate import Gate, Person

NOT_FOUND, NOT_EXECUTABLE = 127, 126
ORDERS = CONFIGURATION / "secsign-gate.toml"
USERS = CONFIGURATION / "users"


# --- the line in sshd_config ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--force"], ["--force", "is unknown"]),
        (["--config"], ["--config", "needs a value"]),
        (["--config", "gate.toml"], ["--config", "absolute path"]),
        (["--broker", "/run/a", "--broker", "/run/b"], ["--broker", "given twice"]),
        (["--broker", "/run/a", "--config", "/etc/b"], ["--broker", "exclude each other"]),
        (["--restricted-to", "uptime"], ["--restricted-to", "--started-by-key"]),
        (["--user-rc"], ["--user-rc", "--started-by-key"]),
        (["--started-by-key", "--restricted-to", "a", "--restricted-to-hex", "61"], ["exclude each other"]),
        (["--started-by-key", "--restricted-to-hex", "6"], ["--restricted-to-hex", "no hexadecimal digits"]),
        (["uptime"], ["uptime", "is unknown"]),
    ],
)
def test_a_wrong_forcecommand_line(gate: Gate, options: list[str], words: list[str]) -> None:
    alice = gate.user("alice", secsign_id="alice")
    login = door(alice, options=options)
    assert refused_in_a_sentence(login, CONFIGURATION_ERROR, "the ForceCommand line", "sshd_config.d", *words)


@pytest.mark.parametrize("flags", [[], ["-I"], ["-S"]])
def test_an_interpreter_that_listens_to_the_user(gate: Gate, flags: list[str]) -> None:
    alice = gate.user("alice", secsign_id="alice")
    login = door(alice, python=[PYTHON, *flags])
    assert refused_in_a_sentence(login, CONFIGURATION_ERROR, "the ForceCommand line", "write python3 -I -S")


# --- what sshd says ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ssh_connection", "words"),
    [
        (None, ["SSH_CONNECTION is missing"]),
        ("192.0.2.1 50022 192.0.2.2 99999", ["a port that is none"]),
        ("\x1b[2J 1 \N{SNOWMAN} 2" * 5_000, ["is not what sshd sets"]),
    ],
    ids=["missing", "no port", "absurd"],
)
def test_an_absurd_ssh_connection(gate: Gate, ssh_connection: str | None, words: list[str]) -> None:
    alice = gate.user("alice", secsign_id="alice")
    login = door(alice, SSH_CONNECTION=ssh_connection)
    assert refused_in_a_sentence(login, REFUSED, "not started by sshd", *words)
    assert [record["reason"] for record in gate.records] == [Reason.CLAIM_UNUSABLE]


def a_link(person: Person) -> str:
    link = Path("/tmp/sshauth.link")
    link.unlink(missing_ok=True)
    link.symlink_to(auth_info(person))
    return str(link)


def a_fifo(_person: Person) -> str:
    fifo = Path("/tmp/sshauth.fifo")
    fifo.unlink(missing_ok=True)
    os.mkfifo(fifo, 0o600)
    os.chown(fifo, 2001, -1)
    return str(fifo)


def of_somebody_else(person: Person) -> str:
    path = Path(auth_info(person))
    os.chown(path, 2002, -1)
    return str(path)


def readable_by_others(person: Person) -> str:
    path = Path(auth_info(person))
    path.chmod(0o640)
    return str(path)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda _person: None, "SSH_USER_AUTH is missing"),
        (lambda _person: "", "SSH_USER_AUTH is missing"),
        (lambda _person: "/home/alice/mine", "does not name a file of sshd's"),
        (lambda _person: "/tmp/sshauth.x/../../home/alice/mine", "does not name a file of sshd's"),
        (lambda _person: "/tmp/sshauth.gone", "cannot be read: No such file"),
        (a_link, "cannot be read: Too many levels of symbolic links"),
        (a_fifo, "names a file that sshd did not make"),
        (of_somebody_else, "cannot be read: Permission denied"),
        (readable_by_others, "names a file that sshd did not make"),
        (lambda person: auth_info(person, b""), "is empty or too long"),
        (lambda person: auth_info(person, b"password\n" * 10_000), "is empty or too long"),
    ],
)
def test_a_file_that_sshd_did_not_write_is_no_claim(
    gate: Gate, make: Callable[[Person], str | None], problem: str
) -> None:
    alice = gate.user("alice")
    with Broker() as broker:
        login = door(alice, options=broker.option, SSH_USER_AUTH=make(alice))
        claim = answering(broker, Answer(allowed=False, why=Reason.AUTH_INFO_UNUSABLE))
        assert refused_in_a_sentence(login, REFUSED, "sshd did not say in a usable way how you authenticated")
    assert isinstance(claim, Ask)
    assert claim.auth_info == b""
    assert problem in claim.auth_info_problem
    assert "ExposeAuthInfo" in claim.auth_info_problem


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, ["SSH_USER_AUTH is missing"]), (b"publickey ssh-ed25519 AAAA\n", ["holds a key that is none"])],
)
def test_nobody_knows_how_she_authenticated(gate: Gate, content: bytes | None, words: list[str]) -> None:
    alice = gate.user("alice", secsign_id="alice")
    login = door(alice, SSH_USER_AUTH=None if content is None else auth_info(alice, content))
    assert refused_in_a_sentence(login, REFUSED, "ExposeAuthInfo", *words)
    assert [record["reason"] for record in gate.records] == [Reason.AUTH_INFO_UNUSABLE]


def test_the_door_tried_by_hand(gate: Gate) -> None:
    """Somebody types the command in a shell, as root and as a user."""
    alice = gate.user("alice", secsign_id="alice")
    for account in ("root", "alice"):
        login = alice.run(*as_account(account, {"PATH": "/usr/bin:/bin"}, PYTHON, "-I", "-S", DOOR))
        assert refused_in_a_sentence(login, REFUSED, "SSH_CONNECTION is missing", "started by sshd", "log in with ssh")


def test_closed_descriptors(gate: Gate) -> None:
    alice = gate.user("alice", secsign_id="alice")
    for closed in ("0<&-", "1>&-"):
        command = ["sh", "-c", f'exec "$@" {closed}', "sh", PYTHON, "-I", "-S", DOOR]
        login = alice.run(*as_account("alice", environment(alice, "touch ~/proof"), *command))
        assert refused_in_a_sentence(login, REFUSED, "standard input, output or error is closed")
    command = ["sh", "-c", 'exec "$@" 2>&-', "sh", PYTHON, "-I", "-S", DOOR]
    login = alice.run(*as_account("alice", environment(alice, "touch ~/proof"), *command))
    assert login.outcome() == (REFUSED, b"", b"")
    assert not alice.has("proof")


def test_nobody_knows_the_uid(gate: Gate) -> None:
    alice = gate.user("alice", secsign_id="alice")
    path = auth_info(alice)
    os.chown(path, 54321, -1)
    login = door(alice, account=54321, SSH_USER_AUTH=path)
    assert refused_in_a_sentence(login, REFUSED, "not in the password database", "no account has the uid 54321")
    assert [record["reason"] for record in gate.records] == [Reason.UNKNOWN_ACCOUNT]


def test_a_shell_that_vanishes_while_the_phone_is_asked(gate: Gate) -> None:
    alice = gate.user("alice")
    shell = Path("/usr/local/bin/her-own-shell")
    shutil.copy("/bin/dash", shell)
    subprocess.run(["usermod", "-s", shell, "alice"], check=True)
    cases: list[tuple[Callable[[], None], int, str]] = [
        (lambda: shell.chmod(0o644), NOT_EXECUTABLE, "Permission denied"),
        (shell.unlink, NOT_FOUND, "No such file or directory"),
    ]
    try:
        for spoil, status, words in cases:
            with Broker() as broker:
                login = door(alice, options=broker.option)
                stream = broker.accept()
                stream.receive()
                spoil()
                stream.send(yes_to_alice(bytes(shell), command=b"touch ~/proof"))
                left = stream.receive()
            assert isinstance(left, Left)
            assert left.why == Reason.NO_SHELL
            assert refused_in_a_sentence(login, status, "cannot run /usr/local/bin/her-own-shell", words)
    finally:
        subprocess.run(["usermod", "-s", "/bin/bash", "alice"], check=True)
    assert not alice.has("proof")


@pytest.mark.parametrize(
    ("logname", "reason", "words"),
    [
        (None, Reason.CLAIM_UNUSABLE, ["LOGNAME is missing"]),
        ("bob", Reason.UNKNOWN_ACCOUNT, ["several accounts share the uid 2001"]),
    ],
)
def test_a_name_that_is_not_the_uids(gate: Gate, logname: str | None, reason: Reason, words: list[str]) -> None:
    alice = gate.user("alice", secsign_id="alice")
    assert refused_in_a_sentence(door(alice, LOGNAME=logname), REFUSED, *words)
    assert [record["reason"] for record in gate.records] == [reason]


def test_a_shell_that_lets_nobody_in(gate: Gate) -> None:
    carol = gate.user("carol", secsign_id="carol")
    gated, ungated = (carol.ssh("touch ~/proof", at=at).outcome() for at in ("gated", "ungated"))
    assert gated == ungated
    assert gated.status == 1
    assert gate.phone("carol").auth_sessions() == []


# --- our own orders ---------------------------------------------------------------------------------------------------


def spoilt_by(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def append(more: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(path.read_bytes() + more)


@pytest.mark.parametrize(
    ("path", "spoil", "words"),
    [
        (ORDERS, Path.unlink, ["does not exist"]),
        (ORDERS, lambda path: path.chmod(0o600), ["may not be read by alice"]),
        (ORDERS, lambda path: path.chmod(0o666), ["can be written by everybody", "chmod go-w"]),
        (ORDERS, lambda path: os.chown(path, 2002, -1), ["belongs to bob, not to root or alice", "chown root"]),
        (ORDERS, spoilt_by(b""), ["is empty"]),
        (ORDERS, append(b"# \xff\n"), ["0xff", "not UTF-8"]),
        (USERS, Path.unlink, ["does not exist"]),
        (ORDERS, lambda path: path.parent.chmod(0o777), ["/etc/secsign-gate can be written by everybody"]),
        (USERS, lambda path: path.write_bytes(path.read_bytes()[:-1]), ["the last line has no end"]),
        (ORDERS, append(b"[polcy]\nexempt_accounts = 'bob'\n"), ["polcy"]),
        (ORDERS, append(b"[push]\nwait_seconds = 'long'\n[audit]\nsyslog = false\n"), ["push.wait_seconds", "audit"]),
        (USERS, append(b"bob alice&bob\nbob\n"), ["line 3", "line 4"]),
    ],
)
def test_orders_that_cannot_be_followed(
    gate: Gate, path: Path, spoil: Callable[[Path], object], words: list[str]
) -> None:
    alice = gate.user("alice", secsign_id="alice")
    spoil(path)
    login = door(alice)
    assert refused_in_a_sentence(login, CONFIGURATION_ERROR, str(path), *words)
    (record,) = gate.records
    assert (record["account"], record["reason"]) == ("alice", Reason.CONFIGURATION_ERROR)

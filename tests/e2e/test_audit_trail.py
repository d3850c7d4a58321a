"""Law 8: every verdict is on record before it takes effect. And what a login without a terminal gets to read."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from by_hand import door
from gate import PIN_ACCOUNT
from processes import brokers_of, doors_of
from system_log import DEV_LOG

from secsign_gate.core.verdict import COULD_NOT_ASK, REFUSED, Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate import Gate

FOLDER = Path("/var/log/secsign-gate")
MOST_IN_SYSLOG = 8192


@pytest.fixture
def audit_file(gate: Gate) -> Iterator[Path]:
    """A file of alice's that takes the place of syslog."""
    FOLDER.mkdir()
    path = FOLDER / "alice.jsonl"
    path.write_text("")
    os.chown(path, 2001, 2001)
    gate.configure(audit={"syslog": False, "file": str(path)})
    yield path
    shutil.rmtree(FOLDER)


def test_the_record_is_there_before_the_command_starts(gate: Gate, audit_file: Path) -> None:
    alice = gate.user("alice", secsign_id="alice")
    login = alice.ssh(f"cat {audit_file}")
    gate.phone("alice").accept()
    status, stdout, _ = login.outcome()
    assert status == 0
    assert b'"verdict":"allow","ground":"approved"' in stdout
    assert stdout == audit_file.read_bytes()
    assert gate.records == []


def test_no_record_no_login(gate: Gate) -> None:
    alice = gate.user("alice", secsign_id="alice")
    away = DEV_LOG.with_name("log-away")
    login = door(alice)
    gate.phone("alice").wait()
    DEV_LOG.rename(away)
    try:
        gate.phone("alice").accept()
        status, stdout, stderr = login.outcome()
    finally:
        away.rename(DEV_LOG)
    assert (status, stdout) == (COULD_NOT_ASK, b"")
    assert b"could not be put on record" in stderr
    assert b"/dev/log" in stderr
    assert not alice.has("proof")


@pytest.mark.parametrize("spoil", [lambda path: path.chmod(0o666), lambda path: os.chown(path, 2002, -1)])
def test_a_record_that_others_could_change_is_none(gate: Gate, audit_file: Path, spoil: object) -> None:
    assert callable(spoil)
    gate.configure(policy={"exempt_accounts": "alice"})
    alice = gate.user("alice")
    spoil(audit_file)
    status, stdout, stderr = door(alice).outcome()
    assert (status, stdout) == (COULD_NOT_ASK, b"")
    assert str(audit_file).encode() in stderr
    assert not alice.has("proof")


def test_foreign_bytes_are_escaped_and_bounded(gate: Gate) -> None:
    alice = gate.user("alice", secsign_id="alice")
    login = alice.ssh('true \x1b[2J\r\n\'{"verdict":"allow"}\' ' + "A" * 100_000)
    gate.phone("alice").deny()
    assert login.refused(Reason.DENIED_ON_PHONE)
    (line,) = [line for line in gate.system_log.lines() if "secsign-gate[" in line]
    assert len(line) < MOST_IN_SYSLOG
    assert line.isascii()
    assert line.isprintable()
    (record,) = gate.records
    assert record["command"].startswith(r"true \x1b[2J\x0d\x0a'{")
    assert record["command"].endswith("AAA...")
    assert record["command_bytes"] > len(record["command"])


def test_who_from_where_with_what_for_what(gate: Gate) -> None:
    alice = gate.user("alice", secsign_id="alice")
    login = alice.ssh("uptime -p")
    gate.phone("alice").accept()
    login.outcome()
    (record,) = gate.records
    (auth_session,) = gate.phone("alice").auth_sessions()
    told = {
        name: record[name] for name in ("account", "uid", "client_address", "server_port", "fingerprints", "methods")
    }
    assert told == {
        "account": "alice",
        "uid": 2001,
        "client_address": "127.0.0.1",
        "server_port": gate.sshd.port,
        "fingerprints": [alice.client.fingerprint],
        "methods": ["publickey ssh-ed25519"],
    }
    assert (record["wanted"], record["command"], record["terminal"]) == ("command", "uptime -p", False)
    assert (record["secsign_id"], record["auth_session_id"]) == (gate.id_of("alice"), auth_session["authsessionid"])
    assert record["waited_seconds"] > 0


def test_a_refusal_of_an_unusable_claim_still_says_whose(gate: Gate) -> None:
    alice = gate.user("alice", secsign_id="alice")
    assert door(alice, SSH_USER_AUTH=None).outcome().status == REFUSED
    (record,) = gate.records
    assert (record["account"], record["uid"], record["client_address"]) == ("alice", 2001, "192.0.2.1")


def test_no_secret_is_anywhere(gate: Gate) -> None:
    """Neither the service's password nor a request id: in records, words, arguments, environments."""
    gate.speak_rest()
    alice = gate.user("alice", secsign_id="alice")
    login = door(alice)
    gate.phone("alice").wait()
    seen = b""
    for pid in doors_of("alice") + brokers_of("alice"):
        seen += Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
    gate.phone("alice").deny()
    seen += login.outcome().stderr + "".join(gate.system_log.lines()).encode()
    assert PIN_ACCOUNT.partition(":")[2].encode() not in seen
    assert not re.search(rb"[0-9A-F]{64}", seen)
    assert len(gate.records) == 1


# --- words where there is no terminal ---------------------------------------------------------------------------------

BEFORE = r"secsign-gate: accept alice@private-host on the phone of SecSign ID alice\.\d+ within \d+ s"
AFTER = r"secsign-gate: denied on the phone, .* \(ref \w+\)"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [(True, True, [BEFORE, AFTER]), (False, True, [AFTER]), (True, False, [BEFORE]), (False, False, [])],
)
def test_a_line_before_and_one_after_unless_they_are_not_wanted(
    gate: Gate, before: bool, after: bool, expected: list[str]
) -> None:
    gate.configure(messages={"before": before, "after": after})
    alice = gate.user("alice", secsign_id="alice")
    login = door(alice)
    gate.phone("alice").deny()
    status, stdout, stderr = login.outcome()
    assert (status, stdout) == (REFUSED, b"")
    assert re.fullmatch("".join(f"{line}\n" for line in expected), stderr.decode("ascii"))


def test_who_is_let_in_reads_one_line_and_nothing_on_stdout(gate: Gate) -> None:
    alice = gate.user("alice", secsign_id="alice")
    login = door(alice)
    gate.phone("alice").accept()
    status, stdout, stderr = login.outcome()
    assert (status, stdout) == (0, b"ran\n")
    assert re.fullmatch(f"{BEFORE}\n", stderr.decode("ascii"))

"""PAM's account phase: the whole SSH connection waits for the tap, and one tap is enough for all its channels."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import drop_in
import pytest
from pam_stack import pam_doors
from processes import ended
from records import wait_for_record
from running_broker import SOCKET, RunningBroker

from secsign_gate.core.verdict import Reason
from secsign_gate.doctor.pam.conditions import lets_anybody_past
from secsign_gate.doctor.pam.files import pam_service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate import Gate, Person
    from pam_stack import PamStack


@pytest.fixture
def broker(gate: Gate, pam: PamStack) -> Iterator[RunningBroker]:
    """The daemon, asked by PAM's account phase, and by no ForceCommand."""
    gate.drop_in = "# PAM alone\n"
    pam.use("sshd-account")
    with RunningBroker() as running:
        yield running


@pytest.fixture
def alice(gate: Gate, broker: RunningBroker) -> Person:
    person = gate.user("alice", secsign_id="alice")
    broker.reload()
    return person


def test_nothing_runs_before_the_tap_and_all_after_it(gate: Gate, alice: Person) -> None:
    login = alice.ssh("touch proof; echo $SSH_ORIGINAL_COMMAND in")
    gate.phone("alice").wait()
    assert not alice.has("proof")
    gate.phone("alice").accept()
    assert login.outcome() == (0, b"in\n", b"")
    (record,) = gate.records
    said = {name: record.get(name) for name in ("door", "phase", "service", "ground", "wanted", "account", "uid")}
    assert said == {
        "door": "pam_exec",
        "phase": "account",
        "service": "sshd",
        "ground": "approved",
        "wanted": "connection",
        "account": "alice",
        "uid": 2001,
    }
    assert "unproven" not in record
    assert record["client_address"] == "127.0.0.1"


def test_who_denies_is_told_so_and_nothing_runs(gate: Gate, alice: Person) -> None:
    login = alice.ssh("touch proof", options=["-o", "LogLevel=INFO"])
    gate.phone("alice").deny()
    status, stdout, stderr = login.outcome()
    assert (status, stdout) == (255, b"")
    assert b"secsign-gate: denied on the phone" in stderr
    assert not alice.has("proof")
    assert [record["reason"] for record in gate.records] == [Reason.DENIED_ON_PHONE]


def test_forwarding_waits_for_the_tap(gate: Gate, alice: Person) -> None:
    with socket.create_server(("127.0.0.1", 0)) as inside:
        inside.settimeout(60)
        came = threading.Event()

        def serve() -> None:
            stream, _ = inside.accept()
            came.set()
            with stream:
                stream.sendall(b"through")

        threading.Thread(target=serve, daemon=True).start()
        port = inside.getsockname()[1]
        login = alice.ssh(options=["-W", f"127.0.0.1:{port}"])
        gate.phone("alice").wait()
        assert not came.is_set()
        gate.phone("alice").accept()
        assert login.outcome().stdout == b"through"


def test_a_connection_without_a_session_forwards_only_after_the_tap(gate: Gate, alice: Person) -> None:
    """`ssh -N -L`, for which no ForceCommand is ever asked."""
    with socket.create_server(("127.0.0.1", 0)) as inside, socket.socket() as free:
        inside.settimeout(60)
        free.bind(("127.0.0.1", 0))
        here, there = free.getsockname()[1], inside.getsockname()[1]
        free.close()
        login = alice.ssh(options=["-N", "-L", f"{here}:127.0.0.1:{there}", "-o", "ExitOnForwardFailure=yes"])
        gate.phone("alice").wait()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", here))
        gate.phone("alice").accept()
        wait_for_record(gate, ground="approved")
        while True:
            try:
                outside = socket.create_connection(("127.0.0.1", here), 60)
                break
            except ConnectionRefusedError:
                continue
        with outside:
            stream, _ = inside.accept()
            with stream:
                stream.sendall(b"through")
            assert outside.recv(7, socket.MSG_WAITALL) == b"through"
        login.session.kill()


def test_forwarding_is_refused_with_the_connection(gate: Gate, alice: Person) -> None:
    with socket.create_server(("127.0.0.1", 0)) as inside:
        login = alice.ssh(options=["-W", f"127.0.0.1:{inside.getsockname()[1]}"])
        gate.phone("alice").deny()
        assert login.outcome()[:2] == (255, b"")
        inside.setblocking(False)
        with pytest.raises(BlockingIOError):
            inside.accept()


def test_sftp_waits_as_well(gate: Gate, alice: Person) -> None:
    alice.write("there", "content")
    login = alice.sftp("ls")
    gate.phone("alice").accept()
    outcome = login.outcome()
    assert outcome.status == 0
    assert b"there" in outcome.stdout


def test_both_doors_together_cost_one_tap(gate: Gate, broker: RunningBroker) -> None:
    gate.drop_in = drop_in.asking(str(SOCKET))
    alice = gate.user("alice", secsign_id="alice")
    broker.reload()
    login = alice.ssh("echo 1; cat", stdin=b"2\n")
    gate.phone("alice").accept()
    assert login.outcome() == (0, b"1\n2\n", b"")
    assert [(one["door"], one["ground"]) for one in gate.records] == [
        ("pam_exec", "approved"),
        ("force_command", "granted"),
    ]
    assert gate.records[1]["rule"] == f"approval {gate.records[0]['reference']}"
    assert len(gate.phone("alice").auth_sessions()) == 1


def test_status_shows_who_waits_and_the_grant(gate: Gate, alice: Person, broker: RunningBroker) -> None:
    login = alice.ssh("cat", stdin=b"")  # which does not end before `outcome`
    gate.phone("alice").wait()
    (waiting,) = broker.status()["waiting"]
    assert (waiting["account"], waiting["wants"], waiting["client"]) == ("alice", "an SSH connection", "127.0.0.1")
    gate.phone("alice").accept()
    while not broker.status()["grants"]:
        pass
    (grant,) = broker.status()["grants"]
    assert grant["account"] == "alice"
    login.session.kill()
    while broker.status()["grants"]:
        pass


def test_a_client_that_has_gone_leaves_no_push_behind(gate: Gate, alice: Person, broker: RunningBroker) -> None:
    login = alice.ssh("touch proof")
    gate.phone("alice").wait()
    login.session.kill()
    wait_for_record(gate, reason="client_left")
    while broker.status()["waiting"]:
        pass
    while (one := gate.phone("alice").auth_sessions()[0])["disposed"] is None:
        pass
    assert one["disposed"] == "cancel"
    assert not alice.has("proof")


def test_login_grace_time_ends_it_for_all(gate: Gate, alice: Person) -> None:
    gate.more_settings = "LoginGraceTime 3"
    login = alice.ssh("touch proof")
    gate.phone("alice").wait()
    assert login.outcome().status == 255
    assert wait_for_record(gate, door="pam_exec")["reason"] == Reason.CLIENT_LEFT
    while gate.phone("alice").auth_sessions()[0]["disposed"] is None:
        pass
    assert not alice.has("proof")


def test_it_ends_before_login_grace_time_and_says_so(gate: Gate, alice: Person, pam: PamStack) -> None:
    pam.restore()
    pam.use("sshd-account", "--seconds", "5")
    login = alice.ssh("touch proof", options=["-o", "LogLevel=INFO"])
    status, stdout, stderr = login.outcome()
    assert (status, stdout) == (255, b"")
    assert b"no answer from your phone in time" in stderr
    assert gate.records[0]["reason"] == Reason.NO_ANSWER
    while gate.phone("alice").auth_sessions()[0]["disposed"] is None:
        pass


def test_without_a_broker_nobody_is_let_in_and_is_told_why(alice: Person, broker: RunningBroker) -> None:
    broker.kill(signal.SIGKILL)
    status, stdout, stderr = alice.ssh("touch proof", options=["-o", "LogLevel=INFO"]).outcome()
    assert (status, stdout) == (255, b"")
    assert b"secsign-gate: the approval service of this host does not answer" in stderr
    assert not alice.has("proof")


def test_a_broker_that_dies_meanwhile_refuses(gate: Gate, alice: Person, broker: RunningBroker) -> None:
    login = alice.ssh("touch proof", options=["-o", "LogLevel=INFO"])
    gate.phone("alice").wait()
    broker.kill(signal.SIGKILL)
    status, _, stderr = login.outcome()
    assert status == 255
    assert b"does not answer" in stderr
    assert not alice.has("proof")


def test_if_the_monitor_has_died_only_the_exempt_are_let_in(gate: Gate, alice: Person, broker: RunningBroker) -> None:
    bob = gate.user("bob")
    gate.configure(policy={"exempt_accounts": "bob"})
    broker.reload()
    os.kill(broker.monitor, signal.SIGKILL)
    broker.wait_for("the monitor has ended")
    assert bob.ssh("echo in").outcome().stdout == b"in\n"
    assert alice.ssh("touch proof").outcome().status == 255
    assert [one.get("ground") or one["reason"] for one in gate.records] == ["exempt_account", Reason.CLAIM_UNUSABLE]
    assert gate.phone("alice").auth_sessions() == []


def test_a_door_that_is_killed_refuses(gate: Gate, alice: Person) -> None:
    login = alice.ssh("touch proof")
    gate.phone("alice").wait()
    doors = pam_doors()
    for pid in doors:
        os.kill(pid, signal.SIGKILL)
    assert login.outcome().status == 255
    assert ended(doors)
    assert not alice.has("proof")


def test_where_the_phone_depends_on_the_key_the_auth_phase_is_named(gate: Gate, broker: RunningBroker) -> None:
    gate.user("deploy", secsign_id="alice")
    bob = gate.user("deploy", secsign_id="bob")
    broker.reload()
    status, _, stderr = bob.ssh("touch proof", options=["-o", "LogLevel=INFO"]).outcome()
    assert status == 255
    assert b"have it asked in the auth phase" in stderr
    assert [record["reason"] for record in gate.records] == [Reason.KEY_NOT_TOLD]


def test_a_channel_whose_key_has_another_phone_is_not_covered(gate: Gate, broker: RunningBroker) -> None:
    """PAM was told no key; the users file names one phone for the account, and later another for this key (law 4)."""
    gate.drop_in = drop_in.asking(str(SOCKET))
    alice = gate.user("alice", secsign_id="alice")
    broker.reload()
    options = ["-o", f"ControlPath={alice.client.folder}/mux"]
    master = alice.run("ssh", "-M", "-N", *options, alice.at("gated"))
    gate.phone("alice").accept()
    wait_for_record(gate, ground="approved")
    gate.add_to_users_file(f"alice {gate.id_of('other')} {alice.client.fingerprint}")
    broker.reload()
    login = alice.ssh("echo in", options=options)
    gate.phone("other").accept()
    assert login.outcome().stdout == b"in\n"
    assert [one["ground"] for one in gate.records] == ["approved", "approved"]
    master.session.kill()


def test_the_phone_says_what_it_is_about(gate: Gate, alice: Person) -> None:
    login = alice.ssh("echo in")
    assert "alice@private-host an SSH connection from 127.0.0.1" in str(gate.phone("alice").wait())
    gate.phone("alice").accept()
    assert login.outcome().stdout == b"in\n"


def test_one_account_does_not_take_all_places(gate: Gate, alice: Person, broker: RunningBroker) -> None:
    gate.configure(broker={"connections_per_account": 4})
    bob = gate.user("bob", secsign_id="bob")
    broker.reload()
    logins = [alice.ssh("touch proof") for _ in range(4)]
    while len(broker.status()["waiting"]) < 4:
        pass
    assert alice.ssh("touch proof").outcome().status == 255
    assert wait_for_record(gate, reason=Reason.TOO_MANY_CONNECTIONS)["account"] == "alice"
    his = bob.ssh("echo in")
    gate.phone("bob").accept()
    assert his.outcome().stdout == b"in\n"
    for login in logins:
        login.session.kill()
    while broker.status()["waiting"]:
        pass


def test_an_expired_password_is_no_way_around_it(gate: Gate, alice: Person) -> None:
    """sshd lets such a user in, to change it, and Debian's account lines end there."""
    shadow = Path("/etc/shadow")
    before = shadow.read_text()
    try:
        shadow.write_text(re.sub(r"(?m)^(alice:[^:]*):[^:]*:", r"\1:0:", before))
        login = alice.ssh("touch proof", options=["-o", "LogLevel=INFO"])
        gate.phone("alice").deny()
        status, _, stderr = login.outcome()
        assert status == 255
        assert b"denied on the phone" in stderr
    finally:
        shadow.write_text(before)
    assert not alice.has("proof")


@pytest.mark.parametrize(
    "line",
    [
        "sufficient pam_permit.so",
        "sufficient pam_unix.so",
        "sufficient pam_localuser.so",
        "sufficient pam_rootok.so",
        "sufficient pam_access.so",
        "sufficient pam_time.so",
        "[success=1 default=ignore] pam_unix.so",
    ],
)
def test_what_the_doctor_takes_for_a_yes_of_anybody_lets_in_without_a_tap(
    gate: Gate, pam: PamStack, alice: Person, line: str
) -> None:
    service = Path("/etc/pam.d/sshd").read_text()
    pam.write("sshd", re.sub(r"(?m)^(account +requisite +pam_exec)", rf"account {line}\n\1", service, count=1))
    lines = [one for one in pam_service("sshd") if one.group == "account"]
    assert lets_anybody_past(lines, next(at for at, one in enumerate(lines) if one.is_gate)) is not None
    assert alice.ssh("echo in").outcome() == (0, b"in\n", b"")
    assert gate.records == []

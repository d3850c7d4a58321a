"""Users of the host who claim to be what they are not: what they claim makes nothing easier for them."""

from __future__ import annotations

import shlex
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import drop_in
import pytest
from by_hand import DOOR, PYTHON, auth_info
from records import wait_for_record
from running_broker import SOCKET, RunningBroker
from ssh_keygen import SshKeygen
from stranger import Stranger, Stream, claim, until

from secsign_gate.core.verdict import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate import Gate, Login, Person

    from secsign_gate.wire import Answer

pytestmark = pytest.mark.usefixtures("alice", "bob", "broker")  # in this order: the broker is to know them
ORPHAN = """
import os, select
parent = os.pidfd_open(os.getpid())
if os.fork() == 0:
    os.setsid()
    null = os.open("/dev/null", os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)
    select.select([parent], [], [])
    os.execve("{0}", ["{0}", "-I", "-S", "{1}", "--broker", "{2}"], {3})
"""


@pytest.fixture
def broker(gate: Gate) -> Iterator[RunningBroker]:
    """The daemon, which knows alice and bob."""
    gate.drop_in = drop_in.asking(str(SOCKET))
    gate.configure(limits={"pause_seconds": 0})
    with RunningBroker() as running:
        yield running


def deny(gate: Gate) -> None:
    """Wait until somebody has had alice asked, and say no for her."""
    gate.simulator.deny(gate.id_of("alice"))


def claiming(person: Person, options: list[str] | None = None, at: str = "ungated", **variables: str) -> Login:
    """Log in, and there start the door with other variables than sshd's."""
    info = auth_info(person, b"password\n")
    given = {"LOGNAME": person.account, "SSH_USER_AUTH": info, "SSH_ORIGINAL_COMMAND": "touch ~/proof"} | variables
    words = " ".join(f"{name}={shlex.quote(value)}" for name, value in given.items())
    same = "" if "SSH_CONNECTION" in variables else '"SSH_CONNECTION=$SSH_CONNECTION" '
    return person.ssh(f"env -i {same}{words} {PYTHON} -I -S {DOOR} --broker {SOCKET}", at=at, options=options or [])


def shared_connection(person: Person, gate: Gate) -> tuple[list[str], str]:
    """Return the options of a connection that is approved, and its SSH_CONNECTION."""
    options = ["-o", "ControlMaster=auto", "-o", f"ControlPath={person.client.folder}/mux", "-o", "ControlPersist=yes"]
    login = person.ssh("echo $SSH_CONNECTION", options=options)
    gate.phone(person.account).accept()
    return options, login.outcome().stdout.decode().strip()


def close(person: Person, options: list[str]) -> None:
    person.run("ssh", *options, "-O", "exit", person.at("gated")).outcome()


def test_the_account_of_somebody_else(gate: Gate, stranger: Stranger, alice: Person) -> None:
    answer = stranger.ask(logname=b"bob").answer()
    assert (answer.allowed, answer.why) == (False, Reason.UNKNOWN_ACCOUNT)
    assert claiming(alice, LOGNAME="bob").refused(Reason.UNKNOWN_ACCOUNT)
    assert claiming(alice, LOGNAME="root").refused(Reason.UNKNOWN_ACCOUNT)
    assert gate.phone("alice").auth_sessions() == gate.phone("bob").auth_sessions() == []


def test_a_key_that_may_only_write_files_does_not_become_another_key(gate: Gate, alice: Person) -> None:
    """sshd writes once for a connection which key it was, into a file that belongs to the account."""
    keys = SshKeygen(gate.folder)
    another = b" ".join(keys.public("another")).decode()
    alice.write(".ssh/authorized_keys", f'command="tee /tmp/sshauth.*" {alice.client.public_key}\n{another}\n')
    mux = ["-o", "ControlMaster=auto", "-o", f"ControlPath={alice.client.folder}/mux", "-o", "ControlPersist=yes"]
    login = alice.ssh("touch ~/proof", options=mux, stdin=f"publickey {another}\n".encode())
    gate.phone("alice").accept()
    assert login.outcome().stdout == f"publickey {another}\n".encode()
    assert alice.ssh("touch ~/proof", options=mux).refused(Reason.AUTH_INFO_UNUSABLE)
    assert len(gate.phone("alice").auth_sessions()) == 1
    close(alice, mux)
    assert not alice.has("proof")


def test_the_ssh_connection_of_somebody_else(gate: Gate, stranger: Stranger, alice: Person, bob: Person) -> None:
    options, connection_of_bob = shared_connection(bob, gate)
    assert claiming(alice, SSH_CONNECTION=connection_of_bob).refused(Reason.CLAIM_UNUSABLE)
    stream = stranger.ask(ssh_connection=connection_of_bob.encode())
    deny(gate)
    assert stream.answer().why == Reason.DENIED_ON_PHONE
    close(bob, options)
    assert not alice.has("proof")


def test_a_process_outside_of_sshd_has_no_part_in_what_was_approved(
    gate: Gate, stranger: Stranger, alice: Person
) -> None:
    """As one that cron has started: it knows everything, and has the right account."""
    options, connection = shared_connection(alice, gate)
    assert alice.ssh("true", options=options).outcome().status == 0
    stream = stranger.ask(ssh_connection=connection.encode())
    deny(gate)
    assert stream.answer().why == Reason.DENIED_ON_PHONE
    assert [record.get("ground") for record in gate.records] == ["approved", "granted", None]
    assert "unproven" in gate.records[-1]
    assert alice.ssh("true", options=options).outcome().status == 0  # what was granted stays granted
    close(alice, options)


def test_processes_outside_of_sshd_share_no_approval(gate: Gate, broker: RunningBroker, stranger: Stranger) -> None:
    first = stranger.ask()
    gate.simulator.wait_for(gate.id_of("alice"))
    second = stranger.ask()
    until(lambda: [one["place"] for one in broker.status()["waiting"]] == [0, 1])
    gate.simulator.accept(gate.id_of("alice"))
    assert first.answer().allowed
    deny(gate)
    assert not second.answer().allowed
    assert broker.status()["grants"] == []


def test_an_orphan_of_an_approved_connection(gate: Gate, alice: Person) -> None:
    """It has left its session behind (setsid, and init as its parent), but not the account."""
    options, connection = shared_connection(alice, gate)
    variables = {
        "LOGNAME": "alice",
        "SSH_CONNECTION": connection,
        "SSH_USER_AUTH": auth_info(alice, b"password\n"),
        "SSH_ORIGINAL_COMMAND": "touch ~/proof",
    }
    orphan = alice.write("orphan.py", ORPHAN.format(PYTHON, DOOR, SOCKET, variables))
    assert alice.ssh(f"{PYTHON} -I {orphan}", options=options).outcome().status == 0
    deny(gate)
    assert "unproven" in wait_for_record(gate, reason="denied_on_phone")
    assert not alice.has("proof")
    close(alice, options)


def test_a_stream_that_was_passed_on_is_worth_no_more_than_to_who_opened_it(gate: Gate, alice: Person) -> None:
    """A process of an approved connection connects, gives its stream to another one, and is gone.

    It may have been proven before it went, and then another address is a lie; if not, it is a mere claim.
    """
    options, connection = shared_connection(alice, gate)
    for changed, reasons in (
        ({"logname": b"bob"}, {Reason.UNKNOWN_ACCOUNT}),
        ({"ssh_connection": b"192.0.2.1 50022 192.0.2.2 22"}, {Reason.CLAIM_UNUSABLE, Reason.DENIED_ON_PHONE}),
        # A password was not what logged in: this is no channel of what was approved.
        ({}, {Reason.AUTH_INFO_UNUSABLE, Reason.DENIED_ON_PHONE}),
    ):
        stream = passed_on(alice, options)
        stream.send(claim("alice", **{"ssh_connection": connection.encode()} | changed))
        assert denied_if_asked(gate, stream).why in reasons
        stream.close()
    close(alice, options)


def denied_if_asked(gate: Gate, stream: Stream) -> Answer:
    """Return the broker's answer; if alice's phone is asked meanwhile, it denies."""
    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(stream.answer)
        while not answer.done():
            if gate.simulator.pending(gate.id_of("alice")):
                deny(gate)
    return answer.result()


def passed_on(person: Person, options: list[str]) -> Stream:
    """Return a stream to the broker that a process of an SSH connection has opened; the process has ended."""
    meeting = Path("/tmp/meeting")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(meeting))
        meeting.chmod(0o666)
        listener.listen()
        script = (
            "import socket; there, stream = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX); "
            f"there.connect('{meeting}'); stream.connect('{SOCKET}'); "
            'socket.send_fds(there, [b"!"], [stream.fileno()])'
        )
        login = person.ssh(f"{PYTHON} -I -c {shlex.quote(script)}", options=options)
        passing, _ = listener.accept()
        with passing:
            _, (descriptor,), _, _ = socket.recv_fds(passing, 1, 1)
        assert login.outcome().status == 0
    meeting.unlink()
    return Stream(socket.socket(fileno=descriptor))


def test_a_stream_whose_process_has_ended_is_of_no_connection(gate: Gate, stranger: Stranger) -> None:
    stream = stranger.connect()
    stranger.leave()
    stream.send(claim("alice"))
    deny(gate)
    assert stream.answer().why == Reason.DENIED_ON_PHONE
    assert wait_for_record(gate, reason="denied_on_phone")["unproven"]


def test_an_exempt_network_is_for_those_who_are_proven_to_be_there(
    gate: Gate, broker: RunningBroker, stranger: Stranger, alice: Person
) -> None:
    gate.configure(policy={"exempt_networks": ["192.0.2.0/24"]})
    broker.reload()
    stream = stranger.ask(ssh_connection=b"192.0.2.1 50022 192.0.2.2 22")
    deny(gate)
    assert stream.answer().why == Reason.DENIED_ON_PHONE
    assert claiming(alice, SSH_CONNECTION="192.0.2.1 50022 192.0.2.2 22").refused(Reason.CLAIM_UNUSABLE)
    assert not alice.has("proof")


@pytest.mark.parametrize("name", ["pam", "", "force_command\n", "\u202e" * 1000])
def test_another_doors_name_opens_nothing(gate: Gate, stranger: Stranger, name: str) -> None:
    stream = stranger.ask(door=name)
    deny(gate)
    assert stream.answer().why == Reason.DENIED_ON_PHONE

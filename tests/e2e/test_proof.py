"""Which SSH connection a process belongs to, proven by a broker without privileges, against a real sshd."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from accounts import PASSWORD
from by_hand import as_account
from drop_in import gated
from proof_broker import PYTHON, Answer, ProofBroker, answer_in
from sshd import CONNECTIONS_PROGRAM, READY, SSHD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate import Gate, Person

HOLDS_MANY = """
import os, resource, subprocess, sys
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
sshd = subprocess.Popen(sys.argv[1:])  # before: the kernel gives a child room for as many
os.dup2(2, 5000)
sshd.wait()
"""
AS_SYSTEMD = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.fixture
def broker() -> Iterator[ProofBroker]:
    with ProofBroker() as started:
        yield started


def asked(person: Person, command: str, *options: str, at: str = "ungated", as_root: bool = False) -> Answer:
    """Log in, run `command`, return the answer that it printed."""
    target = person.at(at)
    if as_root:
        target = target.replace(f"{person.account}@", "root@")
    outcome = person.run("ssh", *options, target, command, stdin=PASSWORD.encode() + b"\n").outcome()
    assert outcome.stdout, outcome
    return answer_in(outcome.stdout)


@pytest.fixture
def root(gate: Gate) -> Iterator[Person]:
    """Somebody whose key root takes."""
    person = gate.user("alice")
    keys = Path("/root/.ssh/authorized_keys")
    keys.parent.mkdir(mode=0o700, exist_ok=True)
    keys.write_text(person.client.public_key + "\n")
    yield person
    shutil.rmtree(keys.parent)


def is_proven(answer: Answer) -> bool:
    """Tell whether it is, and names the addresses that sshd names."""
    return answer.proven is not None and answer.proven["connection"] == answer.ssh_connection


def proven_sshd(answer: Answer) -> int:
    """Return the process id of the sshd that the connection is proven to be."""
    assert answer.proven is not None
    pid: int = answer.proven["sshd"][0]
    return pid


def executable_of(pid: int) -> str:
    return str(Path(f"/proc/{pid}/exe").readlink())


def multiplexed(person: Person, name: str) -> list[str]:
    path = person.client.folder / name
    return ["-o", "ControlMaster=auto", "-o", f"ControlPath={path}", "-o", "ControlPersist=yes"]


@pytest.mark.parametrize("account", ["alice", "root"])
def test_all_channels_of_a_connection_prove_the_same_and_another_connection_another(
    gate: Gate, broker: ProofBroker, root: Person, account: str
) -> None:
    gate.drop_in = gated(ForceCommand=broker.ask)
    person, as_root = root, account == "root"
    first, second = multiplexed(person, "first"), multiplexed(person, "second")
    try:
        channels = [
            asked(person, "whatever", *first, *more, at="gated", as_root=as_root) for more in ([], ["-tt"], ["-tt"], [])
        ]
        other = asked(person, "whatever", *second, at="gated", as_root=as_root)
        assert all(is_proven(answer) for answer in [*channels, other]), (channels, other)
        assert channels[1:] == channels[:-1]
        assert other.proven != channels[0].proven
        assert executable_of(proven_sshd(channels[0])) == CONNECTIONS_PROGRAM
    finally:
        target = person.at("gated").replace("alice@", f"{account}@")
        for options in (first, second):
            person.run("ssh", *options, "-O", "exit", target).outcome()
    ends = [broker.next_end() for _ in [*channels, other]]
    assert sorted(end["pid"] for end in ends) == sorted(map(proven_sshd, [*channels, other]))


def test_connections_open_at_one_time_are_told_apart(gate: Gate, broker: ProofBroker) -> None:
    alice, bob = gate.user("alice"), gate.user("bob")
    logins = [person.ssh(broker.ask, at="ungated") for person in (alice, bob, alice, bob)]
    answers = [answer_in(login.outcome().stdout) for login in logins]
    assert all(is_proven(answer) for answer in answers)
    assert len({answer.ssh_connection for answer in answers}) == len(answers)
    assert len({str(answer.proven) for answer in answers}) == len(answers)


def test_ipv6(gate: Gate, broker: ProofBroker) -> None:
    if not has_ipv6():
        pytest.skip("::1 is not up")
    gate.more_settings = "ListenAddress ::1"
    alice = gate.user("alice")
    alice.client.knows("six", "::1", gate.ungated.port)
    outcome = alice.run("ssh", "alice@six", broker.ask).outcome()
    answer = answer_in(outcome.stdout)
    assert is_proven(answer)
    assert answer.ssh_connection.startswith("::1 ")


def test_a_socket_for_both_protocols_and_no_listener(gate: Gate, broker: ProofBroker) -> None:
    """As with a socket unit of systemd that starts `sshd -i`: the address is IPv4-mapped in the kernel's tables."""
    answer = asked_without_listener(gate.user("alice"), "alice", broker.ask, gate)
    assert is_proven(answer)
    assert answer.ssh_connection.startswith("127.0.0.1 ")


def test_what_starts_sshd_may_hold_more_descriptors_than_anybody_looks_through(
    gate: Gate, broker: ProofBroker, root: Person
) -> None:
    """A service manager of a container, say. It is one of root's, and so are all between it and root's door."""
    answer = asked_without_listener(root, "root", broker.ask, gate, PYTHON, "-c", HOLDS_MANY)
    assert is_proven(answer), answer.why_not


def test_a_listener_that_systemd_listens_for(gate: Gate, broker: ProofBroker, root: Person) -> None:
    """A socket unit with Accept=no gives its socket to the one sshd (sd_listen_fds(3)); Ubuntu's ssh.socket is such."""
    if SSHD == CONNECTIONS_PROGRAM:
        pytest.skip("Debian's sshd takes such a socket from 9.6 on")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        root.client.knows("socket-unit", *listener.getsockname())
        sshd = [SSHD, "-D", "-f", str(gate.ungated.configuration)]
        command = [PYTHON, "-c", AS_SYSTEMD, str(listener.fileno()), *sshd]
        server = subprocess.Popen(command, pass_fds=[listener.fileno()])
        try:
            for account in ("alice", "root"):
                login = root.run("ssh", f"{account}@socket-unit", broker.ask)
                answer = answer_in(login.outcome().stdout)
                assert is_proven(answer), answer.why_not
                assert executable_of(server.pid) == SSHD
                assert proven_sshd(answer) != server.pid
        finally:
            server.kill()
            server.wait()


def asked_without_listener(person: Person, account: str, command: str, gate: Gate, *starter: str) -> Answer:
    """Log in as `account` to an sshd of the connection's own, which `starter` starts; return what `command` prints."""
    with socket.create_server(
        ("::" if has_ipv6() else "127.0.0.1", 0), family=family(), dualstack_ipv6=has_ipv6()
    ) as listener:
        person.client.knows("both", "127.0.0.1", listener.getsockname()[1])
        login = person.run("ssh", f"{account}@both", command)
        stream, _ = listener.accept()
        sshd = [*starter, SSHD, "-i", "-f", str(gate.ungated.configuration)]
        with stream, subprocess.Popen(sshd, stdin=stream.fileno(), stdout=stream.fileno()) as server:
            stream.close()
            answer = answer_in(login.outcome().stdout)
            server.wait()
    return answer


def test_an_sshd_that_was_upgraded_under_the_connection(gate: Gate, broker: ProofBroker) -> None:
    """dpkg puts the new file in the old one's place: the kernel adds ` (deleted)` to its path from then on."""
    alice = gate.user("alice")
    options = multiplexed(alice, "long")
    before = asked(alice, broker.ask, *options)
    program = Path(CONNECTIONS_PROGRAM)
    new = program.with_name("sshd.dpkg-new")
    try:
        shutil.copy2(program, new)
        new.rename(program)
        assert is_proven(before)
        assert executable_of(proven_sshd(before)) == f"{program} (deleted)"
        assert asked(alice, broker.ask, *options) == before
    finally:
        alice.run("ssh", *options, "-O", "exit", alice.at("ungated")).outcome()


def test_a_users_own_sshd_proves_nothing(gate: Gate, broker: ProofBroker) -> None:
    alice = gate.user("alice")
    key = alice.home / "host_key"
    subprocess.run(as_account("alice", {}, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)), check=True)
    alice.write("sshd_config", f"HostKey {key}\nListenAddress 127.0.0.1\nPidFile none\nUsePAM no\nStrictModes no\n")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = as_account("alice", {}, SSHD, "-D", "-e", "-p", str(port), "-f", str(alice.home / "sshd_config"))
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as own:
        try:
            assert own.stderr is not None
            assert READY.search(own.stderr.readline())
            alice.client.knows("own", "127.0.0.1", port)
            login = alice.run("ssh", "-o", "StrictHostKeyChecking=no", "alice@own", broker.ask)
            answer = answer_in(login.outcome().stdout)
            assert answer.ssh_connection.endswith(f" {port}")  # it looks right
            assert answer.proven is None
        finally:
            own.kill()


def test_an_orphan_proves_nothing(gate: Gate, broker: ProofBroker) -> None:
    answer = asked(gate.user("alice"), broker.orphaned)
    assert answer.ssh_connection != ""
    assert answer.proven is None


@pytest.mark.parametrize("name", ["su", "sshd"])
@pytest.mark.parametrize("becomes", ["alice", "bob"])
def test_su_stands_in_the_way_whatever_it_is_called(gate: Gate, broker: ProofBroker, name: str, becomes: str) -> None:
    alice = gate.user("alice")
    (alice.home / name).symlink_to("/usr/bin/su")
    answer = asked(alice, f"exec ./{name} {becomes} -c '{broker.ask}'")
    assert answer.proven is None
    assert "stands between" in answer.why_not


def test_roots_su_stands_in_the_way_of_who_root_becomes(broker: ProofBroker, root: Person) -> None:
    assert asked(root, f"su alice -c '{broker.ask}'", as_root=True).proven is None
    assert is_proven(asked(root, f"su root -c '{broker.ask}'", as_root=True))  # the same account, the same connection


def test_nobody_logged_in_proves_nothing(broker: ProofBroker) -> None:
    for account in ("alice", "root"):
        shown = subprocess.run(as_account(account, {}, "sh", "-c", broker.ask), capture_output=True, check=True)
        assert answer_in(shown.stdout).proven is None


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def family() -> socket.AddressFamily:
    return socket.AF_INET6 if has_ipv6() else socket.AF_INET

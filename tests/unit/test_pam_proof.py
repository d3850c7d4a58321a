"""What proves that sshd's PAM asks for an SSH connection, and that its client is still there: by value."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from secsign_gate.core.ancestry import Facts, Process, SshdProcess, TcpConnection, TcpSockets, UnprovenError
from secsign_gate.core.login import SshConnection
from secsign_gate.core.proof import SSHD_EXECUTABLES, is_connected, prove_for_pam

ALICE, ROOT = 2001, 0
SSHD, SESSION = SSHD_EXECUTABLES
PYTHON, BASH, SUDO = "/usr/bin/python3.11", "/usr/bin/bash", "/usr/bin/sudo"
HERS = TcpConnection(ip_address("192.0.2.2"), 22, ip_address("192.0.2.1"), 50022)
OTHERS = TcpConnection(ip_address("192.0.2.2"), 22, ip_address("192.0.2.9"), 40000)
PROVEN = SshConnection(ip_address("192.0.2.1"), 50022, ip_address("192.0.2.2"), 22)
ONE, NONE, LISTENING = TcpSockets((HERS,), False), TcpSockets((), False), TcpSockets((), True)


def facts(*rows: tuple[int, str, TcpSockets | None]) -> Facts:
    """Processes from the door outwards, given as (uid, executable, sockets); the outermost has pid 1."""
    chain, sockets = [], {}
    for pid, (uid, executable, held) in zip(range(len(rows), 0, -1), rows, strict=True):
        chain.append(Process(pid, pid - 1, 10 * pid, uid, uid, executable))
        if held is not None:
            sockets[pid] = held
    return Facts(tuple(chain), sockets)


DOOR = (ROOT, PYTHON, None)
LISTENER = (ROOT, SSHD, LISTENING)
ACCOUNT_PHASE = facts(DOOR, (ROOT, SSHD, ONE), LISTENER)
LAYOUTS = {
    "9.2, account": (ACCOUNT_PHASE, 2),
    "9.2, auth": (facts(DOOR, (ROOT, SSHD, ONE), (ROOT, SSHD, ONE), LISTENER), 2),
    "9.8, account": (facts(DOOR, (ROOT, SESSION, ONE), LISTENER), 2),
    "9.8, auth": (facts(DOOR, (ROOT, SESSION, ONE), (ROOT, SESSION, ONE), LISTENER), 2),
    "inetd": (facts(DOOR, (ROOT, SSHD, ONE)), 1),
}


@pytest.mark.parametrize(("found", "pid"), LAYOUTS.values(), ids=LAYOUTS)
def test_every_layout_proves_the_process_that_lasts_as_long_as_the_connection(found: Facts, pid: int) -> None:
    proof = prove_for_pam(found)
    assert proof == (SshdProcess(pid, 10 * pid), PROVEN)
    assert is_connected(proof, found)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (facts(DOOR, (ROOT, BASH, NONE), (ROOT, SSHD, ONE), LISTENER), "started this, which is not root's sshd"),
        (facts(DOOR, (ROOT, SUDO, NONE), (ALICE, BASH, None)), "started this, which is not root's sshd"),
        (facts(DOOR, (ALICE, SSHD, None), (ROOT, SSHD, ONE), LISTENER), "started this, which is not root's sshd"),
        (facts(DOOR, (ROOT, "/root/sshd", ONE), LISTENER), "started this, which is not root's sshd"),
        (facts((ALICE, PYTHON, None), (ROOT, SSHD, ONE), LISTENER), "does not run as uid 0"),
        (facts(DOOR, LISTENER), "does not hold exactly one"),
        (facts(DOOR, (ROOT, SSHD, NONE), LISTENER), "does not hold exactly one"),
        (facts(DOOR, (ROOT, SSHD, TcpSockets((HERS, OTHERS), False)), LISTENER), "does not hold exactly one"),
        (facts(DOOR), "no ancestor of process 1 is sshd"),
        (Facts((), {}), "nothing is known"),
    ],
    ids=[
        "a shell of root's",
        "sudo",
        "an sshd of a user's",
        "a program called sshd",
        "a user",
        "the listener itself",
        "the client has gone",
        "two connections",
        "an orphan",
        "nobody",
    ],
)
def test_nothing_else_is_proven(found: Facts, words: str) -> None:
    with pytest.raises(UnprovenError, match=words):
        prove_for_pam(found)


@pytest.mark.parametrize(
    "later",
    [
        facts(DOOR, (ROOT, SSHD, NONE), LISTENER),
        facts(DOOR, (ROOT, SSHD, TcpSockets((OTHERS,), False)), LISTENER),
        Facts(ACCOUNT_PHASE.chain, {}),
        Facts((ACCOUNT_PHASE.chain[0]._replace(parent=1),), ACCOUNT_PHASE.sockets),
        Facts((ACCOUNT_PHASE.chain[1]._replace(start_time=21),), ACCOUNT_PHASE.sockets),
    ],
    ids=["closed", "another connection", "sockets unknown", "an orphan", "another process of that number"],
)
def test_a_client_that_has_gone_is_known(later: Facts) -> None:
    assert not is_connected(prove_for_pam(ACCOUNT_PHASE), later)


def test_an_ipv4_address_is_known_in_either_spelling() -> None:
    mapped = TcpConnection(ip_address("::ffff:192.0.2.2"), 22, ip_address("::ffff:192.0.2.1"), 50022)
    found = facts(DOOR, (ROOT, SSHD, TcpSockets((mapped,), False)), LISTENER)
    assert prove_for_pam(found).connection == PROVEN
    assert is_connected(prove_for_pam(ACCOUNT_PHASE), found)

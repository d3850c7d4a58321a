"""Further doors of a connection that was proven, by real processes: what the kernel does is what the proof rests on."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from contextlib import contextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple

import pytest
from held_processes import LONGEST_WAIT

from secsign_gate.broker.known_sshds import KnownSshds
from secsign_gate.broker.peer import Peer
from secsign_gate.broker.processes import process
from secsign_gate.core.ancestry import SshdProcess
from secsign_gate.core.login import SshConnection
from secsign_gate.core.proof import Proof, known_by

if TYPE_CHECKING:
    from collections.abc import Iterator

UID = os.getuid()
CONNECTION = SshConnection(ip_address("192.0.2.7"), 50022, ip_address("192.0.2.1"), 22)
# Where root's sshd is, the account's, and two doors: the first, and a further one. And somebody who is elsewhere.
FAMILY = """
import os, signal, sys
def child(does):
    pid = os.fork()
    if pid == 0:
        does()
        signal.pause()
    return pid
def accounts_sshd():
    doors = [child(lambda: None), child(lambda: None)]
    print(os.getpid(), *doors, flush=True)
if sys.argv[1:] == ["subreaper"]:
    import ctypes
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
    child(lambda: child(accounts_sshd))
else:
    child(accounts_sshd)
signal.pause()
"""


class Family(NamedTuple):
    """Processes by their numbers; `running` is root's sshd, or a subreaper above it."""

    running: subprocess.Popen[str]
    accounts: int
    doors: tuple[int, int]

    def roots(self) -> int:
        return process(self.accounts).parent


@contextmanager
def a_family(*how: str) -> Iterator[Family]:
    command = [sys.executable, "-I", "-c", FAMILY, *how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        accounts, first, further = map(int, running.stdout.readline().split())
        family = Family(running, accounts, (first, further))
        everybody = [(os.pidfd_open(pid), pid) for pid in {family.roots(), accounts, first, further}]
        try:
            yield family
        finally:
            running.kill()
            for descriptor, pid in everybody:
                if not select.select([descriptor], [], [], 0)[0]:  # it is there, and the number its own
                    os.kill(pid, 9)
                os.close(descriptor)


@contextmanager
def a_peer(pid: int, uid: int = UID) -> Iterator[Peer]:
    peer = Peer(pid, uid, os.pidfd_open(pid))
    try:
        yield peer
    finally:
        peer.close()


def proven(family: Family) -> tuple[KnownSshds, Proof, tuple[str, ...]]:
    """What is known once the first door has been proven."""
    chain = tuple(process(pid) for pid in (family.doors[0], family.accounts, family.roots()))
    proof = Proof(SshdProcess(chain[2].pid, chain[2].start_time), CONNECTION)
    executables = (chain[1].executable,)
    known = known_by(chain, executables, proof)
    assert known is not None
    sshds = KnownSshds()
    sshds.add(known)
    return sshds, proof, executables


def wait_for_the_end_of(pid: int) -> None:
    """Wait until it has ended; it is a zombie then, and its number is still taken."""
    descriptor = os.pidfd_open(pid)
    try:
        os.kill(pid, 9)
        assert select.select([descriptor], [], [], LONGEST_WAIT)[0]
    finally:
        os.close(descriptor)


def test_a_further_door_is_recognised_and_nobody_else_is() -> None:
    with a_family() as family, a_family() as another:
        sshds, proof, executables = proven(family)
        with a_peer(family.doors[1]) as further, a_peer(another.doors[1]) as stranger, a_peer(family.accounts) as sshd:
            assert sshds.proof_for(further, executables) == proof
            assert sshds.proof_for(further, ("/another/sshd",)) is None
            assert sshds.proof_for(stranger, executables) is None
            assert sshds.proof_for(sshd, executables) is None
        with a_peer(family.doors[1], UID + 1) as become:
            assert sshds.proof_for(become, executables) is None


@pytest.mark.parametrize("how", [(), ("subreaper",)], ids=["init", "a subreaper"])
def test_none_is_once_roots_sshd_has_ended(how: tuple[str, ...]) -> None:
    """Its number is still its own, as it is not buried: that its child has another parent tells all."""
    with a_family(*how) as family:
        sshds, proof, executables = proven(family)
        with a_peer(family.doors[1]) as further:
            assert sshds.proof_for(further, executables) == proof
            wait_for_the_end_of(family.roots())
            assert further.is_there()
            assert sshds.proof_for(further, executables) is None


def test_none_is_once_the_parent_has_ended() -> None:
    with a_family() as family:
        sshds, _, executables = proven(family)
        with a_peer(family.doors[1]) as further:
            wait_for_the_end_of(family.accounts)
            assert further.is_there()
            assert sshds.proof_for(further, executables) is None


def test_a_door_that_has_ended_is_not() -> None:
    """Its number is still there, with the same parent; it is nobody's login any more."""
    with a_family() as family:
        sshds, _, executables = proven(family)
        with a_peer(family.doors[1]) as further:
            wait_for_the_end_of(family.doors[1])
            assert sshds.proof_for(further, executables) is None

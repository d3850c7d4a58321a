"""A connection that was proven once: which further doors are recognised by it, and that nothing else is."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secsign_gate.core.ancestry import Lineage, Process, SshdProcess
from secsign_gate.core.login import SshConnection
from secsign_gate.core.proof import SSHD_EXECUTABLES, Known, Proof, known_by, recognised

SSHD = "/usr/sbin/sshd"
ROOTS = Process(100, 1, 1000, 0, 0, SSHD)
ALICES = Process(101, 100, 1001, 2001, 2001, SSHD)
DOOR = Process(102, 101, 1002, 2001, 2001, "/usr/bin/python3.11")
LISTENER = Process(1, 0, 10, 0, 0, SSHD)
PROOF = Proof(SshdProcess(100, 1000), SshConnection(ip_address("192.0.2.7"), 50022, ip_address("192.0.2.1"), 22))


def lineage(process: Process) -> Lineage:
    return Lineage(process.pid, process.parent, process.start_time)


def known(*chain: Process) -> Known:
    found = known_by(chain, SSHD_EXECUTABLES, PROOF)
    assert found is not None
    return found


FURTHER = lineage(DOOR._replace(pid=103, start_time=1005))


def test_a_further_door_of_the_connection_is_recognised() -> None:
    assert recognised(2001, FURTHER, lineage(ALICES), known(DOOR, ALICES, ROOTS, LISTENER))


def test_so_is_roots_where_one_process_is_both() -> None:
    door = DOOR._replace(parent=100, uid=0, effective_uid=0)
    assert recognised(0, lineage(door._replace(pid=103)), lineage(ROOTS), known(door, ROOTS, LISTENER))


@pytest.mark.parametrize(
    ("door", "parent"),
    [
        (FURTHER._replace(parent=55), ALICES),
        (FURTHER._replace(start_time=900), ALICES),
        (FURTHER, ALICES._replace(start_time=1003)),
        (FURTHER, ALICES._replace(parent=1)),
    ],
)
def test_nothing_else_is(door: Lineage, parent: Process) -> None:
    assert not recognised(2001, door, lineage(parent), known(DOOR, ALICES, ROOTS, LISTENER))


@pytest.mark.parametrize("uid", [0, 2002])
def test_what_alices_session_has_become_of_another_uid_is_not_of_her_connection(uid: int) -> None:
    """`exec sudo -u bob …`: a direct child of her sshd, with a uid that nobody has proven."""
    assert not recognised(uid, FURTHER, lineage(ALICES), known(DOOR, ALICES, ROOTS, LISTENER))


def test_an_sshd_of_her_own_below_roots_leaves_nothing_to_recognise_others_by() -> None:
    own = Process(105, 101, 1004, 2001, 2001, SSHD)
    below = Process(106, 105, 1005, 2001, 2001, "/usr/bin/python3.11")
    assert known_by((below, own, ALICES, ROOTS), SSHD_EXECUTABLES, PROOF) is None


def test_a_door_below_a_shell_leaves_nothing_to_recognise_others_by() -> None:
    shell = DOOR._replace(executable="/bin/dash")
    below = Process(104, 102, 1004, 2001, 2001, "/usr/bin/python3.11")
    assert known_by((below, shell, ALICES, ROOTS), SSHD_EXECUTABLES, PROOF) is None
    assert known_by((DOOR,), SSHD_EXECUTABLES, PROOF) is None


PROCESSES = st.builds(
    Process,
    st.integers(100, 103),
    st.integers(99, 103),
    st.integers(1000, 1003),
    st.sampled_from([0, 2001]),
    st.sampled_from([0, 2001]),
    st.just(""),
)


@given(st.sampled_from([0, 2001]), PROCESSES, PROCESSES)
def test_whatever_is_there_now_only_a_child_of_the_same_processes_is_recognised(
    uid: int, door: Process, parent: Process
) -> None:
    if recognised(uid, lineage(door), lineage(parent), known(DOOR, ALICES, ROOTS, LISTENER)):
        assert lineage(parent) == lineage(ALICES)
        assert (uid, door.parent) == (2001, ALICES.pid)

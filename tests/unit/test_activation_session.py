"""Which logins may confirm: those by SSH that began after sshd had read what is to be confirmed."""

from __future__ import annotations

import pytest

from secsign_gate.activation.process import Process
from secsign_gate.activation.session import why_no_proof

LISTENER, OTHER = 10, 11
IN_FORCE = 5000


def login(start: int, parent: int = LISTENER, executable: str = "/usr/sbin/sshd", uid: int = 0) -> tuple[Process, ...]:
    """Return `secsign-gate confirm`, sudo, the shell, sshd's two processes, and what sshd was started by."""
    return (
        Process(105, 104, start + 400, 0, "/opt/secsign-gate/bin/python3"),
        Process(104, 103, start + 300, 0, "/usr/bin/sudo"),
        Process(103, 102, start + 30, 1000, "/bin/bash"),
        Process(102, 101, start + 20, 1000, executable),
        Process(101, parent, start, uid, executable),
        Process(parent, 1, 100, 0, "/usr/sbin/sshd"),
        Process(1, 0, 1, 0, "/sbin/init"),
    )


def why(chain: tuple[Process, ...], meant: frozenset[int] = frozenset({LISTENER})) -> str:
    return why_no_proof(chain, frozenset({LISTENER, OTHER}), meant, IN_FORCE)


@pytest.mark.parametrize("executable", ["/usr/sbin/sshd", "/usr/lib/openssh/sshd-session"])
def test_a_new_login_proves_it(executable: str) -> None:
    assert why(login(IN_FORCE, executable=executable)) == ""
    assert why(login(IN_FORCE + 1000, executable=executable)) == ""


def test_a_login_from_before_proves_nothing() -> None:
    assert "began before" in why(login(IN_FORCE - 1))


def test_a_new_shell_in_an_old_connection_proves_nothing() -> None:
    """ControlMaster, and a new window of the same connection: sshd's process is the old one."""
    old = login(IN_FORCE - 1000)
    assert "began before" in why((*login(IN_FORCE + 50)[:3], *old[3:]))


def test_by_another_sshd_proves_nothing() -> None:
    assert "another sshd" in why(login(IN_FORCE, parent=OTHER))


def test_where_none_listens_each_connection_has_its_own() -> None:
    by_inetd = (*login(IN_FORCE, parent=1)[:5], Process(1, 0, 1, 0, "/sbin/init"))
    assert why(by_inetd, frozenset()) == ""


def test_no_login_by_ssh() -> None:
    console = (Process(20, 19, IN_FORCE, 0, "/usr/bin/python3"), Process(19, 1, IN_FORCE, 0, "/bin/bash"))
    tmux = (Process(20, 19, IN_FORCE, 0, "/usr/bin/python3"), Process(19, 1, IN_FORCE, 0, "/usr/bin/tmux"))
    for chain in (console, tmux, ()):
        assert "no login by SSH" in why(chain)


def test_a_users_own_program_of_that_name_is_no_sshd() -> None:
    assert "no login by SSH" in why(login(IN_FORCE, executable="/home/alice/sshd", uid=1000))

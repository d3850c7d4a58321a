"""Whether a command runs in a login that proves something: one that began after sshd had read what is to be confirmed.

Pure: values in, a sentence out. A login is the process of sshd's that holds its connection. A further channel of an old
connection (ControlMaster) has that same process, and so proves nothing; a session that ran `enable` began before.
"""

from secsign_gate.activation.process import Process

_OF_A_CONNECTION = ("sshd", "sshd-session", "sshd-auth")  # before 9.8, from 9.8 on, from 10.0 on
ANEW = "log in anew from where you sit, and confirm in that login"


def connection_of(chain: tuple[Process, ...], listeners: frozenset[int]) -> Process | None:
    """Return root's sshd that holds the SSH connection of the process that `chain` begins with, None if there is none.

    `chain` are the process and its ancestors; `listeners` are the pids of sshds that listen, which hold none.
    """
    found = [
        one
        for one in chain
        if one.executable.rpartition("/")[2] in _OF_A_CONNECTION and one.uid == 0 and one.pid not in listeners
    ]
    return found[-1] if found else None


def why_no_proof(
    chain: tuple[Process, ...], every_listener: frozenset[int], meant: frozenset[int], in_force: int
) -> str:
    """Return why this is not a new login by the sshd that was changed, a sentence; empty if it is one.

    `every_listener` are the pids of all sshds that listen, `meant` those of the one that was changed, none if none of
    it listens (then systemd or inetd starts one for each connection). `in_force` is when sshd had read the new
    configuration, in clock ticks since boot.
    """
    connection = connection_of(chain, every_listener)
    if connection is None:
        return f"this is no login by SSH (in tmux and screen it cannot be told); {ANEW}"
    if connection.start_time < in_force:
        return f"this login began before sshd had read the new configuration, so it proves nothing; {ANEW}"
    if meant and connection.parent not in meant:
        return f"this login came by another sshd than the one that was changed; {ANEW}"
    return ""

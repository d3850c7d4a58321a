"""What the door has to do once a login is allowed, so that the result is what sshd would have started without us."""

from typing import Literal, NamedTuple

from secsign_gate.core.login import Command, Login, LoginShell

_INTERNAL_SFTP = b"internal-sftp"  # sshd's own word for the sftp server that it carries (sshd_config(5), Subsystem)
_SFTP_ONLY = (b"/bin/sh", b"-c", b"echo 'This service allows sftp connections only.'; exit 1")


class SshdSettings(NamedTuple):
    """What our configuration repeats of sshd's, since sshd does not tell a forced command.

    `authorized_keys_files`: patterns as in sshd_config(5) AuthorizedKeysFile. `authorized_keys_elsewhere`: what to
    make of a key that none of them holds. `trusted_user_ca_keys`, `authorized_principals_files`: paths and patterns.
    `expose_auth_info`: whether sessions had SSH_USER_AUTH before there was a gate. `subsystems`: the command texts of
    the Subsystem lines. `sftp_server`: what runs for `internal-sftp`. `executables`: the programs that, as root,
    hold SSH connections. `motd_files`, `mail_notice`, `last_login`: what a login shell is greeted with.
    """

    authorized_keys_files: tuple[str, ...]
    authorized_keys_elsewhere: Literal["refuse", "unrestricted"]
    trusted_user_ca_keys: tuple[str, ...]
    authorized_principals_files: tuple[str, ...]
    permit_user_rc: bool
    expose_auth_info: bool
    subsystems: tuple[bytes, ...]
    sftp_server: str
    executables: tuple[str, ...]
    motd_files: tuple[str, ...]
    mail_notice: bool
    last_login: bool


class Orders(NamedTuple):
    """How to hand over.

    `program` is run without a shell, unless it is empty; else `command` is what the shell gets with `-c`, None for a
    login shell. `original_command` goes into SSH_ORIGINAL_COMMAND; None leaves it out. `user_rc`: run ~/.ssh/rc first.
    `greet`: show what a login shell is greeted with.
    """

    program: tuple[bytes, ...]
    command: bytes | None
    original_command: bytes | None
    user_rc: bool
    greet: bool


def orders(login: Login, sshd: SshdSettings, *, user_rc_permitted: bool, rc_has_run: bool) -> Orders:
    """Return the orders for an allowed `login`.

    `user_rc_permitted` is what key and certificate say of ~/.ssh/rc. `rc_has_run` is True where sshd has run it, which
    it does unless the forced command is an administrator's (sshd(8), SSHRC).
    """
    asked = login.wanted.line if isinstance(login.wanted, Command) else None
    is_subsystem = asked is not None and asked in sshd.subsystems
    runs = login.executes
    line = runs.line if isinstance(runs, Command) else None
    instead_of_sshd = _instead_of_sshd(line, sshd, is_subsystem=is_subsystem, forced=login.restriction is not None)
    return Orders(
        program=instead_of_sshd,
        command=line,
        original_command=None if login.restriction is None else asked,
        user_rc=sshd.permit_user_rc and user_rc_permitted and not (rc_has_run or is_subsystem or instead_of_sshd),
        greet=isinstance(runs, LoginShell),
    )


def _instead_of_sshd(line: bytes | None, sshd: SshdSettings, *, is_subsystem: bool, forced: bool) -> tuple[bytes, ...]:
    """Return the program for what sshd runs in itself, without a shell; empty for all else.

    A client that asks for a command of the name gets what a shell makes of it; only a subsystem and a forced command
    mean sshd's own server, and a forced one serves nothing but sftp.
    """
    if line is None or not _is_internal_sftp(line) or not (is_subsystem or forced):
        return ()
    return (sshd.sftp_server.encode(), *line.split()[1:]) if is_subsystem else _SFTP_ONLY


def _is_internal_sftp(line: bytes) -> bool:
    return line.startswith(_INTERNAL_SFTP) and line[len(_INTERNAL_SFTP) :][:1] in (b"", b" ", b"\t")

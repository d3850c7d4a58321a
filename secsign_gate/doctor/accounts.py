"""Who can log in on this host, and what sshd would do with each of them."""

import os
import pwd
from typing import NamedTuple

from secsign_gate.broker.account_lookup import group_names
from secsign_gate.core.login import Account
from secsign_gate.doctor.force_command import GateProgram, parse_force_command
from secsign_gate.sshd.effective import Effective
from secsign_gate.sshd.program import Sshd

OUTSIDE = "192.0.2.1"  # an address that no host has (RFC 5737), for a login from somewhere
_NO_SHELLS = frozenset({"nologin", "false", "true", "sync", "halt", "shutdown"})


class AtSshd(NamedTuple):
    """An account, and what sshd would do with a login of it from outside."""

    account: Account
    effective: Effective

    @property
    def program(self) -> GateProgram | None:
        """The gate that sshd would start for it, None if there is none before it."""
        return parse_force_command(self.effective.value("forcecommand"))


def accounts_with_shells() -> list[Account]:
    """Return every account of this host that could run something, as far as its databases list them."""
    found = {entry.pw_name: entry for entry in pwd.getpwall() if _is_shell(entry.pw_shell)}
    return [account_named(entry) for entry in found.values()]


def account_named(entry: pwd.struct_passwd) -> Account:
    """Return an entry of the password database as an Account, with its groups."""
    try:
        groups = group_names(os.getgrouplist(entry.pw_name, entry.pw_gid))
    except KeyError:
        groups = ()
    return Account(entry.pw_name, entry.pw_uid, entry.pw_dir, entry.pw_shell, groups)


def at_sshd(sshd: Sshd, account: Account) -> AtSshd:
    """Ask sshd what it would do with a login of `account` from outside. Raises SshdError."""
    ports = sshd.settings().values("port")
    port = int(ports[0]) if ports and ports[0].isdecimal() else 22
    return AtSshd(account, sshd.effective(account.name, OUTSIDE, OUTSIDE, local_port=port))


def _is_shell(shell: str) -> bool:
    return (shell or "/bin/sh").rpartition("/")[2] not in _NO_SHELLS and os.access(shell or "/bin/sh", os.X_OK)

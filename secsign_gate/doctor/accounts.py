"""Who has a login shell on this host, as far as its databases list people."""

import os
import pwd

from secsign_gate.broker.account_lookup import group_names
from secsign_gate.core.login import Account

_NO_SHELLS = frozenset({"nologin", "false", "true", "sync", "halt", "shutdown"})


def accounts_with_shells() -> list[Account]:
    """Return every account of this host that could run something."""
    found = {entry.pw_name: entry for entry in pwd.getpwall() if _is_shell(entry.pw_shell)}
    return [account_named(entry) for entry in found.values()]


def account_named(entry: pwd.struct_passwd) -> Account:
    """Return an entry of the password database as an Account, with its groups."""
    try:
        groups = group_names(os.getgrouplist(entry.pw_name, entry.pw_gid))
    except KeyError:
        groups = ()
    return Account(entry.pw_name, entry.pw_uid, entry.pw_dir, entry.pw_shell, groups)


def _is_shell(shell: str) -> bool:
    return (shell or "/bin/sh").rpartition("/")[2] not in _NO_SHELLS and os.access(shell or "/bin/sh", os.X_OK)

"""Who has a login shell on this host, as far as its databases list people."""

import grp
import os
import pwd
from collections.abc import Mapping
from functools import lru_cache

from secsign_gate.broker.account_lookup import group_names
from secsign_gate.core.login import Account
from secsign_gate.doctor.sshd.session import NO_SHELLS

_FILES = ("/etc/passwd", "/etc/group")


def accounts_with_shells() -> list[Account]:
    """Return every account of this host that could run something."""
    return list(_accounts_with_shells(*(_version_of(path) for path in _FILES)))


@lru_cache(maxsize=1)
def _accounts_with_shells(*_: tuple[int, int]) -> tuple[Account, ...]:
    """Each account's groups are looked up by themselves, which takes seconds where there are ten thousand."""
    found = {entry.pw_name: entry for entry in pwd.getpwall() if _is_shell(entry.pw_shell)}
    listed = {group.gr_gid: group.gr_name for group in grp.getgrall()}
    return tuple(account_named(entry, listed) for entry in found.values())


def _version_of(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)  # noqa: PTH116 - one call
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size


def account_named(entry: pwd.struct_passwd, listed: Mapping[int, str] | None = None) -> Account:
    """Return an entry of the password database as an Account, with its groups; `listed` are names known of some."""
    known = listed or {}
    try:
        numbers = os.getgrouplist(entry.pw_name, entry.pw_gid)
    except KeyError:
        numbers = []
    if all(number in known for number in numbers):
        groups = tuple(known[number] for number in numbers)
    else:
        groups = group_names(numbers)
    return Account(entry.pw_name, entry.pw_uid, entry.pw_dir, entry.pw_shell, groups)


def _is_shell(shell: str) -> bool:
    return (shell or "/bin/sh").rpartition("/")[2] not in NO_SHELLS and os.access(shell or "/bin/sh", os.X_OK)

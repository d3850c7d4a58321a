"""From root to an account of its own: what the broker is able to do while it serves."""

import os
import pwd
import resource

from secsign_gate.errors import ConfigError, Problem

NO_GROUP = 65534  # nogroup, or nobody, as the kernel's own overflow gid: no file is opened to it
_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38  # linux/prctl.h


def account_of_broker(name: str, configuration: str) -> pwd.struct_passwd:
    """Return the account that the broker becomes. Raises ConfigError, naming the file that asks for it."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        what, remedy = f"there is no account {name}", "make it: systemd-sysusers, or useradd --system, see the README"
        raise ConfigError([Problem(configuration, 0, "broker.account", what, remedy)]) from None
    if entry.pw_uid == 0:
        raise ConfigError([Problem(configuration, 0, "broker.account", "it has root's uid", "give it one of its own")])
    return entry


def become(account: pwd.struct_passwd) -> None:
    """Give up root for good: uid, gid and groups of `account`, no new privileges, no core dump. Raises OSError.

    Afterwards no other process of the account can look into this one, for it is not dumpable (prctl(2)).
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.initgroups(account.pw_name, account.pw_gid)
    os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
    os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_DUMPABLE, 0)  # the change of uid has done so, unless fs.suid_dumpable says otherwise (proc(5))
    os.chdir("/")
    os.umask(0o077)


def raise_descriptor_limit() -> None:
    """Take as many descriptors as may be had: each door, and each SSH connection, is one or two."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _prctl(option: int, value: int) -> None:
    import ctypes  # noqa: PLC0415 - needed once, and some MiB of it would stay

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))

"""The people of a private host: one for every login shell that starts a ForceCommand in a way of its own."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NamedTuple


class Account(NamedTuple):
    """One line of passwd; the home is /home/NAME, the primary group has the same name and number."""

    name: str
    uid: int
    shell: str
    groups: tuple[str, ...] = ()


ALICE = Account("alice", 2001, "/bin/bash", ("operators",))
ACCOUNTS = (
    ALICE,
    Account("bob", 2002, "/bin/bash"),
    Account("zoe", 2003, "/usr/bin/zsh", ("operators",)),
    Account("felix", 2004, "/usr/bin/fish"),
    Account("tina", 2005, "/usr/bin/tcsh"),
    Account("dora", 2006, "/bin/dash"),
    Account("kim", 2007, "/usr/bin/ksh93"),
    Account("sam", 2008, ""),  # no shell in passwd: sshd takes /bin/sh
    Account("carol", 2009, "/usr/sbin/nologin"),
    Account("gil", 2010, "/usr/bin/git-shell"),
    Account("backup-robot", 2011, "/bin/sh"),
    Account("deploy", 2012, "/bin/bash"),  # shared: several people's keys
)
GROUPS = {"operators": 2100, "secsign-gate": 2101, "secsign-gate-keys": 2102}

BROKER = 899  # the uid of the daemon's account; Debian gives system uids from 999 downwards and from 100 upwards
KEYS = 898  # the same of the account that answers sshd about keys

PASSWORD = "a-throw-away-password"  # everybody's, so that methods other than keys can be tried
# openssl passwd -6 -salt privatehost "$PASSWORD"
PASSWORD_HASH = "$6$privatehost$e2NcksYMB7dJ9OaFPPm5o8hwfx0Wflr8mUekEgE5JZNhxPEuhepsaUjUNDnZKn5IjYFAzK.9/ulyMd3PaYMQj0"

SYSTEM_UIDS = range(1000)
NOBODY = 65534
SHADOW = 42  # the group's number on every Debian


def write_account_files(etc: Path, home: Path, *, only_alice: bool) -> None:
    """Replace the people in passwd, group and shadow below `etc` by ours and make their homes; system accounts stay.

    With `only_alice`, every file is hers already, and the group tty is left out: sshd would want to give it her ptys.
    """
    people = (ALICE,) if only_alice else ACCOUNTS
    passwd = [*_system_lines(etc / "passwd", id_field=2)]
    group = [line for line in _system_lines(etc / "group", id_field=2) if not (only_alice and line.startswith("tty:"))]
    shadow = [f"{line.split(':')[0]}:*:19000:0:99999:7:::" for line in passwd if not line.startswith("root:")]
    shadow.append(f"root:{PASSWORD_HASH}:19000:0:99999:7:::")
    if not any(line.startswith("sshd:") for line in passwd):  # made by the package's postinst, which did not run
        passwd.append("sshd:x:999:65534::/run/sshd:/usr/sbin/nologin")
        shadow.append("sshd:!:19000::::::")
    if not only_alice:  # made by systemd-sysusers where the gate is installed
        for name, uid in (("secsign-gate", BROKER), ("secsign-gate-keys", KEYS)):
            passwd.append(f"{name}:x:{uid}:{GROUPS[name]}::/nonexistent:/usr/sbin/nologin")
            shadow.append(f"{name}:!:19000::::::")
    for account in people:
        passwd.append(f"{account.name}:x:{account.uid}:{account.uid}:,,,:/home/{account.name}:{account.shell}")
        group.append(f"{account.name}:x:{account.uid}:")
        shadow.append(f"{account.name}:{PASSWORD_HASH}:19000:0:99999:7:::")
        make_home(home / account.name, None if only_alice else account, etc / "skel")
    for name, gid in GROUPS.items():
        members = ",".join(account.name for account in people if name in account.groups)
        group.append(f"{name}:x:{gid}:{members}")
    _write(etc / "passwd", passwd, 0o644)
    _write(etc / "group", group, 0o644)
    _write(etc / "shadow", shadow, 0o640)
    if not only_alice:
        os.chown(etc / "shadow", 0, SHADOW)  # unix_chkpwd reads it for those who are not root
    (etc / "gshadow").unlink(missing_ok=True)


def make_home(folder: Path, owner: Account | None, skel: Path) -> None:
    """Make a home as adduser(8) makes it: a copy of /etc/skel, closed to others. No owner: it stays ours."""
    shutil.copytree(skel, folder, symlinks=True, dirs_exist_ok=True)
    folder.chmod(0o700)
    if owner:
        for path in (folder, *folder.rglob("*")):
            os.lchown(path, owner.uid, owner.uid)


def _system_lines(path: Path, id_field: int) -> list[str]:
    lines = [line for line in path.read_text().splitlines() if line.count(":") >= id_field]
    ours = {account.name for account in ACCOUNTS} | GROUPS.keys()
    return [
        line
        for line in lines
        if (int(line.split(":")[id_field]) in SYSTEM_UIDS or int(line.split(":")[id_field]) == NOBODY)
        and line.split(":")[0] not in ours
    ]


def _write(path: Path, lines: list[str], mode: int) -> None:
    path.unlink(missing_ok=True)
    path.write_text("\n".join(lines) + "\n")
    path.chmod(mode)

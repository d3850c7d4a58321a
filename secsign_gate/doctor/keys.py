"""The keys that an account logs in with: where sshd looks for them, which it would take, and who else could add one."""

import os
import pwd
import stat
from contextlib import suppress
from typing import NamedTuple

from secsign_gate.core.authorized_keys import KeyLine, KeyLineError, parse_key_line
from secsign_gate.core.key_search import expand_pattern
from secsign_gate.core.login import Account
from secsign_gate.core.public_key import fingerprint
from secsign_gate.doctor.finding import Finding, Status
from secsign_gate.doctor.gate_program import told
from secsign_gate.doctor.ownership import Fault, private_group, way_to
from secsign_gate.doctor.shadow import shadow_entry
from secsign_gate.sshd.effective import Effective

_MOST_PIECES = 8  # of a mebibyte, as doors/key_lines.py
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class KeysFound(NamedTuple):
    """What is in an account's key files.

    `files` are those that sshd would read. `lines` are the keys, `unread` where a line stands that sshd passes over,
    `unreadable` files that could not be read, each with the reason.
    """

    files: tuple[str, ...]
    lines: tuple[KeyLine, ...]
    unread: tuple[str, ...]
    unreadable: tuple[str, ...]

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """`SHA256:…` of each key that may log in by itself."""
        return tuple(fingerprint(line.blob) for line in self.lines if not line.options.cert_authority)


def keys_of(account: Account, effective: Effective) -> KeysFound:
    """Read the key files that sshd would read for `account`."""
    files, unreadable = _files(account, effective)
    unread = []
    lines: list[KeyLine] = []
    for path in files:
        try:
            content = _content(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            unreadable.append(f"{path} ({error.strerror})")
            continue
        for number, text in enumerate(content.split(b"\n"), 1):
            try:
                line = parse_key_line(text)
            except KeyLineError as error:
                unread.append(f"{path} line {number}: {error}")
                continue
            if line is not None:
                lines.append(line)
    return KeysFound(tuple(files), tuple(lines), tuple(unread), tuple(unreadable))


def _files(account: Account, effective: Effective) -> tuple[list[str], list[str]]:
    """Return the key files that sshd would read for `account`, and each name that means nothing, with the reason."""
    files, meaningless = [], []
    for pattern in effective.value("authorizedkeysfile").split():
        try:
            path = expand_pattern(pattern, account)
        except ValueError as error:
            meaningless.append(f"{pattern}: {error}")
            continue
        if path is not None:
            files.append(path)
    return files, meaningless


def has_key_or_password(account: Account, effective: Effective) -> bool:
    """Tell whether the account has something of its own to log in with; if that cannot be seen, yes."""
    found = keys_of(account, effective)
    if found.lines or found.unreadable:
        return True
    takes_passwords = effective.is_on("passwordauthentication") or effective.is_on("kbdinteractiveauthentication")
    return takes_passwords and _has_password(account.name)


def _has_password(name: str) -> bool:
    """Tell whether some password of the account could be right. Who is not in shadow(5) may have one elsewhere."""
    try:
        entry = shadow_entry(name)
    except OSError:
        return True
    return entry is None or entry.takes_a_password


def examine_key_files(account: Account, effective: Effective) -> list[Finding]:
    """Find out who else could add a key to the account's, or anything to its home."""
    faults: dict[str, Fault] = {}
    owners = frozenset({0, account.uid})
    files, _ = _files(account, effective)
    for path in (account.home, *files):
        with suppress(OSError):  # what is not there is nobody's to change; the home itself is told elsewhere
            if way_to(path, owners).faults:
                faults |= {fault.path: fault for fault in way_to(path, owners, _private_group(account)).faults}
    if not faults:
        return []
    if effective.is_on("strictmodes"):
        status, why = Status.BROKEN, "sshd takes no key from files that others could write (StrictModes)"
    else:
        status, why = Status.OPEN, "whoever can write there can add a key of his own, or files that a login runs"
    return told(list(faults.values()), status, why, account.name, "shell-startup-files")


def _private_group(account: Account) -> int:
    with suppress(KeyError):
        return private_group(account.uid, pwd.getpwnam(account.name).pw_gid)
    return -1


def _content(path: str) -> bytes:
    """Return what is in a key file; nothing of what is no regular file. Raises OSError."""
    descriptor = os.open(path, _FLAGS)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return b""
        pieces: list[bytes] = []
        while (piece := os.read(descriptor, 1 << 20)) and len(pieces) < _MOST_PIECES:
            pieces.append(piece)
        return b"".join(pieces)
    finally:
        os.close(descriptor)

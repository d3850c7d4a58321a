"""The message of the day, the mail notice and the last login, which sshd leaves out under a forced command.

The order is sshd's: what PAM says (pam_motd, pam_mail), then the last login (sshd_config(5), PrintMotd, PrintLastLog).
"""

import posix
from time import ctime

from secsign_gate.wire import Answer

_LIMIT = 64 * 1024  # bytes of a message of the day that are shown
_OUTPUT = 1  # this is the session's own output, after approval
_MAIL = b"/var/mail/"
_WTMP = b"/var/log/wtmp"
_WTMP_TAIL = 4 * 1024 * 1024  # bytes looked through from the end
# struct utmp of glibc on Linux (utmp(5)): type at 0, line at 8 (32), user at 44 (32), host at 76 (256), time at 340.
_RECORD, _USER_PROCESS = 384, 7


def greet(answer: Answer, account: str, home: bytes, environ: dict[bytes, bytes]) -> None:
    """Write to standard output what sshd would have written before a login shell; nothing with ~/.hushlogin."""
    if _exists(home + b"/.hushlogin"):
        return
    for path in answer.motd_files:
        _write(_read(path))
    if answer.mail_notice:
        _write(_mail_notice(environ.get(b"MAIL") or _MAIL + account.encode("utf-8", "surrogateescape")))
    terminal = environ.get(b"SSH_TTY")
    if answer.last_login and terminal:
        _write(_last_login(account.encode("utf-8", "surrogateescape"), terminal.removeprefix(b"/dev/")))


def _mail_notice(path: bytes) -> bytes:
    """Say what pam_mail says of the mail box at `path`: new if it was written after it was last read."""
    try:
        status = posix.stat(path)
    except OSError:
        return b""
    if not status.st_size:
        return b""
    return b"You have new mail.\n" if status.st_mtime > status.st_atime else b"You have mail.\n"


def _last_login(account: bytes, terminal: bytes) -> bytes:
    """Say when the account logged in before this login, whose own record is the last one of `terminal`."""
    try:
        records = _tail(_WTMP)
    except OSError:
        return b""
    ours_seen = False
    for start in range(len(records) - _RECORD, -1, -_RECORD):
        record = records[start : start + _RECORD]
        if int.from_bytes(record[0:2], "little") != _USER_PROCESS or _text(record[44:76]) != account:
            continue
        if not ours_seen and _text(record[8:40]) == terminal:
            ours_seen = True
            continue
        when = ctime(int.from_bytes(record[340:344], "little")).encode()
        host = _text(record[76:332])
        return b"Last login: " + when + (b" from " + host if host else b"") + b"\r\n"
    return b""


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _tail(path: bytes) -> bytes:
    descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        size = posix.fstat(descriptor).st_size // _RECORD * _RECORD
        start = max(0, size - _WTMP_TAIL // _RECORD * _RECORD)
        return posix.pread(descriptor, size - start, start)
    finally:
        posix.close(descriptor)


def _read(path: bytes) -> bytes:
    try:
        descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK)
    except OSError:
        return b""
    try:
        return posix.read(descriptor, _LIMIT)
    except OSError:
        return b""
    finally:
        posix.close(descriptor)


def _write(message: bytes) -> None:
    try:
        while message:
            message = message[posix.write(_OUTPUT, message) :]
    except OSError:
        pass  # what follows will meet the same, and is not ours to judge


def _exists(path: bytes) -> bool:
    try:
        posix.stat(path)
    except OSError:
        return False
    return True

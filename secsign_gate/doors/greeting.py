"""The message of the day, the mail notice and the last login, which sshd leaves out under a forced command.

What PAM says comes first (pam_motd, pam_mail), once a connection; then the last login (sshd_config(5), PrintLastLog).
"""

import posix
from _stat import S_ISDIR, S_ISREG
from time import ctime, tzset

from secsign_gate.wire import Answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_OUTPUT = 1  # this is the session's own output, after approval
_LONGEST_MESSAGE = 0x10000  # bytes; pam_motd shows nothing of a longer one
_MAIL = b"/var/mail/"
_WTMP = (b"/var/log/wtmp", b"/var/log/wtmp.1")  # the second after a rotation (Debian's logrotate.d/wtmp)
_WTMP_TAIL = 4 * 1024 * 1024  # bytes looked through from the end
# struct utmp of glibc on Linux (utmp(5)): type at 0, line at 8 (32), user at 44 (32), host at 76 (256), time at 340.
_RECORD, _USER_PROCESS = 384, 7
_BURIED_FAULTS = 8  # cminflt of /proc/PID/stat, counted behind the name (proc(5)): 0 as long as no child was waited for


def greet(answer: Answer, environ: dict[bytes, bytes]) -> None:
    """Write to standard output what sshd would have written before a login shell; nothing with ~/.hushlogin.

    Whether PAM spoke is told by the variable that pam_motd leaves; without UsePAM, there is the last login only.
    """
    if _status(answer.home + b"/.hushlogin"):
        return
    message = b""
    if environ.get(b"MOTD_SHOWN") == b"pam" and _is_first_of_its_connection():
        message = b"".join(map(_message_of_the_day, answer.motd_files))
        if answer.mail_notice:
            message += _mail_notice(_MAIL + answer.account)
    if answer.last_login and posix.isatty(_OUTPUT):
        message += _last_login(answer.account, posix.ttyname(_OUTPUT).encode().removeprefix(b"/dev/"))
    _write(message)


def _is_first_of_its_connection() -> bool:
    """Tell whether sshd has started nothing before us on this connection, a channel of which we are."""
    sshd = b"/proc/%d/" % posix.getppid()
    fields = _content(sshd + b"stat").rpartition(b") ")[2].split()
    children = _content(sshd + b"task/%d/children" % posix.getppid()).split()
    if posix.getuid() == 0 or len(fields) <= _BURIED_FAULTS:  # before 9.8, root's sshd had other children; or no /proc
        return True
    return fields[_BURIED_FAULTS] == b"0" and children[:1] in ([], [b"%d" % posix.getpid()])


def _message_of_the_day(alternatives: bytes) -> bytes:
    """Return what pam_motd(8) makes of `alternatives`, paths with colons between them.

    The first file that opens is it; of directories it is all files, by their names, of equal names the first.
    """
    found: dict[bytes, bytes] = {}
    for path in alternatives.split(b":"):
        status = _status(path)
        if status and S_ISDIR(status.st_mode):
            for name in _names_in(path):
                found.setdefault(name, path + b"/" + name)
        elif status and _may_read(path):
            return _shown(path)
    return b"".join(_shown(found[name]) for name in sorted(found))


def _shown(path: bytes) -> bytes:
    """Return the text at `path`, up to a NUL, with one newline at its end; nothing if it is empty or too long."""
    status = _status(path)
    if not (status and S_ISREG(status.st_mode) and 0 < status.st_size <= _LONGEST_MESSAGE):
        return b""
    content = _content(path)
    return content.removesuffix(b"\n").partition(b"\0")[0] + b"\n" if content else b""


def _mail_notice(box: bytes) -> bytes:
    """Say what pam_mail (with `standard`, as Debian has it) says of the mail box at `box`, a file or a maildir."""
    status = _status(box)
    if status is None:
        return b""
    if S_ISDIR(status.st_mode):
        kind = b"new" if _names_in(box + b"/new") else b"old" if _names_in(box + b"/cur") else b"no"
    elif status.st_size == 0:
        kind = b"no"
    else:
        return b"You have new mail.\n" if int(status.st_atime) < int(status.st_mtime) else b"You have mail.\n"
    return b"You have " + kind + b" mail.\n"


def _last_login(account: bytes, terminal: bytes) -> bytes:
    """Say when the account logged in before this login, whose own record is the last one of `terminal`.

    lastlog, which sshd quotes, has been overwritten by this very login; wtmp remembers.
    """
    ours_seen = False
    for record in _records():
        if int.from_bytes(record[0:2], "little") != _USER_PROCESS or _text(record[44:76]) != account:
            continue
        host = _text(record[76:332])
        if not ours_seen and _text(record[8:40]) == terminal:
            ours_seen = True
        elif not _is_a_window(host):
            posix.unsetenv(b"TZ")  # the clock on the wall is sshd's, not the user's
            tzset()
            when = ctime(int.from_bytes(record[340:344], "little")).encode()
            return b"Last login: " + when + (b" from " + host if host else b"") + b"\r\n"
    return b""


def _is_a_window(host: bytes) -> bool:
    """Tell whether a terminal emulator, screen or tmux recorded a window (`:0`, `tmux(5).%1`); lastlog has none."""
    return (host.startswith(b":") and not host.startswith(b"::")) or b"(" in host or b"[" in host


def _records() -> "Iterator[bytes]":
    """Yield the last records of wtmp and of the one before it, newest first."""
    for path in _WTMP:
        tail = _tail(path)
        for start in range(len(tail) - _RECORD, -1, -_RECORD):
            yield tail[start : start + _RECORD]


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _tail(path: bytes) -> bytes:
    try:
        descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return b""
    try:
        size = posix.fstat(descriptor).st_size // _RECORD * _RECORD
        start = max(0, size - _WTMP_TAIL // _RECORD * _RECORD)
        return posix.pread(descriptor, size - start, start)
    finally:
        posix.close(descriptor)


def _content(path: bytes) -> bytes:
    """Return the beginning of a small file; nothing if it cannot be read."""
    try:
        descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK)
    except OSError:
        return b""
    try:
        return posix.read(descriptor, _LONGEST_MESSAGE)
    except OSError:
        return b""
    finally:
        posix.close(descriptor)


def _may_read(path: bytes) -> bool:
    return posix.access(path, posix.R_OK)


def _names_in(path: bytes) -> list[bytes]:
    try:
        return posix.listdir(path)
    except OSError:
        return []


def _status(path: bytes) -> posix.stat_result | None:
    try:
        return posix.stat(path)
    except OSError:
        return None


def _write(message: bytes) -> None:
    try:
        while message:
            message = message[posix.write(_OUTPUT, message) :]
    except OSError:
        pass  # what follows will meet the same, and is not ours to judge

"""Verdicts on record, before they take effect: syslog's authpriv, a file of JSON lines, or both.

Where a record cannot be made, the verdict must not be obeyed; so every failure here is an AuditError, and nothing is
tried a second time behind the caller's back.
"""

import errno
import os
import socket
import stat
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic

from secsign_gate.broker.audit_record import MAX_LINE, Event, Record, line_of
from secsign_gate.config.settings import AuditSettings
from secsign_gate.core.verdict import REFUSED, Allow, Refuse, exit_status
from secsign_gate.errors import AuditError

DEV_LOG = "/dev/log"
_AUTHPRIV = 10 << 3  # syslog(3): facility for what only root should read
_INFO, _NOTICE, _WARNING = 6, 5, 4
# How long a full syslog socket may hold up the logins that wait for it: less than a door waits for a daemon's word.
_SECONDS = 3.0
_OPEN = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Audit:
    """Where verdicts are recorded. `dev_log` is the socket of the system's log, another one in tests."""

    def __init__(self, settings: AuditSettings, *, dev_log: str = DEV_LOG) -> None:
        self._settings = settings
        self._dev_log = dev_log
        self._sender: socket.socket | None = None

    def record(self, record: Record) -> None:
        """Put `record` into every sink. Returns once the file has it on disk and the log socket has taken it.

        Raises AuditError, naming the sink and what to do, if one of them did not; the others may have it then.
        """
        self.record_all((record,))

    def record_at_once(self, record: Record) -> bool:
        """Put `record` where it belongs if nobody has to be waited for, and tell whether it is there.

        That is so if syslog is the only sink, and takes it now. If not, nothing has been recorded: use `record_all`.
        """
        line = line_of(record)
        if self._settings.file is not None or len(line) > MAX_LINE:
            return False
        with suppress(OSError):
            if self._sender is None:
                self._sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                self._sender.setblocking(False)
            # Not connected: each goes to the log that has the name now. One that was replaced may be open still, and
            # nobody looks there.
            self._sender.sendto(_message(line, _severity(record)), self._dev_log)
            return True
        return False

    def close(self) -> None:
        """Let go of what is kept for the next record; one that comes all the same has it anew."""
        if self._sender is not None:
            self._sender.close()
            self._sender = None

    def record_all(self, records: Sequence[Record]) -> None:
        """Put all of `records` into every sink, in their order, at the price of one: one write, one fsync, one socket.

        Returns once all are where `record` would have put each. Raises AuditError if one of them is not: then none of
        these verdicts may take effect, although a sink may hold the first of them.
        """
        lines = [line_of(record) for record in records]
        for record, line in zip(records, lines, strict=True):
            if len(line) > MAX_LINE:
                raise AuditError(f"the audit record {record.reference} is too long to be whole in syslog; report this")
        if not lines:
            return
        if self._settings.file is not None:
            _append(self._settings.file, lines)
        if self._settings.syslog:
            _send(self._dev_log, [_message(line, _severity(one)) for one, line in zip(records, lines, strict=True)])


def _severity(record: Record) -> int:
    """Return syslog's severity: a login allowed is informational, one that could not be judged is a warning."""
    match record.verdict:
        case Allow() if record.event is Event.VERDICT:
            return _INFO
        case Refuse(reason) if exit_status(reason) != REFUSED:
            return _WARNING
        case _:
            return _NOTICE


def _message(line: str, severity: int) -> bytes:
    return f"<{_AUTHPRIV | severity}>secsign-gate[{os.getpid()}]: {line}".encode("ascii")


def _send(dev_log: str, messages: list[bytes]) -> None:
    """Hand `messages` to the system's log as syslog(3) would. syslog(3) itself tells nobody that it failed."""
    try:
        try:
            _send_by(socket.SOCK_DGRAM, dev_log, messages)
        except OSError as error:
            if error.errno != errno.EPROTOTYPE:  # the daemon listens on a stream socket
                raise
            # A NUL ends a message there, as in glibc.
            _send_by(socket.SOCK_STREAM, dev_log, [b"".join(message + b"\0" for message in messages)])
    except OSError as error:
        why = error.strerror or str(error)
        raise AuditError(
            f"the verdict could not be recorded in syslog at {dev_log} ({why}); "
            "start the system's log daemon or set audit.syslog to false and name audit.file"
        ) from None


def _send_by(kind: socket.SocketKind, dev_log: str, pieces: list[bytes]) -> None:
    """Send each of `pieces`, all of them within the time that one may take: a log that drips must not add up."""
    deadline = monotonic() + _SECONDS
    with socket.socket(socket.AF_UNIX, kind) as log:
        log.settimeout(_SECONDS)
        log.connect(dev_log)
        for piece in pieces:
            left = deadline - monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            log.settimeout(left)
            log.sendall(piece)


def _append(path: str, lines: list[str]) -> None:
    """Append `lines` to the file at `path` in one write, and see them on disk."""
    try:
        descriptor = os.open(path, _OPEN, 0o600)
    except OSError as error:
        raise _not_written(path, _why(error)) from None
    try:
        before = os.fstat(descriptor)
        _judge(path, before)
        whole = "".join(f"{line}\n" for line in lines).encode("ascii")
        if before.st_size and os.pread(descriptor, 1, before.st_size - 1) != b"\n":
            whole = b"\n" + whole  # a write that a full disk cut off must not swallow the next record as well
        written = os.write(descriptor, whole)
        if written < len(whole):
            raise _not_written(path, f"only {written} of {len(whole)} bytes went in")
        os.fsync(descriptor)
    except OSError as error:
        raise _not_written(path, _why(error)) from None
    finally:
        os.close(descriptor)


def _judge(path: str, judged: os.stat_result) -> None:
    """Refuse a file that others could write or own: a record that anybody can change is none."""
    if not stat.S_ISREG(judged.st_mode):
        raise _not_written(path, "it is no regular file")
    if judged.st_uid not in (0, os.geteuid()):
        raise _not_written(path, f"it belongs to uid {judged.st_uid}")
    if judged.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise _not_written(path, "others may write to it")


def _why(error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "it is a symbolic link"
    return error.strerror or "no reason given"


def _not_written(path: str, why: str) -> AuditError:
    return AuditError(
        f"the verdict could not be recorded in {path} ({why}); "
        "see to that file and its disk, or correct audit.file in the configuration"
    )

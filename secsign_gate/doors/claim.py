"""What a door asks with: what sshd says of this login, as one question for the broker.

Loaded before the question, so there is nothing here of what comes after it.
"""

import _signal  # type: ignore[import-not-found] # `signal` would load enum, for milliseconds; this is its C part
import posix
from time import time

from secsign_gate.ask_and_answer import Ask

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket

    from secsign_gate.ask_and_answer import WireMessage

    Interrupts = tuple[int, list[int]]  # a descriptor that is readable once one came, and which signals are noted

# Seconds within which a daemon says something: two for the proof, three for the record, and one more.
FIRST_WORD = 6.0
_AUTH_INFO_PREFIX = b"/tmp/sshauth."  # where sshd puts it, compiled in (sshd_config(5), ExposeAuthInfo)
_ENDING = (_signal.SIGHUP, _signal.SIGINT, _signal.SIGQUIT, _signal.SIGTERM)
_AUTH_INFO_LIMIT = 64 * 1024
_KIND_AND_OTHERS, _REGULAR_FILE = 0o170077, 0o100000  # of a file's mode, inode(7)


def interrupts_noted() -> "Interrupts":
    """Note from now on that a Ctrl-C comes, or one of its kin, and do not end by it. One that is ignored stays so."""
    reading, writing = posix.pipe2(posix.O_CLOEXEC | posix.O_NONBLOCK)
    _signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    noted = [number for number in _ENDING if _signal.getsignal(number) != _signal.SIG_IGN]
    for number in noted:
        _signal.signal(number, _note)
    return reading, noted


def _note(_number: int, _frame: object) -> None:
    """Do nothing: the wake-up descriptor has got its byte."""


def environ_bytes() -> bytes:
    """Return the environment as it was handed to this process; CPython has added to the one that it shows."""
    pieces = []
    descriptor = posix.open("/proc/self/environ", posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        while piece := posix.read(descriptor, 65536):
            pieces.append(piece)
    finally:
        posix.close(descriptor)
    return b"".join(pieces)


def environ_block() -> list[bytes]:
    """Return the environment that sshd has made, entry by entry."""
    block = environ_bytes()
    environ = [entry for entry in block.split(b"\0") if entry]
    if block.isascii():
        return environ
    from secsign_gate.doors.fish_environ import as_sshd_gave_it  # noqa: PLC0415 - only one shell needs it

    return as_sshd_gave_it(environ)


def _value(environ: list[bytes], name: bytes) -> bytes | None:
    prefix = name + b"="
    for entry in environ:
        if entry.startswith(prefix):
            return entry[len(prefix) :]
    return None


def claim(environ: list[bytes], *, started_by_key: bool, restricted_to: bytes | None, user_rc_left: bool) -> Ask:
    """Say what sshd says of this login; the broker judges whether it makes sense."""
    auth_info, written, problem = _auth_info(_value(environ, b"SSH_USER_AUTH"))
    return Ask(
        door="force_command",
        logname=_value(environ, b"LOGNAME") or b"",
        ssh_connection=_value(environ, b"SSH_CONNECTION") or b"",
        auth_info=auth_info,
        auth_info_time=written,
        auth_info_problem=f"{problem}; set ExposeAuthInfo yes in sshd_config" if problem else "",
        command=_value(environ, b"SSH_ORIGINAL_COMMAND"),
        terminal=_can_draw(_value(environ, b"TERM")),
        started_by_key=started_by_key,
        restricted_to=restricted_to,
        user_rc_left=user_rc_left,
    )


def _can_draw(term: bytes | None) -> bool:
    """Tell whether there is a terminal that an access pass can be drawn on; a script's pty has no size."""
    if not (posix.isatty(0) and posix.isatty(1) and posix.isatty(2)) or term in (None, b"", b"dumb", b"unknown"):
        return False
    try:
        columns, lines = posix.get_terminal_size(2)
    except OSError:
        return False  # it has gone since
    return columns > 0 and lines > 0


def _auth_info(path: bytes | None) -> tuple[bytes, int, str]:
    """Return what sshd lists of what it verified, when it wrote that, in seconds since the epoch, and an empty string.

    If the file is missing or cannot be sshd's, return nothing, 0, and why.
    """
    if not path:
        return b"", 0, "SSH_USER_AUTH is missing"
    if not path.startswith(_AUTH_INFO_PREFIX) or b"/" in path[len(_AUTH_INFO_PREFIX) :]:
        return b"", 0, "SSH_USER_AUTH does not name a file of sshd's"
    try:
        descriptor = posix.open(path, posix.O_RDONLY | posix.O_NOFOLLOW | posix.O_CLOEXEC | posix.O_NONBLOCK)
    except OSError as error:
        return b"", 0, f"the file that SSH_USER_AUTH names cannot be read: {error.strerror}"
    try:
        status = posix.fstat(descriptor)
        if status.st_mode & _KIND_AND_OTHERS != _REGULAR_FILE or status.st_uid not in (0, posix.getuid()):
            return b"", 0, "SSH_USER_AUTH names a file that sshd did not make"
        content = posix.read(descriptor, _AUTH_INFO_LIMIT + 1)
    finally:
        posix.close(descriptor)
    if not 0 < len(content) <= _AUTH_INFO_LIMIT:
        return b"", 0, "the file that SSH_USER_AUTH names is empty or too long"
    return content, min(int(status.st_mtime), int(time())), ""


def ask(stream: "_socket.socket", question: "WireMessage", seconds: float) -> None:
    """Send the question, within so many seconds. Raises WireError."""
    frame = question.encode()
    stream.settimeout(seconds)
    try:
        stream.sendall(frame)
    except OSError:
        pass  # it may have said why before it closed, so who waits for the answer is told

"""The ForceCommand door: sshd starts us as the user; ask; show; exec only on a yes.

    exec /opt/secsign-gate/bin/python3 -I -S /opt/secsign-gate/bin/secsign-gate-force-command [OPTIONS]

    --config FILE          ask a broker of our own, started for this login (/etc/secsign-gate/secsign-gate.toml)
    --broker SOCKET        ask the daemon behind this socket, and nobody else
    --started-by-key       this line is the command="…" of a key, not an administrator's ForceCommand
    --restricted-to LINE   with --started-by-key: the command that the key is restricted to

Exit status: that of what it became; 77 refused, 75 could not ask, 78 configuration error, 126/127 nothing to exec.
This process has the user's uid. It decides nothing and holds nothing worth taking. Built-in modules only.
"""

import posix
import sys
from _stat import S_ISREG
from time import time

from secsign_gate.doors.ask_broker import Conversation
from secsign_gate.errors import BrokerUnavailable, ClaimError, ConfigError, NothingToExec, Problem, WireError
from secsign_gate.wire import Answer, Ask

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

DEFAULT_CONFIG = "/etc/secsign-gate/secsign-gate.toml"
_OPTIONS = {"--config": True, "--broker": True, "--started-by-key": False, "--restricted-to": True}  # takes a value?
_AUTH_INFO_PREFIX = b"/tmp/sshauth."  # where sshd puts it, compiled in (sshd_config(5), ExposeAuthInfo)
_AUTH_INFO_LIMIT = 64 * 1024


def main() -> "NoReturn":
    """Be the door for one login. Ends in an exec or in an exit status, never in a return."""
    conversation = None
    status = None
    try:
        _require_a_safe_start()
        line = CommandLine(sys.argv[1:])
        environ = _environ_block()
        conversation = Conversation(environ, line.config, line.broker)
        conversation.ask(_claim(line, environ))
        from secsign_gate.doors.hand_over import hand_over  # noqa: PLC0415 - loaded while the broker looks into it

        answer = conversation.answer()
        if answer.allowed:
            answer = conversation.finish(answer)
        if answer.allowed:
            hand_over(answer, environ)
        _refuse(answer, conversation)
    except NothingToExec as error:
        why, detail, status = "no_shell", str(error), error.exit_status
    except ConfigError as error:
        why, detail = "configuration_error", str(error)
    except ClaimError as error:
        why, detail = "claim_unusable", str(error)
    except (BrokerUnavailable, WireError) as error:
        why, detail = "broker_unavailable", str(error)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a refusal
        why, detail = "internal_error", f"{type(error).__name__}: {error}"
    answer = conversation.leave(why, detail) if conversation else Answer(allowed=False, why=why, detail=detail)
    _refuse(answer, conversation, status)


class CommandLine:
    """The options on the ForceCommand line. Raises ConfigError for anything but the options above."""

    __slots__ = ("broker", "config", "restricted_to", "started_by_key")

    def __init__(self, arguments: list[str]) -> None:
        given: dict[str, str] = {}
        rest = iter(arguments)
        for option in rest:
            if option not in _OPTIONS:
                raise _wrong_line(option, "is unknown")
            if option in given:
                raise _wrong_line(option, "is given twice")
            value = next(rest, None) if _OPTIONS[option] else ""
            if value is None:
                raise _wrong_line(option, "needs a value")
            given[option] = value
        for option in ("--config", "--broker"):
            if option in given and not given[option].startswith("/"):
                raise _wrong_line(option, "needs an absolute path")
        if "--config" in given and "--broker" in given:
            raise _wrong_line("--broker", "and --config exclude each other")
        if "--restricted-to" in given and "--started-by-key" not in given:
            raise _wrong_line("--restricted-to", "is for --started-by-key only")
        self.config = given.get("--config", DEFAULT_CONFIG)
        self.broker = given.get("--broker", "")
        self.started_by_key = "--started-by-key" in given
        self.restricted_to = _in_bytes(given["--restricted-to"]) if "--restricted-to" in given else None


def _in_bytes(text: str) -> bytes:
    from secsign_gate.doors.hand_over import in_bytes  # noqa: PLC0415 - few doors are told what a key may do

    return in_bytes(text)


def _wrong_line(option: str, what: str) -> ConfigError:
    return ConfigError([Problem("the ForceCommand line", 0, option, what, "see sshd_config.d/00-secsign-gate.conf")])


def _require_a_safe_start() -> None:
    """Raise ConfigError if the user could have had a hand in this interpreter's start, ClaimError if sshd had none."""
    if not (sys.flags.isolated and sys.flags.no_site):
        problem = "python3 was started without -I -S"
        raise ConfigError([Problem("the ForceCommand line", 0, "", problem, "write python3 -I -S before the door")])
    try:
        for descriptor in (0, 1, 2):
            posix.fstat(descriptor)  # a closed one would be taken by our own socket, and handed over
    except OSError:
        raise ClaimError("standard input, output or error is closed") from None


def _environ_block() -> list[bytes]:
    """Return the environment as it was handed to this process; CPython has added to the one that it shows."""
    pieces = []
    descriptor = posix.open("/proc/self/environ", posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        while piece := posix.read(descriptor, 65536):
            pieces.append(piece)
    finally:
        posix.close(descriptor)
    block = b"".join(pieces)
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


def _claim(line: CommandLine, environ: list[bytes]) -> Ask:
    """Say what sshd says of this login; the broker judges whether it makes sense."""
    auth_info, written, problem = b"", 0, ""
    try:
        auth_info, written = _auth_info(_value(environ, b"SSH_USER_AUTH"))
    except ClaimError as error:
        problem = f"{error}; set ExposeAuthInfo yes in sshd_config"
    return Ask(
        door="force_command",
        logname=_value(environ, b"LOGNAME") or b"",
        ssh_connection=_value(environ, b"SSH_CONNECTION") or b"",
        auth_info=auth_info,
        auth_info_time=written,
        auth_info_problem=problem,
        command=_value(environ, b"SSH_ORIGINAL_COMMAND"),
        terminal=_can_draw(_value(environ, b"TERM")),
        started_by_key=line.started_by_key,
        restricted_to=line.restricted_to,
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


def _auth_info(path: bytes | None) -> tuple[bytes, int]:
    """Read the file in which sshd lists what it verified, and when it wrote it, in seconds since the epoch.

    Raises ClaimError if the file cannot be sshd's.
    """
    if not path:
        raise ClaimError("SSH_USER_AUTH is missing")
    if not path.startswith(_AUTH_INFO_PREFIX) or b"/" in path[len(_AUTH_INFO_PREFIX) :]:
        raise ClaimError("SSH_USER_AUTH does not name a file of sshd's")
    try:
        descriptor = posix.open(path, posix.O_RDONLY | posix.O_NOFOLLOW | posix.O_CLOEXEC | posix.O_NONBLOCK)
    except OSError as error:
        raise ClaimError(f"the file that SSH_USER_AUTH names cannot be read: {error.strerror}") from None
    try:
        status = posix.fstat(descriptor)
        if not S_ISREG(status.st_mode) or status.st_mode & 0o077 or status.st_uid not in (0, posix.getuid()):
            raise ClaimError("SSH_USER_AUTH names a file that sshd did not make")
        content = posix.read(descriptor, _AUTH_INFO_LIMIT + 1)
    finally:
        posix.close(descriptor)
    if not 0 < len(content) <= _AUTH_INFO_LIMIT:
        raise ClaimError("the file that SSH_USER_AUTH names is empty or too long")
    return content, min(int(status.st_mtime), int(time()))


def _refuse(answer: Answer, conversation: Conversation | None, status: int | None = None) -> "NoReturn":
    """Say why in one sentence and end."""
    from secsign_gate.doors.waiting import Waiting  # noqa: PLC0415 - words are for those who are kept out

    waiting = conversation.waiting if conversation else None
    exit_status = (waiting or Waiting(())).refuse(answer)
    posix._exit(exit_status if status is None else status)  # noqa: SLF001 - the documented name; nothing to flush

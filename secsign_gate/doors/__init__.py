"""The ForceCommand door: sshd starts us as the user; ask; show; exec only on a yes.

    exec /opt/secsign-gate/bin/python3 -I -S /opt/secsign-gate/bin/secsign-gate-force-command [OPTIONS]

    --config FILE          ask a broker of our own, started for this login (/etc/secsign-gate/secsign-gate.toml)
    --broker SOCKET        ask the daemon behind this socket, and nobody else
    --started-by-key       this line is the command="…" of a key, not an administrator's ForceCommand
    --restricted-to LINE   with --started-by-key: the command that the key is restricted to
    --restricted-to-hex H  the same for a command that shells would not read alike, two digits for each byte
    --user-rc              with --started-by-key: sshd was told not to run ~/.ssh/rc, but the key allows it

Exit status: that of what it became; 77 refused, 75 could not ask, 78 configuration error, 126/127 nothing to exec.
This process has the user's uid. It decides nothing and holds nothing worth taking. Built-in modules only, and what
this file needs to knock at the daemon's socket is all that is loaded before the knock: the rest while the daemon looks
at who is there. It is the package's own file because that is loaded in any case.
"""

import _socket
import posix
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from secsign_gate.errors import BrokerUnavailable, ConfigError

DEFAULT_CONFIG = "/etc/secsign-gate/secsign-gate.toml"
_OPTIONS = {  # does it take a value?
    "--config": True,
    "--broker": True,
    "--started-by-key": False,
    "--restricted-to": True,
    "--restricted-to-hex": True,
    "--user-rc": False,
}
_OF_A_KEY = ("--restricted-to", "--restricted-to-hex", "--user-rc")
_KNOCK = 6  # seconds to wait in the line before a daemon's socket
_WRITABLE_BY_OTHERS = 0o022
_KIND, _DIRECTORY, _SOCKET = 0o170000, 0o040000, 0o140000  # of a file, inode(7); `_stat` would be one more to load
_LONG = (sys.maxsize.bit_length() + 1) // 8  # bytes of a C long; and so would `struct`


def main() -> "NoReturn":
    """Be the door for one login. Ends in an exec or in an exit status, never in a return."""
    conversation = None
    try:
        _require_a_safe_start()
        line = CommandLine(sys.argv[1:])
        stream = knock(line.broker) if line.broker else None
        from secsign_gate.doors.claim import (  # noqa: PLC0415 - not earlier
            FIRST_WORD,
            ask,
            claim,
            environ_block,
            interrupts_noted,
        )

        environ, interrupts = environ_block(), interrupts_noted()
        question = claim(
            environ,
            started_by_key=line.started_by_key,
            restricted_to=line.restricted_to,
            user_rc_left=line.user_rc_left,
        )
        if stream is not None:
            ask(stream, question, FIRST_WORD)
        from secsign_gate.doors.ask_broker import Conversation  # noqa: PLC0415 - while a daemon looks into the question
        from secsign_gate.doors.hand_over import hand_over  # noqa: PLC0415 - the same

        conversation = Conversation(environ, interrupts, stream, line.config, question)
        answer = conversation.answer()
        if answer.allowed:
            answer = conversation.finish(answer)
        if answer.allowed:
            hand_over(answer, environ)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a refusal
        from secsign_gate.doors.refusal import refuse_for  # noqa: PLC0415 - words are for those who are kept out

        refuse_for(error, conversation)
    from secsign_gate.doors.refusal import refuse  # noqa: PLC0415 - the same

    refuse(answer, conversation)


class CommandLine:
    """The options on the ForceCommand line. Raises ConfigError for anything but the options above."""

    __slots__ = ("broker", "config", "restricted_to", "started_by_key", "user_rc_left")

    def __init__(self, arguments: list[str]) -> None:
        given = given_options(arguments, _OPTIONS, _wrong_line)
        _require_what_fits_together(given)
        self.config = given.get("--config", DEFAULT_CONFIG)
        self.broker = given.get("--broker", "")
        self.started_by_key = "--started-by-key" in given
        self.restricted_to = _in_bytes(given["--restricted-to"]) if "--restricted-to" in given else None
        if "--restricted-to-hex" in given:
            self.restricted_to = _from_hex(given["--restricted-to-hex"])
        self.user_rc_left = "--user-rc" in given


def given_options(
    arguments: list[str], known: "dict[str, bool]", wrong_line: "Callable[[str, str], ConfigError]"
) -> dict[str, str]:
    """Return the values of the options in `arguments`, empty for those that take none.

    `known` says of each option that there is whether it takes a value. Raises what `wrong_line` makes of an option and
    of what is wrong with it.
    """
    given: dict[str, str] = {}
    rest = iter(arguments)
    for option in rest:
        if option not in known:
            raise wrong_line(option, "is unknown")
        if option in given:
            raise wrong_line(option, "is given twice")
        value = next(rest, None) if known[option] else ""
        if value is None:
            raise wrong_line(option, "needs a value")
        given[option] = value
    return given


def _require_what_fits_together(given: dict[str, str]) -> None:
    for option in ("--config", "--broker"):
        if option in given and not given[option].startswith("/"):
            raise _wrong_line(option, "needs an absolute path")
    for option, other in (("--broker", "--config"), ("--restricted-to", "--restricted-to-hex")):
        if option in given and other in given:
            raise _wrong_line(option, f"and {other} exclude each other")
    if "--started-by-key" not in given:
        for option in _OF_A_KEY:
            if option in given:
                raise _wrong_line(option, "is for --started-by-key only")


def _in_bytes(text: str) -> bytes:
    from secsign_gate.doors.hand_over import in_bytes  # noqa: PLC0415 - few doors are told what a key may do

    return in_bytes(text)


def _from_hex(digits: str) -> bytes:
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise _wrong_line("--restricted-to-hex", "is followed by no hexadecimal digits") from None


def _wrong_line(option: str, what: str) -> "ConfigError":
    from secsign_gate.doors.refusal import wrong_line  # noqa: PLC0415 - nearly all lines are right

    return wrong_line(option, what)


def _require_a_safe_start() -> None:
    """Raise ConfigError if the user could have had a hand in this interpreter's start, ClaimError if sshd had none."""
    if not (sys.flags.isolated and sys.flags.no_site):
        from secsign_gate.doors.refusal import wrong_line  # noqa: PLC0415 - the same

        raise wrong_line("", "python3 was started without -I -S", "write python3 -I -S before the door")
    try:
        for descriptor in (0, 1, 2):
            posix.fstat(descriptor)  # a closed one would be taken by our own socket, and handed over
    except OSError:
        from secsign_gate.errors import ClaimError  # noqa: PLC0415 - the same

        raise ClaimError("standard input, output or error is closed") from None


def knock(path: str) -> "_socket.socket":
    """Connect to the daemon at `path`. Raises BrokerUnavailable, also if the socket may not be root's."""
    try:
        _require_a_socket_of_roots(path)
        stream = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        # Somebody may knock so often that there is a line. Who connects without blocking is turned away then; who
        # blocks has his turn, and this is for how long (socket(7), SO_SNDTIMEO).
        stream.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDTIMEO, _KNOCK.to_bytes(_LONG, sys.byteorder) + bytes(_LONG))
        stream.connect(path)
    except OSError as error:
        raise _unavailable(f"no broker at {path}: {error.strerror}") from None
    return stream


def _require_a_socket_of_roots(path: str) -> None:
    """Raise BrokerUnavailable if somebody else could have put it there, OSError if it cannot be looked at."""
    directory = path.rpartition("/")[0] or "/"
    while True:
        status = posix.lstat(directory)
        if status.st_mode & (_KIND | _WRITABLE_BY_OTHERS) != _DIRECTORY or status.st_uid != 0:
            raise _unavailable(f"{directory} on the way to the broker is not root's alone")
        if directory == "/":
            break
        directory = directory.rpartition("/")[0] or "/"
    status = posix.lstat(path)
    if status.st_mode & _KIND != _SOCKET or status.st_uid != 0:  # a link would lead past the folders looked at
        raise _unavailable(f"{path} is not a socket of root's")


def _unavailable(sentence: str) -> "BrokerUnavailable":
    from secsign_gate.errors import BrokerUnavailable  # noqa: PLC0415 - nearly always there is a broker

    return BrokerUnavailable(sentence)

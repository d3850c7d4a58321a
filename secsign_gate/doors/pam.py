"""The PAM door: pam_exec(8) starts us as root while somebody logs in; ask; only exit status 0 lets in.

    account required pam_exec.so seteuid quiet stdout \
        /opt/secsign-gate/bin/python3 -I -S /opt/secsign-gate/bin/secsign-gate-pam [OPTIONS]

    --broker SOCKET     the daemon's socket (/run/secsign-gate/broker.sock); there is no other broker for PAM
    --seconds N         refuse after so long (90): before LoginGraceTime does, which leaves us behind as an orphan
    --after-password    a module before this line has verified a password
    --say-before        sshd shows at once what PAM says (from 10.3 on, in the auth phase): tell the person which phone
                        to look at. Whoever sits at a terminal of this host is told in any case

Exit status: 0 let in; 77 refused, 75 could not ask, 78 configuration error. What we write, pam_exec with `stdout` gives
to sshd, which shows it to the person. sudo and su would put it into the output of what they run, so it is written on
the terminal that PAM names where there is one.

This process decides nothing. It says what pam_exec has told it, and the broker believes that only of root, and of an
SSH connection only where the kernel agrees.
"""

import posix
import sys
from select import POLLIN, poll
from time import monotonic

from secsign_gate.doors import given_options, knock
from secsign_gate.doors.claim import ask, environ_bytes
from secsign_gate.errors import BrokerUnavailable, ClaimError, ConfigError, Problem, WireError
from secsign_gate.wire import Answer, AskForPam, Left, Progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from typing import NoReturn

DEFAULT_BROKER = "/run/secsign-gate/broker.sock"
DEFAULT_SECONDS = 90
_OPTIONS = {"--broker": True, "--seconds": True, "--after-password": False, "--say-before": False}  # takes a value?
_ERROR = 2
_FIRST_WORD = 15.0  # seconds until the broker says something: ten for slow databases of accounts, and some for the rest
_LAST_WORD = 2.0  # seconds that a broker which takes no more may keep us from leaving
_NAMES = (
    b"PAM_TYPE", b"PAM_SERVICE", b"PAM_USER", b"PAM_RUSER", b"PAM_RHOST", b"PAM_TTY", b"SSH_CONNECTION",
    b"SSH_AUTH_INFO_0",
)  # fmt: skip


def main() -> "NoReturn":
    """Be the door for one question of PAM's. Ends in an exit status, never in a return."""
    try:
        answer = _answer()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a refusal
        from secsign_gate.doors.refusal import refuse_for  # noqa: PLC0415 - words are for those who are kept out

        refuse_for(error, None)
    if answer.allowed:
        posix._exit(0)  # noqa: SLF001 - the documented name; nothing to flush
    from secsign_gate.doors.refusal import refuse  # noqa: PLC0415 - the same

    refuse(answer, None)


def _answer() -> Answer:
    """Ask the broker, and return its answer. Raises ConfigError, ClaimError, BrokerUnavailable and WireError."""
    if not (sys.flags.isolated and sys.flags.no_site):
        raise _wrong_line("", "python3 was started without -I -S", "write python3 -I -S before the program")
    line = PamLine(sys.argv[1:])
    if posix.geteuid() != 0:
        raise ClaimError("PAM starts this program as root; write pam_exec.so seteuid, see docs/pam.md")
    posix.setresuid(0, 0, 0)  # who started su is our real uid until now, and could stop us
    caller = _Caller()
    question = _question(line)
    heard_at_once = line.say_before
    if not question.ssh_connection:
        heard_at_once |= caller.sits_at(question.terminal)
    stream = knock(line.broker)
    ask(stream, question, _FIRST_WORD)
    return _heard(stream, caller, line.seconds, heard_at_once=heard_at_once)


class PamLine:
    """The options on the line in /etc/pam.d. Raises ConfigError for anything but the options above."""

    __slots__ = ("after_password", "broker", "say_before", "seconds")

    def __init__(self, arguments: list[str]) -> None:
        given = given_options(arguments, _OPTIONS, _wrong_line)
        self.broker = given.get("--broker", DEFAULT_BROKER)
        if not self.broker.startswith("/"):
            raise _wrong_line("--broker", "needs an absolute path")
        seconds = given.get("--seconds", str(DEFAULT_SECONDS))
        if not (seconds.isascii() and seconds.isdecimal() and len(seconds) <= 3 and 5 <= int(seconds) <= 600):  # noqa: PLR2004 - seconds
            raise _wrong_line("--seconds", "needs a number from 5 to 600")
        self.seconds = int(seconds)
        self.after_password = "--after-password" in given
        self.say_before = "--say-before" in given


class _Caller:
    """Who waits for our exit status: the process that PAM runs in, and the terminal at which somebody sits, if any.

    Once that process has ended we are an orphan. A terminal that is hung up is as good: sudo takes no notice of it, and
    would run the command with nobody there.
    """

    def __init__(self) -> None:
        self._pid = posix.getppid()
        self._look = poll()
        try:
            self._look.register(posix.pidfd_open(self._pid), POLLIN)
        except OSError:
            raise ClaimError("the process that PAM ran in has ended") from None
        if self.has_left():
            raise ClaimError("the process that PAM ran in has ended")

    def sits_at(self, terminal: bytes) -> bool:
        """Note that this is the terminal, and let what we say go there. Returns whether it is one of this host."""
        is_one = _speaks_on(terminal)
        if is_one:
            self._look.register(_ERROR, 0)  # a hang-up is told unasked
        return is_one

    def has_left(self) -> bool:
        return posix.getppid() != self._pid or bool(self._look.poll(0))

    def comes_or_leaves(self, stream: "_socket.socket", seconds: float) -> bool:
        """Wait for so long until there is something on `stream`, or until the caller has left. Return whether so."""
        self._look.register(stream.fileno(), POLLIN)
        ready = self._look.poll(1000 * seconds)
        self._look.unregister(stream.fileno())
        return bool(ready)


def _question(line: PamLine) -> AskForPam:
    """Say what pam_exec says. Raises ClaimError if it says something twice, or does not say who logs in."""
    facts = _environment()
    if not facts.get(b"PAM_USER"):
        raise ClaimError("PAM_USER is missing; pam_exec starts this program, see docs/pam.md")
    return AskForPam(
        phase=facts.get(b"PAM_TYPE", b""),
        service=facts.get(b"PAM_SERVICE", b""),
        account=facts[b"PAM_USER"],
        remote_user=facts.get(b"PAM_RUSER", b""),
        remote_host=facts.get(b"PAM_RHOST", b""),
        terminal=facts.get(b"PAM_TTY", b""),
        ssh_connection=facts.get(b"SSH_CONNECTION", b""),
        auth_info=facts.get(b"SSH_AUTH_INFO_0", b""),
        after_password=line.after_password,
        seconds=line.seconds,
    )


def _environment() -> dict[bytes, bytes]:
    """Return what pam_exec has put into our environment, of the names that count.

    It takes over PAM's environment, which a module may have filled from a file of the user's (pam_env), and puts its
    own behind that. A name that stands there twice has two authors, and neither is to be believed.
    """
    facts: dict[bytes, bytes] = {}
    for entry in environ_bytes().split(b"\0"):
        name, _, value = entry.partition(b"=")
        if name in _NAMES:
            if name in facts:
                raise ClaimError(f"{name.decode()} is set twice; take pam_env out of the lines before this one")
            facts[name] = value
    return facts


def _heard(stream: "_socket.socket", caller: _Caller, seconds: int, *, heard_at_once: bool) -> Answer:
    """Return the broker's answer, or that nobody waits for it any more; it has to come within so many seconds.

    Tell the person meanwhile which phone to look at, if that can be `heard_at_once`.
    """
    # Here, while the broker looks who is there.
    from secsign_gate.doors.wait_for_broker import take_message  # noqa: PLC0415

    now = monotonic()
    end, patience = now + seconds + _LAST_WORD, now + _FIRST_WORD
    received = bytearray()
    while True:
        while message := take_message(received):
            if isinstance(message, Answer):
                return _unless_left(message, stream, caller)
            if not isinstance(message, Progress):
                raise WireError("the broker sent a message that is not for a PAM door")
            patience = end
            if heard_at_once and message.speak and message.stage != "asking":
                heard_at_once = False  # once is enough
                _say_before(message)
        seconds_left = min(end, patience) - monotonic()
        if seconds_left <= 0:
            raise BrokerUnavailable("the broker has gone silent")
        something = caller.comes_or_leaves(stream, seconds_left)
        if caller.has_left():
            return _left(stream)
        if something:
            received += _received(stream)


def _speaks_on(terminal: bytes) -> bool:
    """Let what we say go to this terminal of the host. Returns whether it is one."""
    path = terminal if terminal.startswith(b"/") else b"/dev/" + terminal
    if not path.startswith(b"/dev/") or b"/../" in path:
        return False
    try:
        # One that has been stopped with Ctrl-S does not stop us, and none becomes our controlling terminal.
        flags = posix.O_WRONLY | posix.O_NOCTTY | posix.O_NONBLOCK | posix.O_NOFOLLOW | posix.O_CLOEXEC
        found = posix.open(path, flags)
    except OSError:
        return False
    if not posix.isatty(found):
        posix.close(found)
        return False
    posix.dup2(found, _ERROR)
    return True


def _say_before(progress: Progress) -> None:
    from secsign_gate.terminal import words  # noqa: PLC0415 - few services show it in time

    try:
        posix.write(_ERROR, words.asking(progress).encode("ascii", "replace") + b"\n")
    except OSError:
        pass  # nobody is there to be told


def _unless_left(answer: Answer, stream: "_socket.socket", caller: _Caller) -> Answer:
    """Return `answer`, or that there is nobody for whom it could count."""
    return _left(stream) if answer.allowed and caller.has_left() else answer


def _left(stream: "_socket.socket") -> Answer:
    stream.settimeout(_LAST_WORD)
    try:
        stream.sendall(Left(why="client_left").encode())
    except OSError:
        pass  # it has gone as well
    return Answer(allowed=False, why="client_left")


def _received(stream: "_socket.socket") -> bytes:
    try:
        piece = stream.recv(65536)
    except OSError:
        piece = b""
    if not piece:
        raise BrokerUnavailable("the broker went away without an answer")
    return piece


def _wrong_line(option: str, what: str, remedy: str = "see docs/pam.md") -> ConfigError:
    return ConfigError([Problem("the pam_exec line", 0, option, what, remedy)])

"""The door's end of the conversation with the broker: one question, from what sshd says of the login, and one answer.

The broker is a daemon behind a socket, or the same program started as a child for this login. Which of the two is
said on the ForceCommand line, and a daemon that does not answer is never replaced by a child.

Where a grant covers the login, the broker's first word is its answer. What it takes to wait for longer than that is in
wait_for_broker.py.
"""

import _signal  # type: ignore[import-not-found] # `signal` would load enum, for milliseconds; this is its C part
import posix
from time import monotonic, time

from secsign_gate.ask_and_answer import HEADER, Answer, Ask, frame_length

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket

    from secsign_gate.doors.waiting import Waiting
    from secsign_gate.errors import BrokerUnavailable

CLIENT = 1  # standard output is the one descriptor that tells in every case that the client has left
_FIRST_WORD = 6.0  # seconds within which a daemon says something: two for the proof, three for the record, and one more
_LAST_WORD = 2.0  # seconds that a broker which takes no more may keep us from leaving
_COLD_START = 30.0  # seconds for the same of a broker that is started now; on a busy machine it takes three
_AUTH_INFO_PREFIX = b"/tmp/sshauth."  # where sshd puts it, compiled in (sshd_config(5), ExposeAuthInfo)
_AUTH_INFO_LIMIT = 64 * 1024
_KIND_AND_OTHERS, _REGULAR_FILE = 0o170077, 0o100000  # of a file's mode, inode(7)
_ENDING = (_signal.SIGHUP, _signal.SIGINT, _signal.SIGQUIT, _signal.SIGTERM)


def client_has_left() -> bool:
    """Tell whether nobody would read what is written to standard output: no terminal, no ssh client, no network."""
    from select import POLLERR, POLLHUP, POLLNVAL, poll  # noqa: PLC0415 - not before the question

    look = poll()
    look.register(CLIENT, 0)
    return any(event & (POLLERR | POLLHUP | POLLNVAL) for _, event in look.poll(0))


class Conversation:
    """Ask one broker about one login.

    `stream` leads to the broker, which says something until `deadline` on the monotonic clock. `interrupts` is readable
    once a Ctrl-C came or one of its kin: they stop the waiting, and never anything else half-way; one that is ignored
    stays so. `waiting` is set once the person has been shown something.
    """

    __slots__ = ("_child", "_noted", "deadline", "environ", "first_word", "interrupts", "stream", "waiting")

    def __init__(self, environ: list[bytes], stream: "_socket.socket | None", config: str) -> None:
        """Talk with the daemon at the end of `stream`, or start a broker of our own with `config`.

        Raises BrokerUnavailable.
        """
        self.environ = environ
        self.waiting: Waiting | None = None
        self._child = 0
        self.interrupts, writing = posix.pipe2(posix.O_CLOEXEC | posix.O_NONBLOCK)
        _signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        self._noted = [number for number in _ENDING if _signal.getsignal(number) != _signal.SIG_IGN]
        for number in self._noted:
            _signal.signal(number, _note)
        self.first_word = _COLD_START if stream is None else _FIRST_WORD
        self.deadline = monotonic() + self.first_word
        if stream is None:
            from secsign_gate.doors.own_broker import start_own_broker  # noqa: PLC0415 - not where there is a daemon

            stream, self._child = start_own_broker(config)
        self.stream = stream

    def ask(self, claim: Ask) -> None:
        """Send the question. Raises WireError."""
        frame = claim.encode()
        self.stream.settimeout(self.first_word)
        try:
            self.stream.sendall(frame)
        except OSError:
            pass  # it may have said why before it closed, so `answer` tells

    def answer(self) -> Answer:
        """Return the broker's answer; show progress meanwhile.

        If the client leaves or a person gives up, that is the answer. Raises BrokerUnavailable and WireError.
        """
        from select import POLLIN, poll  # noqa: PLC0415 - the same

        look = poll()
        look.register(self.stream.fileno(), POLLIN)
        look.register(self.interrupts, POLLIN)
        look.register(CLIENT, 0)
        ready = [descriptor for descriptor, _ in look.poll(1000 * self.first_word)]
        received = self.receive() if ready == [self.stream.fileno()] else b""
        answer = answer_in(received)
        if answer is not None:
            return answer
        from secsign_gate.doors.wait_for_broker import wait_for_answer  # noqa: PLC0415 - most of the time nobody waits

        return wait_for_answer(self, received)

    def leave(self, why: str, detail: str = "") -> Answer:
        """Tell the broker that nothing will come of this login, and return that as an answer."""
        from secsign_gate.errors import BrokerUnavailable  # noqa: PLC0415 - not for who stays
        from secsign_gate.wire import Left  # noqa: PLC0415 - the same

        try:
            self.send(Left(why=why).encode(), _LAST_WORD)
        except BrokerUnavailable:
            pass  # it has gone as well
        return Answer(allowed=False, why=why, detail=detail)

    def finish(self, answer: Answer) -> Answer:
        """Leave no trace before the hand-over: the screen as it was, no child to wait for, signals as they were.

        Return `answer`, or that the client has left or the person has given up in the meantime.
        """
        from select import POLLIN, poll  # noqa: PLC0415 - the same

        try:
            if self.waiting:
                self.waiting.allow(answer)
        except OSError:
            return self.leave("client_left")
        if self._child:
            posix.waitpid(self._child, 0)  # it has detached what lives on
        for number in self._noted:
            _signal.signal(number, _signal.SIG_DFL)
        look = poll()
        look.register(self.interrupts, POLLIN)
        interrupted = bool(look.poll(0))
        if client_has_left():
            return self.leave("client_left")
        return self.leave("interrupted") if interrupted else answer

    def send(self, frame: bytes, seconds: float) -> None:
        """Send a message within so many seconds. Raises BrokerUnavailable."""
        self.stream.settimeout(seconds)
        try:
            self.stream.sendall(frame)
        except OSError:
            raise unavailable("the broker went away, or takes no more") from None

    def receive(self) -> bytes:
        """Return what the broker has said. Raises BrokerUnavailable if that is the end."""
        try:
            piece = self.stream.recv(65536)
        except OSError:
            piece = b""
        if not piece:
            raise unavailable("the broker went away without an answer")
        return piece


def answer_in(received: bytes) -> Answer | None:
    """Return the answer that `received` begins with, None if it does not, or not yet. Raises WireError."""
    if len(received) <= HEADER or received[HEADER] != Answer.NUMBER:
        return None
    end = HEADER + frame_length(received[:HEADER])
    return Answer.read(received[HEADER + 1 : end]) if len(received) >= end else None


def unavailable(sentence: str) -> "BrokerUnavailable":
    """Return the fault to be raised where there is no broker to talk with."""
    from secsign_gate.errors import BrokerUnavailable  # noqa: PLC0415 - nearly always there is one

    return BrokerUnavailable(sentence)


def _note(_number: int, _frame: object) -> None:
    """Do nothing: the wake-up descriptor has got its byte."""


def environ_block() -> list[bytes]:
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

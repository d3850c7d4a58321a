"""The door's end of the conversation with the broker: one question, one answer, one deadline over everything.

The broker is a daemon behind a socket, or the same program started as a child for this login. Which of the two is
said on the ForceCommand line, and a daemon that does not answer is never replaced by a child.
"""

import _signal  # type: ignore[import-not-found] # `signal` would load enum, for milliseconds; this is its C part
import _socket
import posix
import sys
from _stat import S_ISDIR, S_ISSOCK
from select import POLLERR, POLLHUP, POLLIN, POLLNVAL, poll
from time import monotonic

from secsign_gate.errors import BrokerUnavailable, WireError
from secsign_gate.wire import HEADER, Answer, Ask, FindKeyLines, Left, Message, Progress, decode, frame_length

TYPE_CHECKING = False
if TYPE_CHECKING:
    from secsign_gate.doors.waiting import Waiting

_KNOCK = 6  # seconds to wait in the line before a daemon's socket
_FIRST_WORD = 6.0  # seconds within which a daemon says something: two for the proof, three for the record, and one more
_COLD_START = 30.0  # seconds for the same of a broker that is started now; on a busy machine it takes three
_GRACE = 20.0  # seconds a broker may overrun the time that it announced
_CREATE = 250.0  # the same while it makes the push: two servers, each with the longest total_seconds
_LAST_WORD = 2.0  # seconds that a broker which takes no more may keep us from leaving
_TICK = 250  # milliseconds between two looks at window and countdown
_PATIENCE = 1000  # milliseconds between two looks at the clock where nothing is shown
_BROKER_ENVIRON = {b"PATH": b"/usr/bin:/bin", b"LANG": b"C.UTF-8"}
_WRITABLE_BY_OTHERS = 0o022
_LONG = (sys.maxsize.bit_length() + 1) // 8  # bytes of a C long; `struct` would be one more module to load
_GONE = POLLERR | POLLHUP | POLLNVAL
_CLIENT = 1  # standard output is the one descriptor that tells in every case that the client has left
_ENDING = (_signal.SIGHUP, _signal.SIGINT, _signal.SIGQUIT, _signal.SIGTERM)


def client_has_left() -> bool:
    """Tell whether nobody would read what is written to standard output: no terminal, no ssh client, no network."""
    look = poll()
    look.register(_CLIENT, 0)
    return any(event & _GONE for _, event in look.poll(0))


class Interrupts:
    """Ctrl-C and its kin, as something to poll for: they stop the waiting, and never anything else half-way.

    `descriptor` is readable once one came. A signal that is ignored stays so.
    """

    __slots__ = ("_noted", "descriptor")

    def __init__(self) -> None:
        self.descriptor, writing = posix.pipe2(posix.O_CLOEXEC | posix.O_NONBLOCK)
        _signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        self._noted = [number for number in _ENDING if _signal.getsignal(number) != _signal.SIG_IGN]
        for number in self._noted:
            _signal.signal(number, _note)

    def end(self) -> bool:
        """Let signals do again what they do to any program; tell whether one came before that."""
        for number in self._noted:
            _signal.signal(number, _signal.SIG_DFL)
        look = poll()
        look.register(self.descriptor, POLLIN)
        return bool(look.poll(0))


def _note(_number: int, _frame: object) -> None:
    """Do nothing: the wake-up descriptor has got its byte."""


class Conversation:
    """Ask one broker about one login. `waiting` is set once the person has been shown something."""

    __slots__ = ("_child", "_deadline", "_first_word", "_interrupts", "_stream", "environ", "waiting")

    def __init__(self, environ: list[bytes], config: str, broker: str) -> None:
        """Connect to the daemon at `broker`, or start one of our own with `config`.

        Raises BrokerUnavailable.
        """
        self.environ = environ
        self.waiting: Waiting | None = None
        self._child = 0
        self._interrupts = Interrupts()
        self._first_word = _FIRST_WORD if broker else _COLD_START
        self._deadline = monotonic() + self._first_word
        try:
            self._stream = _connect(broker) if broker else self._start(config)
        except OSError as error:
            place = broker or sys.executable
            raise BrokerUnavailable(f"no broker at {place}: {error.strerror}") from None

    def _start(self, config: str) -> "_socket.socket":
        """Start the embedded broker with its end of a socket pair as standard input, in a session of its own."""
        if not sys.executable.startswith("/"):
            raise BrokerUnavailable("the interpreter has no absolute path; write one on the ForceCommand line")
        ours, theirs = _socket.socketpair()
        self._child = posix.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-m", "secsign_gate.broker.embedded", config],
            _BROKER_ENVIRON,
            file_actions=[
                (posix.POSIX_SPAWN_DUP2, theirs.fileno(), 0),
                (posix.POSIX_SPAWN_OPEN, 1, "/dev/null", posix.O_WRONLY, 0),
                (posix.POSIX_SPAWN_OPEN, 2, "/dev/null", posix.O_WRONLY, 0),
            ],
            setsid=True,  # Ctrl-C is for the door; the broker must live on to cancel the push
        )
        theirs.close()
        return ours

    def ask(self, claim: Ask) -> None:
        """Send the question. Raises BrokerUnavailable and WireError."""
        self._send(claim.encode(), self._first_word)

    def answer(self) -> Answer:
        """Return the broker's answer; show progress meanwhile.

        If the client leaves or a person gives up, that is the answer. Raises BrokerUnavailable and WireError.
        """
        try:
            return self._answered()
        except OSError:  # the terminal is gone; whatever else can fail has another name
            return self.leave("client_left")

    def _answered(self) -> Answer:
        received = bytearray()
        look = poll()
        look.register(self._stream.fileno(), POLLIN)
        look.register(self._interrupts.descriptor, POLLIN)
        look.register(_CLIENT, 0)
        while True:
            ready = [descriptor for descriptor, _ in look.poll(_TICK if self.waiting else _PATIENCE)]
            # Leaving comes first: a yes that is there as well comes too late.
            if _CLIENT in ready or self._interrupts.descriptor in ready:
                return self.leave("client_left" if client_has_left() else "interrupted")
            if ready:
                received += self._receive()
            while message := _take_message(received):
                if isinstance(message, Answer):
                    return message
                self._heed(message)
            if monotonic() > self._deadline:
                raise BrokerUnavailable("the broker has gone silent")
            if self.waiting:
                self.waiting.tick()

    def _heed(self, message: Message) -> None:
        """Do what a message asks for that is not the last one."""
        if isinstance(message, Progress):
            self._deadline = monotonic() + message.seconds_left + (_CREATE if message.stage == "asking" else _GRACE)
            self._show(message)
        elif isinstance(message, FindKeyLines):
            from secsign_gate.doors.key_lines import find_key_lines  # noqa: PLC0415 - not for a grant

            found = find_key_lines(message).encode()
            self._deadline = monotonic() + self._first_word  # how long the files took is not the broker's fault
            self._send(found, self._first_word)
        else:
            raise WireError("the broker sent a message that is not for a door")

    def _show(self, progress: Progress) -> None:
        if self.waiting is None:
            from secsign_gate.doors.waiting import Waiting  # noqa: PLC0415 - most of the time nobody waits

            self.waiting = Waiting(self.environ)
        self.waiting.show(progress)

    def leave(self, why: str, detail: str = "") -> Answer:
        """Tell the broker that nothing will come of this login, and return that as an answer."""
        try:
            self._send(Left(why=why).encode(), _LAST_WORD)
        except BrokerUnavailable:
            pass  # it has gone as well
        return Answer(allowed=False, why=why, detail=detail)

    def finish(self, answer: Answer) -> Answer:
        """Leave no trace before the hand-over: the screen as it was, no child to wait for, signals as they were.

        Return `answer`, or that the client has left or the person has given up in the meantime.
        """
        try:
            if self.waiting:
                self.waiting.allow(answer)
        except OSError:
            return self.leave("client_left")
        if self._child:
            posix.waitpid(self._child, 0)  # it has detached what lives on
        interrupted = self._interrupts.end()
        if client_has_left():
            return self.leave("client_left")
        return self.leave("interrupted") if interrupted else answer

    def _send(self, frame: bytes, seconds: float) -> None:
        self._stream.settimeout(seconds)
        try:
            self._stream.sendall(frame)
        except OSError:
            raise BrokerUnavailable("the broker went away, or takes no more") from None

    def _receive(self) -> bytes:
        try:
            piece = self._stream.recv(65536)
        except OSError:
            piece = b""
        if not piece:
            raise BrokerUnavailable("the broker went away without an answer")
        return piece


def _take_message(received: bytearray) -> Message | None:
    """Take the first whole message off `received`, or return None."""
    if len(received) < HEADER:
        return None
    end = HEADER + frame_length(bytes(received[:HEADER]))
    if len(received) < end:
        return None
    frame = bytes(received[HEADER:end])
    del received[:end]
    return decode(frame)


def _connect(path: str) -> "_socket.socket":
    """Connect to the daemon. Raises BrokerUnavailable unless only root could have put the socket there, and OSError."""
    directory = path.rpartition("/")[0] or "/"
    while True:
        status = posix.lstat(directory)
        if not S_ISDIR(status.st_mode) or status.st_mode & _WRITABLE_BY_OTHERS or status.st_uid != 0:
            raise BrokerUnavailable(f"{directory} on the way to the broker is not root's alone")
        if directory == "/":
            break
        directory = directory.rpartition("/")[0] or "/"
    status = posix.lstat(path)
    if not S_ISSOCK(status.st_mode) or status.st_uid != 0:  # a link would lead past the folders that were looked at
        raise BrokerUnavailable(f"{path} is not a socket of root's")
    stream = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    # Somebody may knock so often that there is a line. Who connects without blocking is turned away then; who blocks
    # has his turn, and this is for how long (socket(7), SO_SNDTIMEO).
    stream.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDTIMEO, _KNOCK.to_bytes(_LONG, sys.byteorder) + bytes(_LONG))
    stream.connect(path)
    return stream

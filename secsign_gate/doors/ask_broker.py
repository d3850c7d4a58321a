"""The door's end of the conversation with the broker: one question, one answer, one deadline over everything.

The broker is a daemon behind a socket, or the same program started as a child for this login. Which of the two is
said on the ForceCommand line, and a daemon that does not answer is never replaced by a child.
"""

import _socket
import posix
import sys
from _stat import S_ISDIR
from select import POLLERR, POLLHUP, POLLIN, POLLNVAL, poll
from time import monotonic

from secsign_gate.errors import BrokerUnavailable, WireError
from secsign_gate.wire import HEADER, Answer, Ask, FindKeyLines, Left, Message, Progress, decode, frame_length

TYPE_CHECKING = False
if TYPE_CHECKING:
    from secsign_gate.doors.waiting import Waiting

_FIRST_WORD = 30.0  # seconds within which a broker says something: a cold start on a busy machine takes three
_GRACE = 20.0  # seconds a broker may overrun the time that it announced: one last look at the ID server
_TICK = 250  # milliseconds between two looks at window and countdown
_PATIENCE = 1000  # milliseconds between two looks at the clock where nothing is shown
_BROKER_ENVIRON = {b"PATH": b"/usr/bin:/bin", b"LANG": b"C.UTF-8"}
_WRITABLE_BY_OTHERS = 0o022
_GONE = POLLERR | POLLHUP | POLLNVAL
_CLIENT = 1  # standard output is the one descriptor that tells in every case that the client has left


def client_has_left() -> bool:
    """Tell whether nobody would read what is written to standard output: no terminal, no ssh client, no network."""
    look = poll()
    look.register(_CLIENT, 0)
    return any(event & _GONE for _, event in look.poll(0))


class Conversation:
    """Ask one broker about one login. `waiting` is set once the person has been shown something."""

    __slots__ = ("_child", "_deadline", "_stream", "environ", "waiting")

    def __init__(self, environ: list[bytes], config: str, broker: str) -> None:
        """Connect to the daemon at `broker`, or start one of our own with `config`.

        Raises BrokerUnavailable.
        """
        self.environ = environ
        self.waiting: Waiting | None = None
        self._child = 0
        self._deadline = monotonic() + _FIRST_WORD
        try:
            self._stream = _connect(broker) if broker else self._start(config)
        except OSError as error:
            place = broker or sys.executable
            raise BrokerUnavailable(f"no broker at {place} ({error.strerror}); tell the administrator") from None

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

    def ask(self, claim: Ask) -> Answer:
        """Return the broker's answer; show progress meanwhile.

        If the client leaves first, the answer is a refusal. Raises BrokerUnavailable and WireError.
        """
        self._send(claim.encode())
        received = bytearray()
        look = poll()
        look.register(self._stream.fileno(), POLLIN)
        look.register(_CLIENT, 0)
        while True:
            for descriptor, event in look.poll(_TICK if self.waiting else _PATIENCE):
                if descriptor == _CLIENT and event & _GONE:
                    return self.leave("client_left")
                if descriptor != _CLIENT:
                    received += self._receive()
            while message := _take_message(received):
                if isinstance(message, Answer):
                    return message
                self._heed(message)
            if monotonic() > self._deadline:
                raise BrokerUnavailable("the broker has gone silent; tell the administrator")
            if self.waiting:
                self.waiting.tick()

    def _heed(self, message: Message) -> None:
        """Do what a message asks for that is not the last one."""
        if isinstance(message, Progress):
            self._deadline = monotonic() + message.seconds_left + _GRACE
            self._show(message)
        elif isinstance(message, FindKeyLines):
            from secsign_gate.doors.key_lines import find_key_lines  # noqa: PLC0415 - not for a grant

            self._send(find_key_lines(message).encode())
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
            self._send(Left(why).encode())
        except (OSError, BrokerUnavailable):
            pass  # it has gone as well
        return Answer(allowed=False, why=why, detail=detail)

    def finish(self, answer: Answer) -> None:
        """Leave no trace before the hand-over: the screen as it was, no child to wait for."""
        if self.waiting:
            self.waiting.allow(answer)
        if self._child:
            posix.waitpid(self._child, 0)  # it has detached what lives on

    def _send(self, frame: bytes) -> None:
        self._stream.settimeout(_FIRST_WORD)
        try:
            self._stream.sendall(frame)
        except OSError:
            raise BrokerUnavailable("the broker went away; tell the administrator") from None

    def _receive(self) -> bytes:
        try:
            piece = self._stream.recv(65536)
        except OSError:
            piece = b""
        if not piece:
            raise BrokerUnavailable("the broker went away without an answer; tell the administrator")
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
    """Connect to the daemon. Raises BrokerUnavailable unless only root could have put the socket there."""
    directory = path.rpartition("/")[0] or "/"
    while True:
        status = posix.lstat(directory)
        if not S_ISDIR(status.st_mode) or status.st_mode & _WRITABLE_BY_OTHERS or status.st_uid != 0:
            raise BrokerUnavailable(f"{directory} on the way to the broker is not root's alone; tell the administrator")
        if directory == "/":
            break
        directory = directory.rpartition("/")[0] or "/"
    stream = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    stream.settimeout(_FIRST_WORD)
    stream.connect(path)
    return stream

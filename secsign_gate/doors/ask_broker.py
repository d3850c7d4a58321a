"""The door's end of the conversation with the broker, once it is asked: one answer, and what may come before it.

The broker is a daemon behind a socket, or the same program started as a child for this login. Which of the two is
said on the ForceCommand line, and a daemon that does not answer is never replaced by a child.

Where a grant covers the login, the broker's first word is its answer. What it takes to wait for longer than that is in
wait_for_broker.py.
"""

import _signal  # type: ignore[import-not-found] # `signal` would load enum, for milliseconds; this is its C part
import posix
from time import monotonic

from secsign_gate.ask_and_answer import HEADER, Answer, frame_length, read
from secsign_gate.doors.claim import FIRST_WORD, ask

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket

    from secsign_gate.ask_and_answer import Ask
    from secsign_gate.doors.claim import Interrupts
    from secsign_gate.doors.waiting import Waiting
    from secsign_gate.errors import BrokerUnavailable

CLIENT = 1  # standard output is the one descriptor that tells in every case that the client has left
_LAST_WORD = 2.0  # seconds that a broker which takes no more may keep us from leaving
_COLD_START = 30.0  # seconds for the same of a broker that is started now; on a busy machine it takes three


def client_has_left() -> bool:
    """Tell whether nobody would read what is written to standard output: no terminal, no ssh client, no network."""
    from select import POLLERR, POLLHUP, POLLNVAL, poll  # noqa: PLC0415 - not before the question

    look = poll()
    look.register(CLIENT, 0)
    return any(event & (POLLERR | POLLHUP | POLLNVAL) for _, event in look.poll(0))


class Conversation:
    """Ask one broker about one login.

    `stream` leads to the broker, which says something until `deadline` on the monotonic clock. `interrupts` are noted
    from before the question on: they stop the waiting, and never anything else half-way. `waiting` is set once the
    person has been shown something.
    """

    __slots__ = ("_child", "_noted", "deadline", "environ", "first_word", "interrupts", "stream", "waiting")

    def __init__(
        self,
        environ: list[bytes],
        interrupts: "Interrupts",
        stream: "_socket.socket | None",
        config: str,
        question: "Ask",
    ) -> None:
        """Go on with the daemon at the end of `stream`, or start a broker of our own with `config` and ask it.

        Raises BrokerUnavailable, and WireError.
        """
        self.environ = environ
        self.waiting: Waiting | None = None
        self._child = 0
        self.interrupts, self._noted = interrupts
        self.first_word = _COLD_START if stream is None else FIRST_WORD
        self.deadline = monotonic() + self.first_word
        if stream is None:
            from secsign_gate.doors.own_broker import start_own_broker  # noqa: PLC0415 - not where there is a daemon

            stream, self._child = start_own_broker(config)
            ask(stream, question, self.first_word)
        self.stream = stream

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
    return read(Answer, received[HEADER + 1 : end]) if len(received) >= end else None


def unavailable(sentence: str) -> "BrokerUnavailable":
    """Return the fault to be raised where there is no broker to talk with."""
    from secsign_gate.errors import BrokerUnavailable  # noqa: PLC0415 - nearly always there is one

    return BrokerUnavailable(sentence)

"""Wait for a broker that has more to say than its answer: look at the phone, at the client and at the clock by turns.

Loaded only where somebody has to wait.
"""

from select import POLLIN, poll
from time import monotonic

from secsign_gate.doors.ask_broker import CLIENT, client_has_left, unavailable
from secsign_gate.errors import WireError
from secsign_gate.wire import HEADER, Answer, FindKeyLines, Message, Progress, decode, frame_length

TYPE_CHECKING = False
if TYPE_CHECKING:
    from secsign_gate.doors.ask_broker import Conversation

_GRACE = 20.0  # seconds a broker may overrun the time that it announced
_CREATE = 250.0  # the same while it makes the push: two servers, each with the longest total_seconds
_TICK = 250  # milliseconds between two looks at window and countdown
_PATIENCE = 1000  # milliseconds between two looks at the clock where nothing is shown


def wait_for_answer(conversation: "Conversation", said: bytes) -> Answer:
    """Return the broker's answer, after the words that it begins with in `said`; show progress meanwhile.

    If the client leaves or a person gives up, that is the answer. Raises BrokerUnavailable and WireError.
    """
    try:
        return _answered(conversation, bytearray(said))
    except OSError:  # the terminal is gone; whatever else can fail has another name
        return conversation.leave("client_left")


def _answered(conversation: "Conversation", received: bytearray) -> Answer:
    look = poll()
    look.register(conversation.stream.fileno(), POLLIN)
    look.register(conversation.interrupts, POLLIN)
    look.register(CLIENT, 0)
    while True:
        while message := take_message(received):
            if isinstance(message, Answer):
                return message
            _heed(message, conversation)
        if monotonic() > conversation.deadline:
            raise unavailable("the broker has gone silent")
        if conversation.waiting:
            conversation.waiting.tick()
        ready = [descriptor for descriptor, _ in look.poll(_TICK if conversation.waiting else _PATIENCE)]
        # Leaving comes first: a yes that is there as well comes too late.
        if CLIENT in ready or conversation.interrupts in ready:
            return conversation.leave("client_left" if client_has_left() else "interrupted")
        if ready:
            received += conversation.receive()


def _heed(message: Message, conversation: "Conversation") -> None:
    """Do what a message asks for that is not the last one."""
    if isinstance(message, Progress):
        overrun = _CREATE if message.stage == "asking" else _GRACE
        conversation.deadline = monotonic() + message.seconds_left + overrun
        _show(message, conversation)
    elif isinstance(message, FindKeyLines):
        from secsign_gate.doors.key_lines import find_key_lines  # noqa: PLC0415 - once for a connection

        found = find_key_lines(message).encode()
        conversation.deadline = monotonic() + conversation.first_word  # how long the files took is not its fault
        conversation.send(found, conversation.first_word)
    else:
        raise WireError("the broker sent a message that is not for a door")


def _show(progress: Progress, conversation: "Conversation") -> None:
    if conversation.waiting is None:
        from secsign_gate.doors.waiting import Waiting  # noqa: PLC0415 - not while the key files are read

        conversation.waiting = Waiting(conversation.environ)
    conversation.waiting.show(progress)


def take_message(received: bytearray) -> Message | None:
    """Take the first whole message off `received`, or return None. Raises WireError."""
    if len(received) < HEADER:
        return None
    end = HEADER + frame_length(bytes(received[:HEADER]))
    if len(received) < end:
        return None
    frame = bytes(received[HEADER:end])
    del received[:end]
    return decode(frame)

"""Any message arrives as it was sent, however the stream cuts it; any other bytes are an error of our own."""

import asyncio
import socket

from hypothesis import given, settings
from hypothesis import strategies as st

from secsign_gate import wire
from secsign_gate.broker.door import Door
from secsign_gate.doors.ask_broker import answer_in
from secsign_gate.doors.wait_for_broker import take_message
from secsign_gate.errors import WireError

octets = st.binary(max_size=60)
texts = st.text(max_size=20)
flags = st.booleans()
numbers = st.integers(0, 2**32 - 1)
lists = st.lists(octets, max_size=5)

asks = st.builds(
    wire.Ask,
    door=texts,
    ssh_connection=octets,
    auth_info=octets,
    auth_info_time=numbers,
    auth_info_problem=texts,
    logname=octets,
    command=st.none() | octets,
    terminal=flags,
    started_by_key=flags,
    restricted_to=st.none() | octets,
    user_rc_left=flags,
)
asks_for_pam = st.builds(
    wire.AskForPam,
    phase=octets,
    service=octets,
    account=octets,
    remote_user=octets,
    remote_host=octets,
    terminal=octets,
    ssh_connection=octets,
    auth_info=octets,
    after_password=flags,
    seconds=numbers,
)
answers = st.builds(
    wire.Answer,
    allowed=flags,
    why=texts,
    detail=texts,
    reference=texts,
    waited=numbers,
    speak=flags,
    program=lists,
    command=st.none() | octets,
    original_command=st.none() | octets,
    keep_auth_info=flags,
    user_rc=flags,
    motd_files=lists,
    mail_notice=flags,
    last_login=flags,
)
progress = st.builds(
    wire.Progress,
    stage=texts,
    place=numbers,
    account=texts,
    host=texts,
    secsign_id=texts,
    seconds_left=numbers,
    wants=texts,
    phone_text=texts,
    access_pass=octets,
    speak=flags,
)
key_lines = st.builds(wire.KeyLines, lines=st.lists(st.tuples(octets, numbers, octets), max_size=5), unsafe=lists)
messages = st.one_of(
    asks,
    asks_for_pam,
    answers,
    progress,
    key_lines,
    st.builds(wire.FindKeyLines, needles=lists, paths=lists),
    st.builds(wire.Left, why=texts),
)


def facts(message: wire.Message) -> tuple[object, ...]:
    """Return what is read of a message: all of it, but of a refusal no orders, for it has none."""
    names = list(message.FIELDS)
    if is_refusal(message):
        del names[names.index("speak") + 1 :]
    return (type(message), *(getattr(message, name) for name in names))


def is_refusal(message: wire.Message) -> bool:
    return isinstance(message, wire.Answer) and not message.allowed


@given(st.lists(messages, max_size=4), st.lists(st.integers(0, 400), max_size=8))
def test_messages_arrive_in_order_however_the_stream_is_cut(sent: list[wire.Message], cuts: list[int]) -> None:
    stream = b"".join(message.encode() for message in sent)
    ends = [*sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    received, arrived = bytearray(), []
    for start, end in zip([0, *ends], ends, strict=False):
        received += stream[start:end]
        while message := take_message(received):
            arrived.append(message)
    assert [facts(message) for message in arrived] == [facts(message) for message in sent]
    assert received == b""


@given(messages, st.binary(max_size=20), st.integers(0, 400))
def test_an_answer_is_known_at_once_whatever_follows_it(first: wire.Message, rest: bytes, cut: int) -> None:
    stream = first.encode()
    whole, part = answer_in(stream + rest), answer_in(stream[: min(cut, len(stream) - 1)])
    assert part is None
    assert (whole is not None) == isinstance(first, wire.Answer)
    assert whole is None or facts(whole) == facts(first)


@given(st.binary(max_size=200) | messages.flatmap(lambda message: st.just(message.encode()[wire.HEADER :])))
def test_what_can_be_read_is_written_again_byte_for_byte(frame: bytes) -> None:
    try:
        message = wire.decode(frame)
    except WireError:
        return
    again = message.encode()[wire.HEADER :]
    assert again == frame or (is_refusal(message) and facts(wire.decode(again)) == facts(message))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=100) | st.lists(messages.map(lambda message: message.encode()), max_size=3).map(b"".join))
def test_a_broker_hears_a_question_or_an_error_and_never_hangs(said: bytes) -> None:
    async def hear() -> wire.Ask | wire.AskForPam:
        ours, theirs = socket.socketpair()
        with ours:
            ours.sendall(said)
            ours.shutdown(socket.SHUT_WR)
            door = Door(theirs)
            try:
                return await door.claim()
            finally:
                await door.close()

    try:
        claim = asyncio.run(hear())
    except WireError:
        pass
    else:
        assert said.startswith(claim.encode())

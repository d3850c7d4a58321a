"""What broker and monitor say to each other arrives as it was sent, and any other bytes are facts or unproven."""

import os
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secsign_gate.broker import facts_message, processes, tcp_sockets
from secsign_gate.broker.processes import MAX_DEPTH, MAX_EXECUTABLE
from secsign_gate.core.ancestry import Facts, Process, TcpConnection, TcpSockets, UnprovenError

numbers = st.integers(0, 2**32 - 1)
long_numbers = st.integers(0, 2**64 - 1)
ports = st.integers(0, 65535)
paths = st.binary(max_size=40).filter(lambda path: b"\0" not in path).map(os.fsdecode)
process_values = st.builds(Process, numbers, numbers, long_numbers, numbers, numbers, paths)
connections = st.builds(TcpConnection, st.ip_addresses(), ports, st.ip_addresses(), ports)
sockets = st.builds(TcpSockets, st.lists(connections, max_size=facts_message.MAX_CONNECTIONS).map(tuple), st.booleans())
facts = st.builds(
    Facts,
    st.lists(process_values, max_size=MAX_DEPTH).map(tuple),
    st.dictionaries(numbers, sockets, max_size=MAX_DEPTH),
)


@given(long_numbers, facts)
def test_facts_arrive_as_they_were_sent(number: int, sent: Facts) -> None:
    answer = facts_message.encode_facts(number, sent)
    assert facts_message.number_of(answer) == number
    assert facts_message.decode_answer(answer) == sent


@given(long_numbers, facts, st.data())
def test_an_answer_that_was_cut_or_lengthened_is_none(number: int, sent: Facts, data: st.DataObject) -> None:
    answer = facts_message.encode_facts(number, sent)
    cut = data.draw(st.integers(0, len(answer) - 1))
    for wrong in (answer[:cut], answer + b"\0"):
        with pytest.raises(UnprovenError):
            facts_message.decode_answer(wrong)


@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda rest: b"\0" * 8 + b"\1" + rest))
def test_any_bytes_are_facts_or_unproven(answer: bytes) -> None:
    try:
        facts_message.decode_answer(answer)
    except UnprovenError as error:
        assert str(error).isprintable()  # noqa: PT017 - it may also be raised not at all
    facts_message.number_of(answer)


@given(long_numbers, st.text(max_size=600))
def test_why_there_are_no_facts_arrives_printable(number: int, why: str) -> None:
    with pytest.raises(UnprovenError) as raised:
        facts_message.decode_answer(facts_message.encode_no_facts(number, why))
    assert str(raised.value).isprintable()


@given(long_numbers, numbers)
def test_a_question_arrives_as_it_was_sent(number: int, pid: int) -> None:
    question = facts_message.encode_question(number, pid)
    assert facts_message.decode_question(question) == (number, pid)
    assert facts_message.decode_question(question + b"\0") is None
    assert facts_message.decode_question(question[:-1]) is None


def test_the_longest_answer_fits_into_its_bound() -> None:
    process = Process(2**32 - 1, 2**32 - 1, 2**64 - 1, 2**32 - 1, 2**32 - 1, "x" * MAX_EXECUTABLE)
    address = ip_address(2**128 - 1)
    held = TcpSockets((TcpConnection(address, 65535, address, 65535),) * 100, listens=True)
    answer = facts_message.encode_facts(2**64 - 1, Facts((process,) * MAX_DEPTH, dict.fromkeys(range(MAX_DEPTH), held)))
    assert len(answer) <= facts_message.MAX_ANSWER
    told = facts_message.decode_answer(answer).sockets[0]
    assert len(told.established) > 1  # cut, and yet as unproven as before


@given(st.binary(max_size=64), numbers, long_numbers)
def test_a_process_may_be_called_anything(name: bytes, parent: int, start_time: int) -> None:
    """proc_pid_stat(5), field 2: whatever a program has written there, `) R 1 ` for example."""
    fields = b" ".join([b"-7"] * 17)
    stat = b"77 (%s) S %d %s %d 0 0\n" % (name, parent, fields, start_time)
    found = processes._STAT.match(stat)
    assert found is not None
    assert (int(found[1]), int(found[2])) == (parent, start_time)


@pytest.mark.parametrize(
    ("text", "address", "port"),
    [
        ("0100007F:0016", "127.0.0.1", 22),
        ("0A0200C0:FFFF", "192.0.2.10", 65535),
        ("00000000000000000000000001000000:0016", "::1", 22),
        ("B80D0120000000000000000001000000:C362", "2001:db8::1", 50018),
        ("0000000000000000FFFF00000100007F:0016", "::ffff:127.0.0.1", 22),
    ],
)
@pytest.mark.skipif("sys.byteorder != 'little'", reason="the kernel writes them in the machine's order")
def test_addresses_of_proc_net(text: str, address: str, port: int) -> None:
    assert tcp_sockets._end(text) == (ip_address(address), port)

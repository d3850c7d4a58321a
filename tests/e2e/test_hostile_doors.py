"""Users of the host who mean ill, at the socket that is open to all: they get nothing, and nobody else gets less."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import drop_in
import pytest
from by_hand import PYTHON, as_account, door
from progress_sample import progress
from running_broker import SOCKET, RunningBroker
from stranger import Stranger, claim, until

from secsign_gate.core.verdict import Reason
from secsign_gate.wire import MAX_FRAME, MAX_STRINGS, Answer, FindKeyLines, KeyLines, Left

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate import Gate, Person

FLOOD = f"""
import resource, socket
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
print("flooding", flush=True)
while True:
    streams = []
    for _ in range(500):
        streams.append(socket.socket(socket.AF_UNIX))
        streams[-1].connect({str(SOCKET)!r})
    for stream in streams:
        stream.close()
"""
KEPT = 2  # descriptors: the connection to the ID server and the sender to the system's log, whoever comes
pytestmark = pytest.mark.usefixtures("alice", "bob", "broker")  # in this order: the broker is to know them


@pytest.fixture
def broker(gate: Gate) -> Iterator[RunningBroker]:
    """The daemon, which knows alice and bob, and takes few doors of one account."""
    gate.drop_in = drop_in.asking(str(SOCKET))
    gate.configure(
        broker={"connections_per_account": 20}, limits={"pushes_per_account": 1000, "pushes_per_secsign_id": 1000}
    )
    with RunningBroker() as running:
        yield running


def is_served(gate: Gate, person: Person) -> bool:
    """Tell whether the person can log in, by a tap."""
    login = door(person, "echo served", options=["--broker", str(SOCKET)])
    gate.phone(person.account).accept()
    return login.outcome()[:2] == (0, b"served\n")


def number_of_descriptors(broker: RunningBroker) -> int:
    return len(list(Path(f"/proc/{broker.pid}/fd").iterdir()))


def resident(broker: RunningBroker) -> int:
    """Return how many bytes of memory the broker has."""
    return int(Path(f"/proc/{broker.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# --- how much, how often, how slowly ----------------------------------------------------------------------------------


def test_who_says_nothing_or_too_slowly_is_dropped_and_others_are_served_meanwhile(
    gate: Gate, broker: RunningBroker, stranger: Stranger, bob: Person
) -> None:
    silent, dripping = stranger.connect(), stranger.connect()
    rest = list(claim("alice").encode())
    assert is_served(gate, bob)
    assert silent.is_quiet()
    while dripping.is_quiet(0.2) and rest:
        dripping.send(bytes([rest.pop(0)]))
    for stream in (silent, dripping):
        answer = stream.answer()
        assert (answer.allowed, answer.why) == (False, Reason.BROKER_UNAVAILABLE)
        assert "no question came" in answer.detail
        assert stream.hears_nothing_more()
    assert broker.status()["waiting"] == []


def test_each_account_has_its_own_number_of_connections(
    gate: Gate, broker: RunningBroker, stranger: Stranger, bob: Person
) -> None:
    before = number_of_descriptors(broker)
    streams = [stranger.connect() for _ in range(3000)]
    for stream in streams[20:]:
        answer = stream.answer()
        assert (answer.allowed, answer.why) == (False, Reason.TOO_MANY_CONNECTIONS)
        assert stream.hears_nothing_more()
    assert all(stream.is_quiet() for stream in streams[:20])
    assert is_served(gate, bob)
    for stream in streams:
        stream.close()
    until(lambda: number_of_descriptors(broker) <= before + KEPT)
    assert stranger.connect().is_quiet()


def test_thousands_that_ask_and_never_listen(gate: Gate, broker: RunningBroker, bob: Person) -> None:
    with Stranger("alice") as one, Stranger("zoe") as other:
        for _ in range(1000):
            one.ask()
            other.ask(command=b"x" * 100_000)
        assert is_served(gate, bob)
    until(lambda: broker.status()["waiting"] == [])


def test_a_flood_of_connections_keeps_nobody_else_out_and_takes_nobody_what_he_has(gate: Gate, bob: Person) -> None:
    options = ["-o", "ControlMaster=auto", "-o", f"ControlPath={bob.client.folder}/mux", "-o", "ControlPersist=yes"]
    login = bob.ssh("true", options=options)
    gate.phone("bob").accept()
    assert login.outcome().status == 0
    command = as_account("alice", {}, PYTHON, "-I", "-c", FLOOD)
    floods = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for _ in range(2)]
    try:
        for flood in floods:
            assert flood.stdout is not None
            assert flood.stdout.readline() == b"flooding\n"
        assert is_served(gate, bob)
        assert [bob.ssh("true", options=options).outcome().status for _ in range(5)] == [0] * 5
        assert [record.get("ground") for record in gate.records][-5:] == ["granted"] * 5
    finally:
        for flood in floods:
            flood.kill()
            flood.communicate()
    bob.run("ssh", *options, "-O", "exit", bob.at("gated")).outcome()


def test_memory_is_bounded_by_what_one_account_may_have_open(
    gate: Gate, broker: RunningBroker, stranger: Stranger, bob: Person
) -> None:
    """Each holds the largest question, waits, and begins another largest message that it never ends."""
    question = claim("alice", command=b"x" * (MAX_FRAME - 1000)).encode()
    assert is_served(gate, bob)
    before = resident(broker)
    after = []
    for _ in range(4):
        streams = [stranger.connect() for _ in range(20)]
        for stream in streams:
            stream.send(question)
        until(lambda: len(broker.status()["waiting"]) == 20)
        for stream in streams:
            stream.send(MAX_FRAME.to_bytes(4, "big") + bytes(MAX_FRAME - 1))
        assert is_served(gate, bob)
        after.append(resident(broker) - before)
        for stream in streams:
            stream.close()
        until(lambda: broker.status()["waiting"] == [])
    print(f"{[grown // 1024 for grown in after]} KiB more for {20 * MAX_FRAME // 1024} KiB of questions")
    assert max(after) < 4 * 20 * MAX_FRAME
    assert max(after) - after[0] < 20 * MAX_FRAME  # nothing is kept of those who have gone


# --- what is said -----------------------------------------------------------------------------------------------------

NONSENSE = {
    "another protocol": b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n",
    "no length": bytes(4),
    "a length over the limit": (MAX_FRAME + 1).to_bytes(4, "big"),
    "the greatest length": b"\xff" * 64,
    "a huge frame of nothing": MAX_FRAME.to_bytes(4, "big") + bytes(MAX_FRAME),
    "a kind that there is not": b"\0\0\0\1\x63",
    "strings within a string": (40).to_bytes(4, "big") + b"\1" + b"\0\0\0\2" + b"\xff\xff\xff\xff" * 9,
    "a boolean that is neither": claim("alice").encode()[:-1] + b"\7",
    "an answer": Answer(allowed=True, why="approved").encode(),
    "progress": progress(host="", seconds_left=1, wants="").encode(),
    "lines that nobody asked for": KeyLines(lines=[], unsafe=[]).encode(),
    "more strings than there may be": KeyLines(lines=[], unsafe=[b""] * (MAX_STRINGS + 1)).encode(),
    "farewell": Left(why="client_left").encode(),
}


@pytest.mark.parametrize("said", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_refused_and_nobody_is_pushed(gate: Gate, stranger: Stranger, said: bytes) -> None:
    stream = stranger.connect()
    stream.send(said)
    answer = stream.answer()
    assert (answer.allowed, answer.why) == (False, Reason.BROKER_UNAVAILABLE)
    assert answer.detail
    assert stream.hears_nothing_more()
    assert gate.phone("alice").auth_sessions() == []
    assert gate.records == []


OUT_OF_TURN = {
    "a second question": claim("alice").encode(),
    "a question for somebody else": claim("bob").encode(),
    "lines that nobody asked for": KeyLines(lines=[], unsafe=[]).encode(),
    "a yes": Answer(allowed=True, why="approved").encode(),
    "garbage": b"\xff" * 1000,
}


@pytest.mark.parametrize("said", OUT_OF_TURN.values(), ids=OUT_OF_TURN)
def test_who_speaks_out_of_turn_has_left(gate: Gate, stranger: Stranger, said: bytes) -> None:
    stream = stranger.ask()
    gate.simulator.wait_for(gate.id_of("alice"))
    stream.send(said)
    answer = stream.answer()
    assert (answer.allowed, answer.why) == (False, Reason.CLIENT_LEFT)
    assert stream.hears_nothing_more()
    wait_until_disposed(gate, "cancel")


@pytest.mark.parametrize("said", OUT_OF_TURN.values(), ids=OUT_OF_TURN)
def test_what_is_said_after_the_answer_changes_nothing(gate: Gate, stranger: Stranger, said: bytes) -> None:
    stream = stranger.ask()
    gate.simulator.deny(gate.id_of("alice"))
    assert stream.answer().why == Reason.DENIED_ON_PHONE
    stream.send(said)
    assert stream.hears_nothing_more()
    wait_until_disposed(gate, "release")
    assert [record["reason"] for record in gate.records] == ["denied_on_phone"]


def test_key_lines_that_come_twice_or_are_made_of_many(gate: Gate, stranger: Stranger, alice: Person) -> None:
    key = b" ".join([b"publickey", *alice.client.public_key.encode().split()[:2]]) + b"\n"
    none = KeyLines(lines=[], unsafe=[]).encode()
    many = KeyLines(lines=[(b"/x", 1, b"y")] * MAX_STRINGS, unsafe=[b""] * MAX_STRINGS).encode()
    for said in (none + none, many, many + many):
        stream = stranger.ask(auth_info=key)
        assert isinstance(stream.receive(), FindKeyLines)
        stream.send(said)
        answer = stream.answer()
        assert not answer.allowed
        assert answer.why in {Reason.KEY_NOT_FOUND, Reason.KEY_OPTIONS_UNREADABLE, Reason.CLIENT_LEFT}
    assert gate.phone("alice").auth_sessions() == []


def wait_until_disposed(gate: Gate, how: str) -> None:
    until(lambda: [one["disposed"] for one in gate.phone("alice").auth_sessions()] == [how])


# --- who is gone at once ----------------------------------------------------------------------------------------------


def test_a_visit_that_is_over_at_once_leaves_nothing(gate: Gate, broker: RunningBroker) -> None:
    before = number_of_descriptors(broker)
    for question in (b"", claim("alice").encode()[:-1], claim("alice").encode()):
        for _ in range(20):
            with Stranger("alice") as visitor:
                stream = visitor.connect()
                visitor.leave()
                stream.send(question)
                stream.close()
    until(lambda: number_of_descriptors(broker) <= before + KEPT)
    status = broker.status()
    assert (status["waiting"], status["grants"], status["connections"]) == ([], [], 0)
    assert gate.phone("alice").auth_sessions() == []
    assert {record["reason"] for record in gate.records} == {"client_left"}
    assert len(gate.records) == 20

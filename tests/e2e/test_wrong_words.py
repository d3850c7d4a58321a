"""Words between door and broker that neither should hear: each ends in a refusal with a sentence, and nothing runs."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest
from by_hand import (
    PYTHON,
    SOCKETS,
    Broker,
    answering,
    as_account,
    door,
    hasty_door,
    refused_in_a_sentence,
    yes_to_alice,
)
from gate import CONFIGURATION
from progress_sample import progress

from secsign_gate.core.verdict import COULD_NOT_ASK, REFUSED, Reason
from secsign_gate.wire import MAX_FRAME, Answer, Ask, FindKeyLines, KeyLines, Left, Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from gate import Gate

ORDERS = CONFIGURATION / "secsign-gate.toml"
NOT_ROOTS = f"{SOCKETS}/broker.sock is not a socket of root's"

# --- a broker that misbehaves -----------------------------------------------------------------------------------------

PUSHED = progress(host="private-host", speak=False)
PUSHED_FOR_NO_TIME = progress(host="private-host", speak=False, seconds_left=0)
YES = yes_to_alice(command=b"touch ~/proof; echo ran")
ASK = Ask(
    door="force_command",
    ssh_connection=b"192.0.2.1 50022 192.0.2.2 22",
    auth_info=b"",
    auth_info_time=0,
    auth_info_problem="",
    logname=b"alice",
    command=None,
    terminal=False,
    started_by_key=False,
    restricted_to=None,
)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ([], ["went away without an answer"]),
        ([PUSHED], ["went away without an answer"]),
        ([YES.encode()[:-1]], ["went away without an answer"]),
        ([(MAX_FRAME + 1).to_bytes(4, "big")], ["announces"]),
        ([bytes(4)], ["announces 0 bytes"]),
        ([b"SSH-2.0-OpenSSH_9.2\r\n"], ["announces"]),
        ([b"\0\0\0\1\x2a"], ["unknown kind 42"]),
        ([b"\0\0\0\2" + YES.encode()[4:6]], ["shorter than it says"]),
        ([ASK], ["not for a door"]),
        ([KeyLines(lines=[], unsafe=[])], ["not for a door"]),
        ([Left(why="client_left")], ["not for a door"]),
        ([ASK, YES], ["not for a door"]),
    ],
)
def test_a_broker_that_talks_nonsense(gate: Gate, said: list[Answer | Progress | bytes], words: list[str]) -> None:
    alice = gate.user("alice")
    with Broker() as broker:
        login = door(alice, options=broker.option)
        answering(broker, *said)
        assert refused_in_a_sentence(login, COULD_NOT_ASK, "the approval service of this host", *words)
    assert not alice.has("proof")


@pytest.mark.parametrize("words", [[], [PUSHED_FOR_NO_TIME], [PUSHED_FOR_NO_TIME.encode()[:-1]]])
def test_a_broker_that_falls_silent_is_not_waited_for(gate: Gate, words: list[Progress | bytes]) -> None:
    alice = gate.user("alice")
    with Broker() as broker:
        login = hasty_door(alice, *broker.option)
        stream = broker.accept()
        for word in words:
            stream.send(word)
        assert refused_in_a_sentence(login, COULD_NOT_ASK, "has gone silent")
    assert not alice.has("proof")


def test_what_a_broker_says_after_its_answer_counts_for_nothing(gate: Gate) -> None:
    alice = gate.user("alice")
    with Broker() as broker:
        login = door(alice, options=broker.option)
        answering(broker, Answer(allowed=False, why="denied_on_phone"), YES)
        assert refused_in_a_sentence(login, REFUSED, "denied on the phone")
    assert not alice.has("proof")


def test_an_unknown_reason_is_a_refusal_with_a_sentence(gate: Gate) -> None:
    alice = gate.user("alice")
    with Broker() as broker:
        login = door(alice, options=broker.option)
        answering(broker, Answer(allowed=False, why="\x1b[2Jmoon", detail="\x1b]0;title\x07 and a\nnew line"))
        assert refused_in_a_sentence(login, REFUSED, r"unknown here (\x1b[2Jmoon)", r"a\x0anew line")


def test_key_files_that_are_no_files_are_passed_over(gate: Gate) -> None:
    alice = gate.user("alice")
    os.mkfifo(alice.home / "fifo")
    alice.write("keys", "one AAAA\ntwo BBBB\nthree AA\x0bAA")
    paths = [str(alice.home / name) for name in ("fifo", "missing", "", "keys")] + ["/etc/shadow", "/dev/zero", "\0"]
    with Broker() as broker:
        login = door(alice, options=broker.option)
        stream = broker.accept()
        stream.receive()
        stream.send(FindKeyLines(needles=[b"AAAA"], paths=[path.encode() for path in paths]))
        found = stream.receive()
        stream.send(Answer(allowed=False, why="key_not_found"))
        assert login.outcome().status == REFUSED
    assert isinstance(found, KeyLines)
    keys = str(alice.home / "keys").encode()
    assert found.lines == [(keys, 1, b"one AAAA"), (keys, 3, b"three AA\x0bAA")]


def put_a_file_there() -> None:
    (SOCKETS / "broker.sock").unlink()
    (SOCKETS / "broker.sock").touch()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda: shutil.rmtree(SOCKETS), ["No such file"]),
        ((SOCKETS / "broker.sock").unlink, ["No such file"]),
        (put_a_file_there, [NOT_ROOTS]),
        (lambda: (SOCKETS / "broker.sock").symlink_to((SOCKETS / "broker.sock").rename("/tmp/hers")), [NOT_ROOTS]),
        (lambda: os.chown(SOCKETS / "broker.sock", 2001, -1), [NOT_ROOTS]),
        (lambda: SOCKETS.chmod(0o777), [f"{SOCKETS} on the way to the broker is not root's alone"]),
        (lambda: os.chown(SOCKETS, 2001, -1), [f"{SOCKETS} on the way to the broker is not root's alone"]),
        (lambda: (SOCKETS / "broker.sock").chmod(0o600), ["Permission denied"]),
    ],
    ids=[
        "no folder",
        "no socket",
        "no socket but a file",
        "a link",
        "a socket of the user's",
        "folder of everybody",
        "folder of the user",
        "not for her",
    ],
)
def test_a_broker_that_cannot_be_reached_is_never_replaced(
    gate: Gate, spoil: Callable[[], object], words: list[str]
) -> None:
    alice = gate.user("alice", secsign_id="alice")
    with Broker() as broker:
        spoil()
        login = door(alice, options=broker.option)
        assert refused_in_a_sentence(login, COULD_NOT_ASK, "the approval service of this host", *words)
        SOCKETS.mkdir(exist_ok=True)
    assert gate.phone("alice").auth_sessions() == []
    assert gate.records == []


# --- a door that misbehaves -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\n\r\n", YES.encode(), ASK.encode()[:-1]])
def test_a_door_that_talks_nonsense_gets_nothing(gate: Gate, said: bytes) -> None:
    gate.user("alice", secsign_id="alice")
    ours, theirs = socket.socketpair()
    command = as_account("alice", {}, PYTHON, "-I", "-m", "secsign_gate.broker.embedded", str(ORDERS))
    with ours, theirs:
        # The broker lives on; what we have started ends.
        subprocess.run(command, stdin=theirs.fileno(), check=True, timeout=60)
        theirs.close()
        ours.sendall(said)
        ours.shutdown(socket.SHUT_WR)
        ours.settimeout(60)
        answer = b"".join(iter(lambda: ours.recv(65536), b""))
    expected = Answer(allowed=False, why=Reason.BROKER_UNAVAILABLE).encode()[4:6]
    assert answer[4:6] == expected
    assert gate.phone("alice").auth_sessions() == []

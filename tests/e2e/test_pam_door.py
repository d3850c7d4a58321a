"""The PAM door by itself, before a broker that says what a test wants: only a clear yes is exit status 0."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from by_hand import LONGEST_WAIT, PYTHON, Broker
from progress_sample import progress

from secsign_gate.wire import Answer, AskForPam, FindKeyLines, Left

if TYPE_CHECKING:
    from collections.abc import Iterator

DOOR = "/opt/secsign-gate/bin/secsign-gate-pam"
SSHD = {
    "PAM_TYPE": "auth",
    "PAM_SERVICE": "sshd",
    "PAM_USER": "alice",
    "PAM_TTY": "ssh",
    "PAM_RHOST": "192.0.2.1",
    "SSH_CONNECTION": "192.0.2.1 50022 192.0.2.2 22",
    "SSH_AUTH_INFO_0": "publickey ssh-ed25519 AAAA\n",
}
YES = Answer(allowed=True, why="approved")
NO = Answer(allowed=False, why="denied_on_phone", reference="7F3KQ2")
PUSHED = progress(wants="an SSH connection")


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as made:
        yield made


class Door:
    """The door, as pam_exec starts it: what it writes goes to one pipe."""

    def __init__(self, *options: str, python: tuple[str, ...] = ("-I", "-S"), **changed: str) -> None:
        self.process = subprocess.Popen(
            [PYTHON, *python, DOOR, *options],
            env=SSHD | changed,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def outcome(self) -> tuple[int, bytes]:
        said, _ = self.process.communicate(timeout=LONGEST_WAIT)
        return self.process.returncode, said


def test_it_says_what_pam_says_and_a_yes_is_silent(broker: Broker) -> None:
    door = Door(*broker.option, "--seconds", "30")
    stream = broker.accept()
    question = stream.receive()
    assert isinstance(question, AskForPam)
    assert (question.phase, question.service, question.account) == (b"auth", b"sshd", b"alice")
    assert (question.auth_info, question.seconds, question.after_password) == (
        b"publickey ssh-ed25519 AAAA\n",
        30,
        False,
    )
    stream.send(PUSHED)
    stream.send(YES)
    assert door.outcome() == (0, b"")


def test_a_no_is_one_sentence(broker: Broker) -> None:
    door = Door(*broker.option)
    broker.accept().send(NO)
    status, said = door.outcome()
    assert status == 77
    assert said.startswith(b"secsign-gate: denied on the phone")
    assert said.count(b"\n") == 1


def test_who_can_hear_it_is_told_before(broker: Broker) -> None:
    door = Door(*broker.option, "--say-before")
    stream = broker.accept()
    stream.send(PUSHED)
    assert door.process.stdout is not None
    assert door.process.stdout.readline() == (
        b"secsign-gate: accept alice@web1 on the phone of SecSign ID alice within 60 s\n"
    )
    stream.send(PUSHED)
    stream.send(YES)
    assert door.outcome() == (0, b"")


def test_an_administrator_who_wants_no_words_gets_none(broker: Broker) -> None:
    door = Door(*broker.option, "--say-before")
    stream = broker.accept()
    stream.send(progress(wants="an SSH connection", speak=False))
    stream.send(Answer(allowed=False, why="no_answer", speak=False))
    assert door.outcome() == (77, b"")


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"", 75),
        (b"\0", 75),
        (b"\xff" * 64, 75),
        (b"\0\0\0\0", 75),
        (YES.encode()[:-1], 75),
        (YES.encode().replace(b"approved", b"approve"), 75),
        (FindKeyLines(needles=[b"x"], paths=[b"/etc/shadow"]).encode() + YES.encode(), 75),
        (Left(why="approved").encode() + YES.encode(), 75),
        (b"\0\0\0\1\x63" + YES.encode(), 75),
        (NO.encode() + YES.encode(), 77),
        (Answer(allowed=False, why="configuration_error").encode(), 78),
        (Answer(allowed=False, why="nonsense").encode(), 77),
    ],
    ids=[
        "nothing",
        "a byte",
        "noise",
        "an empty message",
        "a yes cut off",
        "a yes of another length",
        "a question for files",
        "a word of doors",
        "an unknown word",
        "no, then yes",
        "orders",
        "a reason unknown",
    ],
)
def test_whatever_is_no_clear_yes_refuses(broker: Broker, said: bytes, status: int) -> None:
    door = Door(*broker.option)
    stream = broker.accept()
    stream.receive()
    stream.send(said)
    stream.close()
    found, words = door.outcome()
    assert found == status
    assert words.startswith(b"secsign-gate: ")


def test_a_broker_that_goes_silent_is_waited_for_no_longer_than_was_said(broker: Broker) -> None:
    door = Door(*broker.option, "--seconds", "5")
    stream = broker.accept()
    stream.receive()
    stream.send(PUSHED)
    status, words = door.outcome()
    assert status == 75
    assert b"gone silent" in words


def test_no_broker(broker: Broker) -> None:
    status, words = Door("--broker", broker.path + "x").outcome()
    assert status == 75
    assert b"no broker at" in words


def test_a_socket_that_is_not_roots_is_no_broker(broker: Broker) -> None:
    os.chown(broker.path, 2001, 2001)
    status, words = Door(*broker.option).outcome()
    assert status == 75
    assert b"is not a socket of root's" in words


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--config", "/x"], b"--config: is unknown"),
        (["--broker"], b"needs a value"),
        (["--broker", "run/x"], b"needs an absolute path"),
        (["--seconds", "0"], b"needs a number from 5 to 600"),
        (["--seconds", "9999"], b"needs a number from 5 to 600"),
        (["--seconds", "-9"], b"needs a number from 5 to 600"),
        (["--seconds", "9", "--seconds", "9"], b"is given twice"),
        (["debug"], b"debug: is unknown"),
    ],
)
def test_a_wrong_line_is_named(options: list[str], words: bytes) -> None:
    status, said = Door(*options).outcome()
    assert status == 78
    assert words in said
    assert b"docs/pam.md" in said


def test_it_must_be_started_isolated() -> None:
    status, said = Door(python=("-S",)).outcome()
    assert status == 78
    assert b"-I -S" in said


def test_without_a_user_there_is_no_question(broker: Broker) -> None:
    status, said = Door(*broker.option, PAM_USER="").outcome()
    assert status == 77
    assert b"PAM_USER is missing" in said


def test_an_orphan_says_so_and_is_gone(broker: Broker) -> None:
    code = (
        "import os, signal, sys\n"
        "if os.fork() == 0: os.execv(sys.argv[1], sys.argv[1:])\n"
        "signal.pause()\n"
    )  # fmt: skip
    command = [PYTHON, "-I", "-S", "-c", code, PYTHON, "-I", "-S", DOOR, *broker.option]
    with subprocess.Popen(command, env=SSHD, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as parent:
        stream = broker.accept()
        assert isinstance(stream.receive(), AskForPam)
        parent.send_signal(signal.SIGKILL)
        left = stream.receive()
        assert isinstance(left, Left)
        assert left.why == "client_left"
        assert stream.receive() is None

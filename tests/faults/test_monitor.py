"""The monitor: what it may do, when it ends, and a broker that sends it whatever it likes."""

from __future__ import annotations

import array
import os
import random
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from held_processes import LONGEST_WAIT, NOBODY, a_monitor, has_ended

from secsign_gate.broker import monitor as monitor_module
from secsign_gate.broker import processes
from secsign_gate.broker.facts_message import decode_answer, encode_question, number_of
from secsign_gate.broker.processes import facts_about
from secsign_gate.core.ancestry import Facts, Process, UnprovenError
from secsign_gate.errors import GateError

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the monitor is root's")
CAP_SYS_PTRACE_ONLY = "0000000000080000"
NONE = "0000000000000000"


@pytest.fixture
def started() -> Iterator[tuple[socket.socket, int]]:
    """The broker's end of a real monitor, and its pid."""
    with a_monitor() as made:
        yield made


def ask(stream: socket.socket, pid: int, number: int = 1) -> Facts:
    stream.send(encode_question(number, pid))
    answer = stream.recv(1 << 20)
    assert number_of(answer) == number
    return decode_answer(answer)


def descriptors_of(pid: int) -> list[str]:
    """What the descriptors of a process are, in their order."""
    links = sorted(Path(f"/proc/{pid}/fd").iterdir(), key=lambda link: int(link.name))
    return [str(link.readlink()) for link in links]


def status_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


# what it is


def test_the_monitor_has_one_capability_and_one_descriptor(started: tuple[socket.socket, int]) -> None:
    _, pid = started
    status = status_of(pid)
    assert {status[name] for name in ("CapPrm", "CapEff")} == {CAP_SYS_PTRACE_ONLY}
    assert {status[name] for name in ("CapInh", "CapAmb", "CapBnd")} == {NONE}
    assert {number for name in ("Uid", "Gid") for number in status[name].split()} == {str(NOBODY)}
    assert status["Groups"] == ""
    assert status["NoNewPrivs"] == "1"
    assert status["Name"] == monitor_module.NAME
    descriptors = descriptors_of(pid)
    assert descriptors[:3] == ["/dev/null"] * 3
    assert [kind.partition(":")[0] for kind in descriptors[3:]] == ["socket"]


def test_it_ends_with_the_broker_and_not_before() -> None:
    code = (
        "import sys; from secsign_gate.broker.monitor import _start\n"
        f"stream, pid = _start({NOBODY}, {NOBODY}); print(pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as broker:
        assert broker.stdout is not None
        pid = int(broker.stdout.readline())
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            os.kill(pid, number)
        assert status_of(pid)["Name"] == monitor_module.NAME
        broker.kill()
    assert has_ended(pid)


def test_it_does_not_start_without_root(capfd: pytest.CaptureFixture[str]) -> None:
    child = os.fork()
    if child == 0:
        os.setresuid(NOBODY, NOBODY, NOBODY)
        try:
            monitor_module.start_monitor(NOBODY, NOBODY)
        except GateError as error:
            print(error, flush=True)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    said = capfd.readouterr().out
    assert (
        "did not start (cannot drop from the bounding set: Operation not permitted); start the broker as root" in said
    )


# garbage towards the monitor


def test_garbage_gets_no_answer_and_the_next_question_does(started: tuple[socket.socket, int]) -> None:
    stream, pid = started
    chance = random.Random(7)
    for length in [*range(1, 40), 1000, 65536, 150_000]:
        if length != len(encode_question(0, 0)):
            stream.send(chance.randbytes(length))
    for number in (0, 1, 2**64 - 1):
        assert ask(stream, os.getpid(), number).chain[0].pid == os.getpid()
    assert status_of(pid)["Name"] == monitor_module.NAME


@pytest.mark.parametrize("pid", [0, 2**22 + 1, 2**31 - 1, 2**31, 2**32 - 1])
def test_a_process_that_cannot_be_is_no_fact(started: tuple[socket.socket, int], pid: int) -> None:
    stream, _ = started
    with pytest.raises(UnprovenError, match="has ended"):
        ask(stream, pid)
    assert ask(stream, os.getpid(), 2).chain[0].pid == os.getpid()


def test_descriptors_that_are_passed_to_it_are_not_taken(started: tuple[socket.socket, int]) -> None:
    stream, pid = started
    before = descriptors_of(pid)
    with Path("/etc/passwd").open() as file:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [file.fileno()] * 10))]
        stream.sendmsg([encode_question(1, os.getpid())], rights)
    assert decode_answer(stream.recv(1 << 20)).chain[0].pid == os.getpid()
    assert descriptors_of(pid) == before


def test_a_broker_that_asks_and_does_not_listen_holds_it_up_and_does_not_end_it(
    started: tuple[socket.socket, int],
) -> None:
    stream, _ = started
    stream.setblocking(False)
    asked = 0
    with suppress(BlockingIOError):
        while asked < 100_000:
            stream.send(encode_question(asked, os.getpid()))
            asked += 1
    stream.settimeout(LONGEST_WAIT)
    assert [number_of(stream.recv(1 << 20)) for _ in range(asked)] == list(range(asked))


def test_a_defect_in_it_is_no_fact(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(pid: int) -> Facts:
        raise ZeroDivisionError(pid)

    monkeypatch.setattr(monitor_module, "facts_about", fail)
    stream, pid = monitor_module._start(NOBODY, NOBODY)
    with stream:
        for number in (1, 2):
            with pytest.raises(UnprovenError, match="ZeroDivisionError"):
                ask(stream, os.getpid(), number)
    assert has_ended(pid)


# what it looks at


@pytest.mark.parametrize("changed", ["start_time", "parent", "uid", "effective_uid"])
@pytest.mark.parametrize("whose", [0, 1])
def test_a_process_that_is_another_one_at_the_end_is_no_fact(
    monkeypatch: pytest.MonkeyPatch, changed: str, whose: int
) -> None:
    """As if its number had passed on between the two readings."""
    read = processes.identity
    readings: dict[int, int] = {}
    target = (os.getpid(), os.getppid())[whose]

    def changing(pid: int) -> Process:
        readings[pid] = readings.get(pid, 0) + 1
        found = read(pid)
        if pid == target and readings[pid] > 1:
            return found._replace(**{changed: getattr(found, changed) + 1})
        return found

    assert facts_about(os.getpid()).chain[whose].pid == target
    monkeypatch.setattr(processes, "identity", changing)
    stream, pid = monitor_module._start(NOBODY, NOBODY)
    with stream, pytest.raises(UnprovenError, match="another one"):
        ask(stream, os.getpid())
    assert has_ended(pid)

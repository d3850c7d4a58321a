"""The broker's proofs when the monitor, or what is looked at, does its worst: nothing is proven by it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import struct
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest
from held_processes import LONGEST_WAIT, a_monitor, a_peer, in_a_loop

from secsign_gate.broker import monitor as monitor_module
from secsign_gate.broker.facts_message import encode_facts, encode_no_facts
from secsign_gate.broker.monitor import Monitor
from secsign_gate.broker.peer import Peer
from secsign_gate.core.ancestry import CrowdedError, Facts, Process, TcpConnection, TcpSockets, UnprovenError
from secsign_gate.core.proof import SSHD_EXECUTABLES, Proof

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the monitor is root's")
CONNECTION = TcpConnection(ip_address("192.0.2.2"), 22, ip_address("192.0.2.1"), 50022)


@pytest.fixture
def started() -> Iterator[tuple[socket.socket, int]]:
    """The broker's end of a real monitor, and its pid."""
    with a_monitor() as made:
        yield made


def facts_that_prove(pid: int) -> Facts:
    """What a monitor would have to say for a proof of uid 0."""
    sshd = Process(max(pid - 1, 2), 1, 5, 0, 0, SSHD_EXECUTABLES[0])
    return Facts((Process(pid, sshd.pid, 9, 0, 0, "/x"), sshd), {sshd.pid: TcpSockets((CONNECTION,), listens=False)})


def with_a_played_monitor(
    play: Callable[[socket.socket, bytes], None], test: Callable[[Monitor], Coroutine[Any, Any, None]]
) -> None:
    """Run `test` with a monitor that `play` plays: it gets the stream and each question."""

    async def work() -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        loop = asyncio.get_running_loop()
        monitor = Monitor(ours)

        def asked() -> None:
            question = theirs.recv(1000)
            if question:
                play(theirs, question)
            else:
                loop.remove_reader(theirs)

        loop.add_reader(theirs, asked)
        try:
            await test(monitor)
        finally:
            monitor.close()
            loop.remove_reader(theirs)
            theirs.close()

    in_a_loop(work)


def question_number(question: bytes) -> int:
    return int(struct.unpack_from("!Q", question)[0])


async def unproven(monitor: Monitor, peer: Peer) -> str:
    with pytest.raises(UnprovenError) as raised:
        await monitor.prove(peer, SSHD_EXECUTABLES)
    return str(raised.value)


def test_a_played_monitor_can_prove() -> None:
    """The good case, so that the others fail for their own reasons only."""

    def play(stream: socket.socket, question: bytes) -> None:
        stream.send(encode_no_facts(10**6, "an answer to somebody else"))
        stream.send(encode_facts(question_number(question), facts_that_prove(peer.pid)))
        stream.send(encode_no_facts(question_number(question), "a second answer, too late"))

    async def test(monitor: Monitor) -> None:
        proofs = await asyncio.gather(*(monitor.prove(peer, SSHD_EXECUTABLES) for _ in range(3)))
        assert {type(proof) for proof in proofs} == {Proof}
        assert len(set(proofs)) == 1

    with a_peer() as (peer, _):
        with_a_played_monitor(play, test)


def test_nonsense_from_it_proves_nothing() -> None:
    with a_peer() as (peer, _):
        whole = encode_facts(1, facts_that_prove(peer.pid))
        wrong = [whole[8:size] for size in range(9, len(whole))]
        wrong += [whole[8:] + b"\0", b"\1\0\0", b"\1\377", b"\2", b"\0", b"\0" + b"\377" * 900, b"\1" + b"\377" * 900]
        wrong += [encode_facts(1, facts_that_prove(peer.pid + 1))[8:]]
        answers = iter(wrong)

        def play(stream: socket.socket, question: bytes) -> None:
            stream.send(question[:8] + next(answers))

        async def test(monitor: Monitor) -> None:
            for _ in wrong:
                assert (await unproven(monitor, peer)).isprintable()

        with_a_played_monitor(play, test)


def test_a_monitor_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor_module, "PROOF_SECONDS", 0.01)

    def play(stream: socket.socket, question: bytes) -> None:
        stream.send(question[:7])  # too short to be the answer to anything

    async def test(monitor: Monitor) -> None:
        said = await asyncio.gather(*(unproven(monitor, peer) for _ in range(200)))
        assert set(said) == {"the monitor did not answer in time"}

    with a_peer() as (peer, _):
        with_a_played_monitor(play, test)


def test_who_gives_up_does_not_stop_the_others() -> None:
    held: asyncio.Queue[tuple[socket.socket, bytes]] = asyncio.Queue()

    async def test(monitor: Monitor) -> None:
        tasks = [asyncio.create_task(monitor.prove(peer, SSHD_EXECUTABLES)) for _ in range(2)]
        asked = [await held.get() for _ in tasks]
        tasks[0].cancel()
        for stream, question in asked:
            stream.send(encode_facts(question_number(question), facts_that_prove(peer.pid)))
        assert isinstance(await tasks[1], Proof)
        assert monitor._asked == {}

    with a_peer() as (peer, _):
        with_a_played_monitor(lambda stream, question: held.put_nowait((stream, question)), test)


def test_a_killed_monitor_fails_who_waits_and_who_comes_later(started: tuple[socket.socket, int]) -> None:
    stream, pid = started

    async def work() -> None:
        monitor = Monitor(stream)
        os.kill(pid, signal.SIGSTOP)
        waiting = [asyncio.create_task(unproven(monitor, peer)) for _ in range(100)]
        while len(monitor._asked) < monitor_module._MAX_OF_ONE:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0)
        os.kill(pid, signal.SIGKILL)
        said = [*await asyncio.gather(*waiting), await unproven(monitor, peer)]
        assert set(said) == {"the broker's monitor has ended; restart the broker"}
        monitor.close()

    with a_peer() as (peer, _):
        in_a_loop(work)


def test_a_flood_of_proofs_is_answered_to_the_last(
    started: tuple[socket.socket, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor_module, "PROOF_SECONDS", LONGEST_WAIT)
    monkeypatch.setattr(monitor_module, "TURN_SECONDS", LONGEST_WAIT)
    stream, _ = started

    async def work() -> None:
        monitor = Monitor(stream)
        said = await asyncio.gather(*(unproven(monitor, peer) for _ in range(2000)))
        assert len(set(said)) == 1
        assert str(peer.pid) in said[0]
        monitor.close()

    with a_peer() as (peer, _):
        in_a_loop(work)


# processes that end, and numbers that pass on


def test_a_peer_that_ends_while_it_is_looked_at_proves_nothing() -> None:
    with a_peer() as (peer, running):

        def play(stream: socket.socket, question: bytes) -> None:
            running.kill()
            running.wait()
            stream.send(encode_facts(question_number(question), facts_that_prove(peer.pid)))

        async def test(monitor: Monitor) -> None:
            assert await unproven(monitor, peer) == f"process {peer.pid} has ended"

        with_a_played_monitor(play, test)


def test_a_peer_that_had_ended_before_proves_nothing() -> None:
    def play(stream: socket.socket, question: bytes) -> None:
        stream.send(encode_facts(question_number(question), facts_that_prove(77)))

    async def test(monitor: Monitor) -> None:
        assert await unproven(monitor, Peer(77, 0, None)) == "process 77 has ended"

    with_a_played_monitor(play, test)


def test_who_had_no_turn_is_not_taken_for_unproven(monkeypatch: pytest.MonkeyPatch) -> None:
    """An approved connection must not be pushed again because a crowd came."""

    async def test(monitor: Monitor) -> None:
        first = [asyncio.create_task(monitor.prove(peer, SSHD_EXECUTABLES)) for _ in range(monitor_module._MAX_OF_ONE)]
        await asyncio.sleep(0)
        monkeypatch.setattr(monitor_module, "TURN_SECONDS", 0.0)
        with pytest.raises(CrowdedError):
            await monitor.prove(peer, SSHD_EXECUTABLES)
        for task in first:
            task.cancel()

    with a_peer() as (peer, _):
        with_a_played_monitor(lambda _stream, _question: None, test)


def test_answers_that_are_there_count_however_late_the_broker_gets_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a thousand doors start at once, the broker is one of a thousand that want to run."""
    monkeypatch.setattr(monitor_module, "TURN_SECONDS", 10 * LONGEST_WAIT)
    uids = range(1, monitor_module._MAX_AT_ONCE + 1)

    async def work() -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        monitor, loop = Monitor(ours), asyncio.get_running_loop()
        waiting = [asyncio.create_task(unproven(monitor, peer._replace(uid=uid))) for uid in uids]
        await asyncio.sleep(0)  # all ask
        for _ in uids:
            number = question_number(theirs.recv(1000))
            theirs.send(encode_facts(number, facts_that_prove(peer.pid)))
        before = loop.time
        monkeypatch.setattr(loop, "time", lambda: before() + LONGEST_WAIT / 2)
        for uid, said in zip(uids, await asyncio.gather(*waiting), strict=True):
            assert f"does not run as uid {uid}," in said  # which it was not told before it had the answer
        monitor.close()
        theirs.close()

    with a_peer() as (peer, _):
        in_a_loop(work)

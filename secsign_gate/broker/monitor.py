"""The privileged half of the broker, as sshd has one: a tiny process that says what else only root may see.

It answers one kind of question, what the facts are about the ancestors of a process, and it judges none of them: the
proof is made in the broker, which could read neither executable nor sockets of an sshd.

It begins as root's and keeps the uid of the broker's account with CAP_SYS_PTRACE. A uid of its own would close little.
By that capability it can have the broker's descriptors anyway, the record's among them. The broker, without it, can see
nothing of the monitor; it can stop it, and gains no more by that than by not asking: what is not proven makes a login
stricter, never looser.
"""

import asyncio
import fcntl
import itertools
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn
from weakref import WeakValueDictionary

from secsign_gate.broker.facts_message import (
    MAX_ANSWER,
    QUESTION_SIZE,
    decode_answer,
    decode_question,
    encode_facts,
    encode_no_facts,
    encode_question,
    number_of,
)
from secsign_gate.broker.known_sshds import KnownSshds
from secsign_gate.broker.peer import Peer
from secsign_gate.broker.processes import facts_about
from secsign_gate.broker.tcp_sockets import can_ask
from secsign_gate.core.ancestry import CrowdedError, Facts, UnprovenError
from secsign_gate.core.proof import Proof, is_connected, known_by, prove, prove_for_pam
from secsign_gate.errors import GateError

PROOF_SECONDS = 2.0  # for an answer to a question that was sent
TURN_SECONDS = 4.0  # until then, with the answer; doors give up after six
NAME = "secsign-monitor"  # in `ps -o comm`, which has 15 characters
_START_SECONDS = 10.0
_MAX_AT_ONCE = 64  # questions under way; some 250 would fill the socket's buffer
_MAX_OF_ONE = 2  # of one uid: who knocks without end is in nobody's way but their own
_READY = b"ready"


def start_monitor(uid: int, gid: int) -> socket.socket:
    """Start the monitor as `uid` and `gid`; return the broker's end of the socket pair, whose close ends it.

    Call it as root, before there is a thread, an event loop or a secret: the monitor is a fork of this process. Raises
    GateError.
    """
    stream, _ = _start(uid, gid)
    return stream


def _start(uid: int, gid: int) -> tuple[socket.socket, int]:
    """Return the broker's end, and the monitor's pid."""
    broker = os.getpid()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        try:
            os.setsid()  # no terminal's signals, and after the second fork no terminal
            if os.fork() == 0:  # init buries the monitor; the broker has no children to look after
                _run(theirs, broker, uid, gid)
        finally:
            os._exit(0)
    theirs.close()
    with suppress(ChildProcessError):  # where SIGCHLD is ignored
        os.waitpid(child, 0)
    try:
        ours.settimeout(_START_SECONDS)
        word, _, rest = ours.recv(MAX_ANSWER).partition(b" ")
        if word == _READY:
            return ours, int(rest)
        why = (word + b" " + rest).decode("ascii", "replace").strip()
    except OSError as error:
        why = str(error)
    ours.close()
    raise GateError(
        f"the broker's monitor did not start ({why or 'it ended'}); start the broker as root, with CAP_SYS_PTRACE"
    )


def _run(stream: socket.socket, broker: int, uid: int, gid: int) -> NoReturn:
    """Be the monitor of process `broker` until the broker's end is closed."""
    try:
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):  # it ends with the broker
            signal.signal(number, signal.SIG_IGN)
        signal.set_wakeup_fd(-1)
        stream = _the_only_descriptor(stream)
        stream.setblocking(True)
        try:
            # Here, for the broker needs none of it.
            from secsign_gate.broker.least_privilege import (  # noqa: PLC0415
                CAP_DAC_READ_SEARCH,
                CAP_SYS_PTRACE,
                keep_only,
            )

            os.chdir("/")
            for_listing = frozenset() if can_ask(broker) else frozenset({CAP_DAC_READ_SEARCH})
            keep_only(for_listing | {CAP_SYS_PTRACE}, uid, gid, NAME)
        except OSError as error:
            stream.send(str(error.strerror).encode("ascii", "replace"))
        else:
            stream.send(_READY + b" %d" % os.getpid())
            while message := stream.recv(QUESTION_SIZE + 1):
                _answer(stream, message)
    finally:
        os._exit(0)


def _the_only_descriptor(stream: socket.socket) -> socket.socket:
    """Return `stream`, with /dev/null as 0 to 2 and nothing else open."""
    kept = fcntl.fcntl(stream.detach(), fcntl.F_DUPFD_CLOEXEC, 3)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)
    os.closerange(3, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))
    return socket.socket(fileno=kept)


def _answer(stream: socket.socket, message: bytes) -> None:
    """Answer a question; what is none gets no answer."""
    question = decode_question(message)
    if question is None:
        return
    number, pid = question
    try:
        answer = encode_facts(number, facts_about(pid))
    except UnprovenError as error:
        answer = encode_no_facts(number, str(error))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is no fact, and the next question has its answer
        answer = encode_no_facts(number, f"the monitor failed ({type(error).__name__}); report this")
    stream.send(answer)


class Monitor:
    """The broker's side of the monitor at the other end of `stream`. Made and used in one event loop."""

    def __init__(self, stream: socket.socket, when_ended: Callable[[], None] | None = None) -> None:
        """`when_ended` is called, once, if the monitor ends before it is closed."""
        stream.setblocking(False)
        self._stream = stream
        self._when_ended = when_ended
        self._loop = asyncio.get_running_loop()
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[bytes]] = {}
        self._known = KnownSshds()
        self._of_one: WeakValueDictionary[int, asyncio.Semaphore] = WeakValueDictionary()
        self._at_once = asyncio.Semaphore(_MAX_AT_ONCE)
        self._ended = False
        self._loop.add_reader(stream, self._receive)

    def proof_for(self, peer: Peer, executables: tuple[str, ...]) -> Proof | None:
        """Return which SSH connection `peer` belongs to, if another door of it was proven before; else None."""
        return self._known.proof_for(peer, executables)

    async def prove(self, peer: Peer, executables: tuple[str, ...]) -> Proof:
        """Return which SSH connection `peer` belongs to; `executables` are the files that sshd may run from.

        Raises UnprovenError if it belongs to none, if it has ended, or if there is no answer in time; CrowdedError if
        so many are asked for that the question had no turn.
        """
        of_this_uid = self._of_one.setdefault(peer.uid, asyncio.Semaphore(_MAX_OF_ONE))
        try:
            # A crowd that comes at once waits for its turn, but no longer than its doors do for a word.
            async with asyncio.timeout(TURN_SECONDS), of_this_uid, self._at_once:
                # Another door of the connection may have been proven meanwhile.
                return self._known.proof_for(peer, executables) or await self._proven_anew(peer, executables)
        except TimeoutError:
            raise CrowdedError from None

    async def _proven_anew(self, peer: Peer, executables: tuple[str, ...]) -> Proof:
        """Return what the facts about the peer's ancestors prove, and remember it. Raises UnprovenError."""
        facts = await self._facts_about(peer)
        proof = prove(peer.uid, facts.chain, facts.sockets, executables)
        by_what = known_by(facts.chain, executables, proof)
        if by_what is not None:
            self._known.add(by_what)
        return proof

    async def prove_for_pam(self, peer: Peer, executables: tuple[str, ...]) -> Proof:
        """Return for which SSH connection sshd's PAM has started `peer`, which root must own. Raises UnprovenError."""
        return prove_for_pam(await self._facts_about(peer), executables)

    async def is_connected(self, peer: Peer, proof: Proof) -> bool:
        """Tell whether the client of `proof`, which is of `peer`, is still there. True if that cannot be known now."""
        try:
            return is_connected(proof, await self._facts_about(peer))
        except UnprovenError:
            return True

    @property
    def is_running(self) -> bool:
        """Whether anything can be proven: the monitor has not ended, as far as this end knows."""
        return not self._ended

    def close(self) -> None:
        """End the monitor. Every proof fails from now on."""
        if not self._ended:
            self._ended = True
            self._loop.remove_reader(self._stream)
            self._stream.close()
        for answer in self._asked.values():
            if not answer.done():
                answer.set_result(b"")

    async def _facts_about(self, peer: Peer) -> Facts:
        """Return what the monitor knows of the peer and its ancestors. Raises UnprovenError."""
        facts = decode_answer(await self._ask(peer.pid))
        if not peer.is_there():  # else what was read under its number may be another's
            raise UnprovenError(f"process {peer.pid} has ended")
        if facts.chain and facts.chain[0].pid != peer.pid:
            raise UnprovenError("the monitor's answer is about another process; report this")
        return facts

    async def _ask(self, pid: int) -> bytes:
        """Return the monitor's answer. Raises UnprovenError if there is none in time, or no monitor that takes it."""
        if self._ended:
            raise _ended()
        number = next(self._numbers)
        answer: asyncio.Future[bytes] = self._loop.create_future()
        self._asked[number] = answer
        try:
            self._stream.send(encode_question(number, pid))
            # Not `timeout`, by which an answer is lost that is there when a broker which could not run runs again.
            await asyncio.wait({answer}, timeout=PROOF_SECONDS)
        except BlockingIOError:
            raise UnprovenError("the monitor takes no more questions") from None
        except OSError:
            raise _ended() from None
        finally:
            del self._asked[number]
        if not answer.done():
            raise UnprovenError("the monitor did not answer in time")
        if not answer.result():
            raise _ended()
        return answer.result()

    def _receive(self) -> None:
        """Give the answers that are there to whoever asked. One that comes too late is nobody's.

        All at once: in a crowd, a turn of the event loop takes so long that most would be too late, one in each.
        """
        for _ in range(_MAX_AT_ONCE):
            try:
                answer = self._stream.recv(MAX_ANSWER + 1)
            except BlockingIOError:
                return
            except OSError:
                answer = b""
            if not answer:
                self.close()
                if self._when_ended is not None:
                    self._when_ended()
                return
            asked = self._asked.get(number_of(answer) or 0)
            if asked is not None and not asked.done():
                asked.set_result(answer)


def _ended() -> UnprovenError:
    return UnprovenError("the broker's monitor has ended; restart the broker")

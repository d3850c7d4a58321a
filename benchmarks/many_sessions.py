"""Many sessions at once, held by one asyncio client: a thousand ssh processes would be what is measured."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import asyncssh
from gated_host import ADDRESS, GatedHost
from running_simulator import RunningSimulator

from secsign_gate.core.verdict import CONFIGURATION_ERROR, COULD_NOT_ASK, REFUSED

PATIENCE = 120.0
AT_ONCE = 20  # handshakes under way together, so that none runs into sshd's LoginGraceTime
SPOKEN = b"secsign-gate: "  # on standard error, where there is no terminal
ASKED = b" on the phone of SecSign ID "  # in the sentences for who waits, and in no refusal
DRAWN = b"\xe2\x96"  # the beginning of a block character, of which pictures are made
Session = asyncssh.SSHClientProcess[bytes]


class Ending(NamedTuple):
    """How a session ended: when, in seconds of the monotonic clock, and what had come since it was told to wait."""

    at: float
    written: bytes
    said: bytes
    exit_status: int | None

    @property
    def refused(self) -> bool:
        """Whether the gate said why not, and ended as it does then; who is cut off has not been refused."""
        last = self.said.splitlines()[-1:]
        spoken = any(line.startswith(SPOKEN) and ASKED not in line for line in last)
        return spoken and not self.written and self.exit_status in {REFUSED, COULD_NOT_ASK, CONFIGURATION_ERROR}

    @property
    def began(self) -> bool:
        """Whether there was a shell, be it for a moment."""
        return bool(self.written) or self.exit_status == 0


class Told(NamedTuple):
    """Who was told to wait, and what the others were told, who were refused instead."""

    waiting: list[Session]
    refused: list[Ending]


@asynccontextmanager
async def connections(host: GatedHost, accounts: Sequence[str]) -> AsyncIterator[list[asyncssh.SSHClientConnection]]:
    """Yield an SSH connection for each account, without a session yet; all are dropped at the end."""
    turn = asyncio.Semaphore(AT_ONCE)
    key = asyncssh.read_private_key(host.key)

    async def connect(account: str) -> asyncssh.SSHClientConnection:
        async with turn:
            return await asyncssh.connect(
                ADDRESS, host.sshd.port, username=account, client_keys=[key], known_hosts=None, config=None
            )

    opened = await asyncio.gather(*map(connect, accounts))
    try:
        yield list(opened)
    finally:
        for connection in opened:
            connection.abort()
        await asyncio.gather(*(connection.wait_closed() for connection in opened))


async def waiting_sessions(
    opened: Sequence[asyncssh.SSHClientConnection],
    channels: int,
    line: str,
    *,
    terminal: bool = False,
    at_once: int = AT_ONCE,
) -> list[Session]:
    """Ask each connection for so many sessions that run `line`; return them once all have been told to wait.

    They are told by a sentence, or by a picture where there is a `terminal`. `at_once` of them come together. Raises
    RuntimeError with what a session said that ended instead.
    """
    told = await told_sessions(opened, channels, line, terminal=terminal, at_once=at_once)
    for ending in told.refused:
        raise _not_waiting(ending)
    return told.waiting


async def told_sessions(
    opened: Sequence[asyncssh.SSHClientConnection],
    channels: int,
    line: str,
    *,
    terminal: bool = False,
    at_once: int = AT_ONCE,
) -> Told:
    """Do as `waiting_sessions`, and tell apart who is refused at once. Raises RuntimeError if one ends otherwise."""
    turn = asyncio.Semaphore(at_once)

    async def session(connection: asyncssh.SSHClientConnection) -> Session | Ending:
        async with turn:
            process: Session = await connection.create_process(
                line,
                encoding=None,
                env={"LANG": "C.UTF-8"},
                term_type="xterm-256color" if terminal else None,
                term_size=(80, 24) if terminal else None,
            )
            stream, sign = (process.stdout, DRAWN) if terminal else (process.stderr, ASKED)
            seen = b""
            while sign not in seen:
                piece = await stream.read(4096)
                seen += piece
                if not piece:
                    ending = await _ending(process)
                    ending = ending._replace(said=seen + ending.said)
                    if not ending.refused:
                        raise _not_waiting(ending)
                    return ending
            return process

    async with asyncio.timeout(PATIENCE):
        told = await asyncio.gather(*(session(connection) for connection in opened for _ in range(channels)))
    refused = [one for one in told if isinstance(one, Ending)]
    return Told([one for one in told if not isinstance(one, Ending)], refused)


async def endings_within(seconds: float, sessions: Sequence[Session]) -> list[Ending | None]:
    """Return how each session ended; None where it has not within so many seconds."""
    tasks = [asyncio.create_task(_ending(session)) for session in sessions]
    done, late = await asyncio.wait(tasks, timeout=seconds)
    for task in late:
        task.cancel()
    return [task.result() if task in done else None for task in tasks]


async def outputs_within(seconds: float, sessions: Sequence[Session]) -> list[bytes]:
    """Return what each session wrote to standard output until its end; empty where it was refused, or still waits."""
    endings = await endings_within(seconds, sessions)
    return [ending.written if ending and ending.exit_status == 0 else b"" for ending in endings]


async def _ending(session: Session) -> Ending:
    written, said = await asyncio.gather(session.stdout.read(), session.stderr.read())
    await session.wait_closed()
    return Ending(time.monotonic(), written, said, session.exit_status)


def _not_waiting(ending: Ending) -> RuntimeError:
    said = ending.said[-300:].decode(errors="replace").strip()
    return RuntimeError(f"a session ended that was to wait, with exit status {ending.exit_status}: {said}")


async def first_push(host: GatedHost, simulator: RunningSimulator, account: str) -> None:
    """Let the broker load what it needs for its first push, so that this is not taken for what a login needs."""
    async with connections(host, [account]) as opened:
        sessions = await waiting_sessions(opened, 1, "true")
        await asyncio.to_thread(simulator.accept, account)
        await outputs_within(PATIENCE, sessions)

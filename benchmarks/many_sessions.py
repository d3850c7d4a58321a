"""Many sessions at once, held by one asyncio client: a thousand ssh processes would be what is measured."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncssh
from gated_host import ADDRESS, GatedHost
from running_simulator import RunningSimulator

PATIENCE = 120.0
AT_ONCE = 20  # handshakes under way together, so that none runs into sshd's LoginGraceTime
SPOKEN = b"secsign-gate: "  # on standard error, where there is no terminal
DRAWN = b"\xe2\x96"  # the beginning of a block character, of which pictures are made
Session = asyncssh.SSHClientProcess[bytes]


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
    turn = asyncio.Semaphore(at_once)

    async def session(connection: asyncssh.SSHClientConnection) -> Session:
        async with turn:
            process: Session = await connection.create_process(
                line,
                encoding=None,
                env={"LANG": "C.UTF-8"},
                term_type="xterm-256color" if terminal else None,
                term_size=(80, 24) if terminal else None,
            )
            stream, sign = (process.stdout, DRAWN) if terminal else (process.stderr, SPOKEN)
            seen = b""
            while sign not in seen:
                piece = await stream.read(4096)
                seen += piece
                if not piece:
                    raise RuntimeError(f"a session ended that was to wait: {seen[-300:].decode(errors='replace')}")
            return process

    async with asyncio.timeout(PATIENCE):
        return list(await asyncio.gather(*(session(connection) for connection in opened for _ in range(channels))))


async def outputs_within(seconds: float, sessions: Sequence[Session]) -> list[bytes]:
    """Return what each session wrote to standard output until its end; empty where it was refused, or still waits."""

    async def output(session: Session) -> bytes:
        written = await session.stdout.read()
        await session.wait_closed()
        return written if session.exit_status == 0 else b""

    tasks = [asyncio.create_task(output(session)) for session in sessions]
    done, late = await asyncio.wait(tasks, timeout=seconds)
    for task in late:
        task.cancel()
    return [task.result() if task in done else b"" for task in tasks]


async def first_push(host: GatedHost, simulator: RunningSimulator, account: str) -> None:
    """Let the broker load what it needs for its first push, so that this is not taken for what a login needs."""
    async with connections(host, [account]) as opened:
        sessions = await waiting_sessions(opened, 1, "true")
        await asyncio.to_thread(simulator.accept, account)
        await outputs_within(PATIENCE, sessions)

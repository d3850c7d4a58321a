"""asyncssh: streams, files and terminals of one connection."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncssh
import pytest
from both_ways import ENDED, LONGEST_WAIT, TYPED, after_the_line, in_short

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from asyncssh import SSHClientConnection
    from both_ways import BothWays, Side
    from gate import Gate


def connected(
    script: Callable[[Side, SSHClientConnection], Coroutine[Any, Any, list[Any]]],
) -> Callable[[Side], list[Any]]:
    """Return `script` as a function that runs it to its end over a connection to the side that it gets."""

    async def over_a_connection(side: Side) -> list[Any]:
        async with asyncio.timeout(LONGEST_WAIT), asyncssh.connect(
            side.host, side.port, username=side.account, client_keys=[str(side.key)],
            known_hosts=str(side.known_hosts), config=None,
        ) as connection:  # fmt: skip
            return await script(side, connection)

    return lambda side: asyncio.run(over_a_connection(side))


async def processes(side: Side, connection: SSHClientConnection) -> list[Any]:
    async def run(command: str, data: bytes = b"") -> tuple[Any, ...]:
        done = await connection.run(command, input=data, encoding=None)
        assert isinstance(done.stdout, bytes)
        assert isinstance(done.stderr, bytes)
        return in_short(done.stdout), in_short(done.stderr), done.exit_status, done.exit_signal

    return [
        await run("cat > put.bin; echo noise >&2; exit 3", side.data),
        await run("cat remote.bin; kill -TERM $$"),
    ]


def test_processes(both: BothWays) -> None:
    seen = both.same(connected(processes), pushes=2)
    assert seen[1][3] == ("TERM", False, "", "")


async def files(side: Side, connection: SSHClientConnection) -> list[Any]:
    async with connection.start_sftp_client() as sftp:
        await sftp.put(str(side.folder / "data.bin"), "put.bin")
        await sftp.get("folder", str(side.folder / "got"), recurse=True)
        await sftp.rename("put.bin", "renamed.bin")
        names = sorted(await sftp.listdir())
    await asyncssh.scp(str(side.folder / "tree"), (connection, "scp"), recurse=True)
    await asyncssh.scp((connection, "remote.bin"), str(side.folder / "scp.bin"))
    return names


def test_files(both: BothWays) -> None:
    both.same(connected(files), pushes=3)


async def refused(side: Side, connection: SSHClientConnection) -> list[Any]:
    done = await connection.run("cat remote.bin; touch proof")
    assert (done.stdout, done.exit_status) == ("", 77)
    with pytest.raises(asyncssh.SFTPConnectionLost):
        await connection.start_sftp_client()
    with pytest.raises(asyncssh.SFTPConnectionLost):
        await asyncssh.scp(str(side.folder / "tree"), (connection, "scp"), recurse=True)
    await asyncssh.scp((connection, "remote.bin"), str(side.folder / "scp.bin"))  # it takes the end for an empty copy
    return []


def test_when_denied(both: BothWays) -> None:
    both.denied(connected(refused))


async def terminal(side: Side, connection: SSHClientConnection) -> list[Any]:
    del side
    process = await connection.create_process(
        term_type="vt100", term_size=(100, 30), term_modes={asyncssh.PTY_VERASE: 8, asyncssh.PTY_ONLCR: 1},
        env={"LC_PAPER": "a4"}, encoding=None,
    )  # fmt: skip
    process.change_terminal_size(90, 25)
    process.stdin.write(TYPED)
    output = await process.stdout.readuntil(ENDED)
    process.change_terminal_size(70, 20)
    process.stdin.write(b"\n")
    output += await process.stdout.read()
    done = await process.wait()
    return [after_the_line(output), done.exit_status, done.exit_signal]


def test_terminal(both: BothWays) -> None:
    output, status, _ = both.same(connected(terminal), pushes=1)
    assert b"erase = ^H;" in output
    assert b"25 90\r\n" in output
    assert b"20 70\r\n" in output
    assert status == 5


async def signalled(side: Side, connection: SSHClientConnection) -> list[Any]:
    del side
    process = await connection.create_process("trap 'echo caught' TERM; echo ready; read line; echo $line")
    await process.stdout.readuntil("ready\n")
    process.send_signal("TERM")
    process.stdin.write("the end\n")
    done = await process.wait()
    return [done.stdout, done.exit_status]


def test_signals_are_what_sshd_keeps_from_a_forced_command(both: BothWays, gate: Gate) -> None:
    assert both.seen("ungated", connected(signalled), pushes=0)[0] == ["caught\nthe end\n", 0]
    assert both.seen("gated", connected(signalled), pushes=1)[0] == ["the end\n", 0]
    gate.sshd.wait_for_log("refusing to send signal TERM to forced-command session")

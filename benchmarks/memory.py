"""What waiting takes in memory: 200 doors at once, as many bare interpreters, and the broker with and without them."""

import asyncio
import os
import signal
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from gated_host import DOOR_PROGRAM, PYTHON, memory_of, people, processes_running
from many_sessions import ASKED, PATIENCE, connections, first_push, waiting_sessions
from report import Aim, Section, Table, median, say
from stand import Stand, fresh_folder, gated_stand
from stub_socket import saying_nothing

ROUNDS = 3
CONNECTIONS, CHANNELS = 8, 25
NUMBER = CONNECTIONS * CHANNELS
SILENT = Path("/run/benchmark/silent.sock")
BARE = f"""import _socket, posix
stream = _socket.socket(_socket.AF_UNIX)
stream.connect("{SILENT}")
posix.write(2, b"secsign-gate: it waits {ASKED.decode()} nobody")
stream.recv(1)
"""
HOW = f"""{NUMBER} sessions at once, {CHANNELS} on each of {CONNECTIONS} SSH connections, and the memory of their
processes: Pss of `/proc/PID/smaps_rollup`, what is a process's own and its part of what it shares; medians over
processes and rounds. `bare` is a ForceCommand of `python3 -I -S` that imports two built-in modules and blocks on a unix
socket. The doors wait for a phone; those with a terminal have drawn the picture to pick. The broker is counted with the
process that holds its privileges; its growth is that of private memory, since what it shares with the doors'
interpreters counts less and less the more there are."""


def measure(rounds: int) -> Section:
    """Return the memory of doors, of bare interpreters, and of the broker."""
    accounts = people(2 * CONNECTIONS + 1)
    gated, bare = accounts[CONNECTIONS:], accounts[:CONNECTIONS]
    sizes: dict[str, list[float]] = {"bare": [], "door": [], "door with a terminal": []}
    growth: list[float] = []
    with ExitStack() as stack:
        program = stack.enter_context(fresh_folder()) / "bare.py"
        program.write_text(BARE)
        stack.enter_context(saying_nothing(SILENT))
        forced = {",".join(bare): f"exec {PYTHON} -I -S {program}"}
        stand = stack.enter_context(gated_stand(gated, (), forced))
        started = stand.broker.memory()
        asyncio.run(first_push(stand.host, stand.simulator, gated[-1]))
        rested = stand.broker.memory()
        for _ in range(rounds):
            for name, who, what in (
                ("bare", bare, str(program)),
                ("door", gated[:CONNECTIONS], DOOR_PROGRAM),
                ("door with a terminal", gated[:CONNECTIONS], DOOR_PROGRAM),
            ):
                say(f"  {name}")
                found, broker = asyncio.run(waiting(stand, who, what, terminal=name.endswith("terminal")))
                sizes[name] += found
                if name == "door" and not growth:  # later rounds find memory that an earlier one has left behind
                    growth.append((broker - rested.private) / NUMBER)
                end_all(what)
    middle = {name: median(found) for name, found in sizes.items()}
    rows = [(name, f"{size / 1024:.2f}", f"{size / middle['bare']:.2f}") for name, size in middle.items()]
    aims = (
        Aim("a waiting door / bare", middle["door"] / middle["bare"], 1.25),
        Aim("a waiting door with terminal and picture / bare", middle["door with a terminal"] / middle["bare"], 2),
        Aim("the broker after its start", started.pss / 1024, 40, " MiB"),
        Aim("the broker after its first push", rested.pss / 1024, 40, " MiB"),
        Aim("growth of the broker for each waiting login", growth[0], 32, " KiB"),
    )
    table = Table((f"waiting, {NUMBER} at once", "MiB each", "/ bare"), rows)
    return Section("Memory of those who wait", HOW, (table,), aims, f"{rounds} rounds of {NUMBER} processes each")


async def waiting(stand: Stand, accounts: list[str], program: str, *, terminal: bool) -> tuple[list[float], float]:
    """Let all wait; return the size of each process that runs `program`, and the broker's private memory, in KiB."""
    async with connections(stand.host, accounts) as opened:
        await waiting_sessions(opened, CHANNELS, "true", terminal=terminal)
        pids = processes_running(program)
        if len(pids) != NUMBER:
            raise RuntimeError(f"{len(pids)} processes wait, instead of {NUMBER}")
        return [memory_of(pid).pss for pid in pids], stand.broker.memory().private


def end_all(program: str) -> None:
    """Wait until nobody runs `program`. A door leaves with its client; a bare interpreter has to be told."""
    for pid in processes_running(program):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    given_up = time.monotonic() + PATIENCE
    while processes_running(program):
        if time.monotonic() > given_up:
            raise RuntimeError(f"{program} still runs")
        time.sleep(0.1)

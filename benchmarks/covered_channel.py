"""A further channel of an SSH connection that has its approval: what the gate adds to `ssh -S … host true`."""

import time
from contextlib import ExitStack
from pathlib import Path

import login_duo
from gated_host import ADDRESS, DOOR, PYTHON, output_of, people
from report import Aim, Section, Table, median
from stand import fresh_folder, gated_stand
from stub_socket import saying_yes

ROUNDS = 60
WARM_UP = 2
YES = Path("/run/benchmark/yes.sock")
BARE = """import posix
shell = posix.environ[b"SHELL"]
posix.execve(shell, [shell, "-c", posix.environ[b"SSH_ORIGINAL_COMMAND"]], posix.environ)
"""
HOW = """Time of `ssh -S control host true` over a connection that stands, and what is added to the same without a
forced command, as medians of the differences within a round. `sh` is a ForceCommand of `exec /bin/sh -c 'exec true'`,
`bare` one of `python3 -I -S` that does nothing but exec. `door` is ours with a socket that says yes at once, so the
door alone; `covered` is ours with the broker daemon, which holds a grant for the connection, proves that this channel
is one of its, and puts the verdict on record. `login_duo`, if its program was given (LOGIN_DUO=PATH), asks for a push
that is accepted at once, as it does for every channel."""


def measure(rounds: int) -> Section:
    """Return what each variant takes."""
    names = ["none", "sh", "bare", "door", "covered"]
    if login_duo.is_given():
        names.append("login_duo")
    accounts = dict(zip(names, people(len(names)), strict=True))
    with ExitStack() as stack:
        folder = stack.enter_context(fresh_folder())
        bare = folder / "bare.py"
        bare.write_text(BARE)
        stack.enter_context(saying_yes(YES))
        forced = {
            accounts["sh"]: "exec /bin/sh -c 'exec true'",
            accounts["bare"]: f"exec {PYTHON} -I -S {bare}",
            accounts["door"]: f"{DOOR} --broker {YES}",
        }
        if "login_duo" in accounts:
            port = stack.enter_context(login_duo.duo_server(folder / "duo", ADDRESS))
            forced[accounts["login_duo"]] = login_duo.forced_command(
                folder / "duo", accounts["login_duo"], ADDRESS, port
            )
        stand = stack.enter_context(gated_stand([accounts["covered"]], ("--auto-accept", "0"), forced))
        commands = stack.enter_context(stand.host.all_connected(accounts))
        times = times_of(commands, rounds)
        pushes = len(stand.simulator.log("create"))
    if pushes != 1:
        raise RuntimeError(f"{pushes} pushes for one SSH connection: no grant covered these channels")
    added = {
        name: median([mine - none for mine, none in zip(taken, times["none"], strict=True)])
        for name, taken in times.items()
        if name != "none"
    }
    rows = [("none", f"{median(times['none']):.1f}", "", "")]
    rows += [
        (name, f"{median(times[name]):.1f}", f"{extra:.1f}", f"{extra / added['bare']:.2f}")
        for name, extra in added.items()
    ]
    table = Table(("variant", "ms", "added", "added / added by bare"), rows)
    aims = (Aim("time added to a covered channel / by bare", added["covered"] / added["bare"], 1.25),)
    return Section("A channel that a grant covers", HOW, (table,), aims, f"{rounds} rounds, medians")


def times_of(commands: dict[str, list[str]], rounds: int) -> dict[str, list[float]]:
    """Return the milliseconds of `ssh … true` for each command, in turn, round after round.

    The first rounds, in which files are read for the first time and people are asked, are not counted.
    """
    times: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(-WARM_UP, rounds):
        for name, command in commands.items():
            begun = time.perf_counter()
            output_of(command, "true")
            if turn >= 0:
                times[name].append((time.perf_counter() - begun) * 1000)
    return times

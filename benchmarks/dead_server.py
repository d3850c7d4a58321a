"""An ID server that is not there, or does not speak: how soon people are told, and how soon it counts again."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from broker_daemon import DOOR_OF_DAEMON, BrokerDaemon
from gated_host import ADDRESS, GatedHost, output_of, people
from orders import write_orders
from report import Aim, Section, Table, median
from running_simulator import RunningSimulator
from stand import fresh_folder

ROUNDS = 10
NEXT_ONES = 5
AT_ONCE_MS = 200
DEADLINE_MS = 15_000  # total_seconds of [id_server], at its default
PATIENCE = 60.0  # seconds within which a server that is there again is to be found
HOW = f"""Time of the whole `ssh -S control host true` until it ends with the gate's sentence, less the same without a
gate. `refused` is an address where nobody listens; `silent` one that takes connections and never says a word. `first`
is the first login after the broker's start, `next` the {NEXT_ONES} after it, of other people. Then an ID server starts
at the address that refused, and people log in again and again: `back` is how long it takes until somebody gets in."""


def measure(rounds: int) -> Section:
    """Return the times of refusals."""
    times: dict[str, list[float]] = {
        f"{server}, {which}": [] for server in ("refused", "silent") for which in ("first", "next")
    }
    ungated, *gated = people(NEXT_ONES + 2)
    back = []
    with ExitStack() as stack:
        folder = stack.enter_context(fresh_folder())
        with RunningSimulator(folder / "simulator") as simulator:
            ca_file = simulator.ca_file  # stays when the simulator ends, and signs the one to come
        host = stack.enter_context(GatedHost(folder / "host", {",".join(gated): DOOR_OF_DAEMON}))
        commands = stack.enter_context(host.all_connected({account: account for account in (ungated, *gated)}))
        for turn in range(rounds):
            for server in ("refused", "silent") if turn < max(1, rounds // 5) else ("refused",):
                with port_of(server) as port:
                    ids = {account: account for account in gated}
                    orders = write_orders(folder / "gate", (f"https://{ADDRESS}:{port}", ca_file), ids)
                    with BrokerDaemon(orders):
                        for which, account in zip(("first", *["next"] * NEXT_ONES), gated, strict=False):
                            plain = milliseconds(commands[ungated], refused=False)
                            times[f"{server}, {which}"].append(milliseconds(commands[account], refused=True) - plain)
                        if server == "refused" and turn < max(1, rounds // 5):
                            back.append(seconds_until_back(folder, port, commands[gated[-1]]))
    rows = [(name, str(len(taken)), f"{median(taken):.0f}", f"{max(taken):.0f}") for name, taken in times.items()]
    rows.append(("back, s", str(len(back)), f"{median(back):.1f}", f"{max(back):.1f}"))
    aims = (
        Aim("refused, first, median", median(times["refused, first"]), AT_ONCE_MS, " ms"),
        Aim("refused, next, median", median(times["refused, next"]), AT_ONCE_MS, " ms"),
        Aim("silent, first, longest", max(times["silent, first"]), DEADLINE_MS, " ms"),
        Aim("silent, next, median", median(times["silent, next"]), AT_ONCE_MS, " ms"),
    )
    head = ("ID server", "logins", "median ms", "longest ms")
    return Section("An ID server that is dead", HOW, (Table(head, rows),), aims, f"{rounds} rounds")


@contextmanager
def port_of(server: str) -> Iterator[int]:
    """Yield a port where connections are refused, or taken and left in silence."""
    with socket.create_server((ADDRESS, 0)) as listener:
        port: int = listener.getsockname()[1]
        if server == "refused":
            listener.close()
        yield port


def milliseconds(command: list[str], *, refused: bool) -> float:
    """Return how long `ssh … true` takes, and see that it ended as it should."""
    begun = time.perf_counter()
    run = subprocess.run([*command, "true"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    taken = (time.perf_counter() - begun) * 1000
    if (run.returncode != 0) is not refused or (refused and "secsign-gate: " not in run.stderr):
        raise RuntimeError(f"ssh ended with {run.returncode}: {run.stderr.strip()}")
    return taken


def seconds_until_back(folder: Path, port: int, command: list[str]) -> float:
    """Start an ID server at `port` and log in until somebody gets in; return how long that took from its start."""
    with RunningSimulator(folder / "simulator", "--port", str(port), "--auto-accept", "0"):
        begun = time.monotonic()
        while time.monotonic() < begun + PATIENCE:
            try:
                output_of(command, "true")
            except RuntimeError:
                time.sleep(0.2)
            else:
                return time.monotonic() - begun
    raise RuntimeError(f"nobody got in within {PATIENCE:.0f} s after the ID server had come back")

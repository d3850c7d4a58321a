"""64 MiB through stdin and stdout of a session, with the gate and without, in turn."""

import subprocess
import time

from gated_host import people
from report import Aim, Section, Table
from stand import gated_stand

ROUNDS = 10
MEBIBYTE = 1 << 20
SIZE = 64
CASES = {"stdin": "printf r; cat >/dev/null", "stdout": f"printf r; head -c {SIZE * MEBIBYTE} /dev/zero"}
NOISE = 1.10  # what two runs without a gate may differ by
HOW = f"""{SIZE} MiB through a login that the gate let in, timed from when the process at the far end says that it is
there. That process is the one that sshd would have started, on the same descriptors; a ratio beyond noise would be a
gate that stayed in the way. Of each variant the quickest round counts, since others on the machine can only slow one
down; `again` is a second connection without a gate, and shows what the noise is."""


def seconds(command: list[str], direction: str) -> float:
    """Return how long SIZE MiB take in `direction`, from when the process at the far end says that it is there."""
    data = bytes(SIZE * MEBIBYTE) if direction == "stdin" else b""
    with subprocess.Popen(
        [*command, CASES[direction]],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as run:
        if run.stdout is None or run.stdout.read(1) != b"r":
            raise RuntimeError("the far end did not start")
        begun = time.perf_counter()
        received, _ = run.communicate(data)
        taken = time.perf_counter() - begun
    if run.returncode or len(received) != (SIZE * MEBIBYTE if direction == "stdout" else 0):
        raise RuntimeError("bytes were lost")
    return taken


def measure(rounds: int) -> Section:
    """Return the rates and their ratios."""
    without, again, gated = people(3)
    times: dict[tuple[str, str], list[float]] = {}
    with (
        gated_stand([gated], ("--auto-accept", "0")) as stand,
        stand.host.all_connected({"without": without, "again": again, "gated": gated}) as commands,
    ):
        for _ in range(rounds):
            for direction in CASES:
                for name, command in commands.items():
                    times.setdefault((direction, name), []).append(seconds(command, direction))
    best = {case: min(taken) for case, taken in times.items()}
    rows, aims = [], []
    for direction in CASES:
        plain = best[direction, "without"]
        rates = (f"{SIZE / best[direction, name]:.0f}" for name in ("without", "gated"))
        ratios = {name: best[direction, name] / plain for name in ("again", "gated")}
        rows.append((direction, *rates, *(f"{ratio:.2f}" for ratio in ratios.values())))
        aims.append(Aim(f"time with the gate / without, {direction}", ratios["gated"], NOISE))
    head = (
        "direction",
        "MiB/s without",
        "MiB/s with the gate",
        "time of again / without",
        "time with the gate / without",
    )
    return Section("The session after it", HOW, (Table(head, rows),), tuple(aims), f"{rounds} rounds, the quickest")

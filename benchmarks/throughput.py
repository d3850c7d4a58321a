"""64 MiB through stdin and stdout, with the gate and without, in turn: `make benchmark`.

The gated login is let in by its rules (an exempt account), so that what is timed after it is the stream. The process
at the end is the user's own shell in both cases; a difference beyond noise would be a gate that stayed in the way.
"""

import argparse
import statistics
import subprocess
import time

from door import connected

MEBIBYTE = 1 << 20
SIZE = 64
CASES = {"stdin": "printf r; cat >/dev/null", "stdout": f"printf r; head -c {SIZE * MEBIBYTE} /dev/zero"}


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


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    times: dict[tuple[str, str], list[float]] = {}
    with connected() as commands:
        for _ in range(rounds):
            for direction in CASES:
                for variant in ("none", "embedded"):
                    times.setdefault((direction, variant), []).append(seconds(commands[variant], direction))
    print(f"{SIZE} MiB, {rounds} rounds, medians\n")
    print("| direction | without | with the gate | ratio, round by round |")
    print("|---|---:|---:|---:|")
    for direction in CASES:
        without, gated = times[direction, "none"], times[direction, "embedded"]
        ratio = statistics.median(mine / plain for mine, plain in zip(gated, without, strict=True))
        print(
            f"| {direction} | {SIZE / statistics.median(without):.0f} MiB/s "
            f"| {SIZE / statistics.median(gated):.0f} MiB/s | {ratio:.2f} |"
        )


if __name__ == "__main__":
    main()

"""What the fuzz programs here share: mutate, run, keep what got a new outcome, until a limit is reached.

Not here: how input is mutated and which laws hold for it; each program says that itself.
"""

import argparse
import random
import signal
import sys
import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Protocol

MOST_KEPT = 5000  # then the corpus is large enough, and memory is not without end
GRACE = 30  # seconds that the last execution has to end


class Run(Protocol):
    """Fuzzes one target until either limit and returns the number of executions."""

    def __call__(self, seed: int, executions: int | None = None, seconds: float | None = None) -> int: ...


def fuzz(
    one: Callable[[bytes], Hashable],
    seeds: Iterable[bytes],
    mutated: Callable[[random.Random, list[bytes]], bytes],
    *,
    seed: int,
    executions: int | None,
    seconds: float | None,
    name: str = "",
) -> int:
    """Give `one` inputs that `mutated` makes of a growing corpus, until either limit. Return the number of executions.

    The same `seed` gives the same inputs. An input for which `one` raises is printed before the exception goes on.
    """
    chance = random.Random(seed)
    corpus = list(seeds)
    seen: set[Hashable] = set()
    ends = time.monotonic() + seconds if seconds is not None else None
    count = 0
    while count != executions and (ends is None or time.monotonic() < ends):
        data = mutated(chance, corpus)
        try:
            outcome = one(data)
        except BaseException:
            print(f"{name and name + ', '}execution {count}: {data!r}", file=sys.stderr)
            raise
        if outcome not in seen and len(seen) < MOST_KEPT:
            seen.add(outcome)
            corpus.append(data)
        count += 1
    return count


def main(description: str | None, runs: Mapping[str, Run]) -> None:
    """Fuzz from the command line, each of `runs` in turn. A hang is ended by SIGALRM, which shows where."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    several = len(runs) > 1
    parser.add_argument("--seconds", type=float, default=60, help="for each reader" if several else None)
    parser.add_argument("--seed", type=int, default=None)
    if several:
        parser.add_argument("--reader", choices=runs, action="append")
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else time.time_ns()
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    for name in arguments.reader if several and arguments.reader else runs:
        signal.setitimer(signal.ITIMER_REAL, arguments.seconds + GRACE)
        which = f"{name}, " if several else ""
        print(
            f"{which}seed {seed}: {runs[name](seed, seconds=arguments.seconds)} executions, no law broken", flush=True
        )

"""All benchmarks, or those named: tables to standard output and, with --write, into docs/performance.md.

    make benchmark                                  all, and into the document
    BENCH="first_login crowd" make benchmark        these two, to standard output; WRITE=1: into the document, too
    ROUNDS=100 make benchmark                       more rounds than each has by itself
    LOGIN_DUO=/path/to/login_duo make benchmark     compare with it, too, where it can be compared

A benchmark is a module with `measure(rounds) -> Section` and ROUNDS.
"""

import argparse
import importlib
import sys
import traceback

from gated_host import system_log
from report import Load, conditions, say, text_of, write

BENCHMARKS = (
    "covered_channel",
    "first_login",
    "tap_to_shell",
    "crowd",
    "memory",
    "dead_server",
    "broker_ends",
    "embedded_login",
    "authorized_keys",
    "throughput",
)


def main() -> int:
    """Run what is asked for. The exit status is 1 if a benchmark failed; an aim that is not reached is no failure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=" ".join(BENCHMARKS))
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.names) - set(BENCHMARKS))
    if unknown:
        parser.error(f"there is no benchmark {' '.join(unknown)}; there are {' '.join(BENCHMARKS)}")
    failed = 0
    print(f"{conditions()}\n")
    if arguments.write:
        write("conditions", conditions() + ".")
    with system_log():
        for name in arguments.names or BENCHMARKS:
            failed += not run(name, arguments.rounds, into_document=arguments.write)
    return 1 if failed else 0


def run(name: str, rounds: int | None, *, into_document: bool) -> bool:
    """Run one benchmark and show its section; tell whether it came to its end."""
    say(f"{name} …")
    benchmark = importlib.import_module(name)
    load = Load()
    try:
        section = benchmark.measure(rounds or benchmark.ROUNDS)
    except Exception:  # noqa: BLE001 - the other benchmarks are still of use, and this one's failure is shown
        say(f"{name} failed:\n{traceback.format_exc()}")
        return False
    text = text_of(name, section, load)
    print(text, end="\n\n", flush=True)
    if into_document:
        write(name, text)
    return True


if __name__ == "__main__":
    sys.exit(main())

"""What a benchmark has found: tables, aims with what was reached, and their place in docs/performance.md."""

import os
import platform
import re
import ssl
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

DOCUMENT = Path(__file__).resolve().parent.parent / "docs/performance.md"


class Table(NamedTuple):
    """Cells as they are shown; a column that is not the first is a number and stands right."""

    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]

    def __str__(self) -> str:
        rule = ["---", *["---:"] * (len(self.head) - 1)]
        return "\n".join(f"| {' | '.join(row)} |" for row in (self.head, rule, *self.rows))


class Aim(NamedTuple):
    """What is to be reached: `measured` is to be at most `limit`, both in `unit`."""

    what: str
    measured: float
    limit: float
    unit: str = ""

    @property
    def reached(self) -> bool:
        """Whether it is."""
        return self.measured <= self.limit


class Section(NamedTuple):
    """One benchmark's part of the document. `how` says what was compared, `remarks` what to make of it."""

    title: str
    how: str
    tables: tuple[Table, ...]
    aims: tuple[Aim, ...] = ()
    rounds: str = ""
    remarks: str = ""


class Load:
    """How busy the machine is, from when this was made."""

    def __init__(self) -> None:
        self._before = os.getloadavg()[0]

    def __str__(self) -> str:
        return f"load {self._before:.1f} before, {os.getloadavg()[0]:.1f} after"


def aims_table(aims: Sequence[Aim]) -> Table:
    """Return the aims with what was reached."""
    rows = [
        (
            aim.what,
            f"{aim.measured:{'.0f' if aim.measured >= 100 else '.3g'}}{aim.unit}",
            f"{aim.limit:g}{aim.unit}",
            "yes" if aim.reached else "**no**",
        )
        for aim in aims
    ]
    return Table(("aim", "measured", "at most", "reached"), rows)


def text_of(name: str, section: Section, load: Load) -> str:
    """Return the section as Markdown; `name` is what BENCH calls it."""
    parts = [f"## {section.title}", section.how, *map(str, section.tables)]
    if section.aims:
        parts.append(str(aims_table(section.aims)))
    if section.remarks:
        parts.append(section.remarks)
    day = time.strftime("%Y-%m-%d", time.gmtime())
    parts.append(f"`BENCH={name} {_real_time()}make benchmark`, {day}; {section.rounds}; {load}")
    return "\n\n".join(parts)


def _real_time() -> str:
    """Return the `chrt` that this process was started by, empty for none: figures taken so are not those without."""
    option = {os.SCHED_RR: "-r", os.SCHED_FIFO: "-f"}.get(os.sched_getscheduler(0))
    return "" if option is None else f"chrt {option} {os.sched_getparam(0).sched_priority} "


def conditions() -> str:
    """Return what the figures depend on: machine and versions."""
    processor = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    ssh = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=True).stderr.strip()
    debian = re.search(r'PRETTY_NAME="(.+)"', Path("/etc/os-release").read_text())
    facts = (
        debian[1] if debian else platform.system(),
        f"Linux {platform.release()}",
        f"{os.cpu_count()} processors ({processor[1] if processor else platform.machine()})",
        f"{memory:.0f} GiB",
        ssh.partition(",")[0].replace("_", " "),
        f"CPython {platform.python_version()}",
        ssl.OPENSSL_VERSION.rpartition(" ")[0].rpartition(" ")[0].rpartition(" ")[0],
    )
    return "; ".join(facts)


def write(name: str, text: str) -> None:
    """Put `text` between this name's markers in docs/performance.md. Raises ValueError if there are none."""
    document = DOCUMENT.read_text()
    marked = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
    replaced, found = marked.subn(lambda match: f"{match[1]}{text}\n{match[2]}", document)
    if not found:
        raise ValueError(f"{DOCUMENT.name} has no place for {name}; add <!-- begin {name} --> and <!-- end {name} -->")
    DOCUMENT.write_text(replaced)


def median(values: Sequence[float]) -> float:
    """Return the median; not a number where there is nothing."""
    return statistics.median(values) if values else float("nan")


def say(sentence: str) -> None:
    """Tell on standard error how far it is; tables go to standard output."""
    print(sentence, file=sys.stderr, flush=True)

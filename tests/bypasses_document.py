"""docs/bypasses.md, made from what the code knows of each way around the gate. Run it to write the document anew."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1])]
sys.path += [str(Path(__file__).parent / "e2e")]

from open_ways import OPENED

from secsign_gate.core.bypass import BYPASSES, Bypass
from secsign_gate.doctor.sshd.rules import RULES
from secsign_gate.probe.registry import ATTEMPTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHECKOUT = Path(__file__).parents[1]
DOCUMENT = CHECKOUT / "docs/bypasses.md"
DROP_IN = CHECKOUT / "sshd_config.d/00-secsign-gate.conf"
TEST = CHECKOUT / "tests/e2e/test_every_bypass.py"

HEAD = """\
<!-- `make documents` writes this file from the code; what is changed here by hand is lost. -->

# Ways around the gate

A ForceCommand guards sessions, and only those that sshd's configuration leads to it. These are the ways around it that
are known, and what stands against each. Their names are those that `secsign-gate doctor` and `secsign-gate probe` use.

- **found by**: the rule by which [`secsign-gate doctor`](doctor.md) judges what sshd would really do.
- **proven by**: what [`secsign-gate probe`](probe.md) does as a client with a key, and sees if the way is open. What it
  must be told for that stands in brackets; `--plant` puts a file into the home, as an earlier session could.
- **closed by**: the lines of the shipped [drop-in](../sshd_config.d/00-secsign-gate.conf). Each has its reason there.

Each row is a test with a real sshd, `-k NAME` of [`test_every_bypass.py`](../tests/e2e/test_every_bypass.py). The way
is opened as [`open_ways.py`](../tests/e2e/open_ways.py) says: the shipped drop-in with other lines, another file read
before it, or a narrower Match. The doctor must find it open, and the probe get through. Then the drop-in is as it is
shipped, with the one line in force that it has in a comment: the doctor must find the way closed, and the probe be
held. Where a client proves the way on another configuration than the doctor finds it in, the row says why.

"""
BESIDES = """
## What a client can try besides

No line of sshd's configuration is against these; the gate itself is. The probe tries them, and a client is held.

"""
BEYOND = """
## What no client can try

Another server on the host, be it a second sshd without the drop-in, dropbear or telnet, is no way around this gate but
past it; the doctor says what sshd or dropbear listens besides. Neither tool looks for what else lets people in: agents
of a configuration management, web consoles, a hypervisor.
"""


def document() -> str:
    """Return what docs/bypasses.md is to say."""
    ways = _table(("way", "found by", "proven by", "closed by"), (_row(bypass) for bypass in BYPASSES))
    others = [attempt for name, attempt in ATTEMPTS.items() if name not in {bypass.name for bypass in BYPASSES}]
    besides = _table(
        ("name", "what is tried", "why"),
        ((f"`{one.bypass.name}`", _summary(one.run), one.bypass.way) for one in others),
    )
    return HEAD + ways + BESIDES + besides + BEYOND


def _row(bypass: Bypass) -> tuple[str, ...]:
    way = f"**{bypass.title}**<br>`{bypass.name}`<br>{bypass.way}"
    return way, _rules(bypass.name), _proof(bypass.name), "<br>".join(map(_line, bypass.closed_by))


def _rules(name: str) -> str:
    """Name the doctor's rules, with links to their files."""
    named: dict[str, None] = {}
    for rule in RULES:
        if rule.bypass == name:
            path = rule.judge.__module__.replace(".", "/") + ".py"
            file = path.rpartition("/")[2]
            named[f"[{file}](../{path}) `{rule.judge.__name__}`"] = None
    return "<br>".join(named)


def _proof(name: str) -> str:
    opened, attempt = OPENED[name], ATTEMPTS[name]
    told = [f"`{option}`" for option in opened.options if option.startswith("--")]
    told += ["`--restricted-identity`"] if name.startswith("restricted-") else []
    told += ["as root"] if opened.client == "root" else []
    needs = f" ({', '.join(told)})" if told else ""
    elsewhere = f"<br>Elsewhere: {opened.because}." if opened.proof else ""
    return f"{_summary(attempt.run)}{needs}{elsewhere}"


def _summary(function: Callable[..., object]) -> str:
    """Return the first paragraph of what a function says of itself."""
    return " ".join((inspect.getdoc(function) or "").partition("\n\n")[0].split())


def _line(directive: str) -> str:
    """Show a line of the drop-in, or how it begins."""
    lines = [line.strip() for line in DROP_IN.read_text().splitlines()]
    line = next(line for line in lines if line.startswith(directive))
    if directive.startswith("#"):
        return f"`{directive.removeprefix('#')}`, which is there in a comment: yours to decide"
    return f"`{directive}`" if line == directive else f"`{directive} …`"


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    cells = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in cells)


if __name__ == "__main__":
    DOCUMENT.write_text(document())

"""What a session is to the process in it: all that the kernel tells, to compare one with the gate and one without.

install()                                      once: makes COMMAND known on the host
differences(facts_in(without), facts_in(with_gate)) == []
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accounts import ACCOUNTS

if TYPE_CHECKING:
    from gate import Gate

PROGRAM = Path("/usr/local/bin/look")
# `cat` inherits its signal dispositions as they are, where Python changes some for itself.
COMMAND = f"cat /proc/self/status; {PROGRAM}; exit 3"
STATUS = 3
SIGNALS = ("SigBlk", "SigIgn", "SigCgt")


def install() -> None:
    source = Path(__file__).with_name("look.py").read_text()
    PROGRAM.write_text(f"#!/usr/bin/python3 -IS\n{source}")
    PROGRAM.chmod(0o755)


def facts_in(output: bytes) -> dict[str, Any]:
    """Return the facts that COMMAND printed among other things."""
    found = re.search(rb"<<<(\{.*\})>>>", output)
    assert found, output
    facts: dict[str, Any] = json.loads(found.group(1))
    status = dict(re.findall(rb"(\w+):\s+(\w+)", output[: found.start()]))
    facts["signals of a child"] = {name: status[name.encode()].decode() for name in SIGNALS}
    return facts


def differences(without: Any, with_gate: Any, place: str = "") -> list[str]:
    """Return in words where the two differ, fact by fact."""
    if isinstance(without, dict) and isinstance(with_gate, dict):
        names = sorted(without.keys() | with_gate.keys())
        return [
            one
            for name in names
            for one in differences(without.get(name), with_gate.get(name), f"{place}/{name}" if place else name)
        ]
    if place.endswith("environment"):
        gone = [f"{place}: the gate takes away {entry!r}" for entry in without if entry not in with_gate]
        return gone + [f"{place}: the gate adds {entry!r}" for entry in with_gate if entry not in without]
    return [] if without == with_gate else [f"{place}: {without!r} becomes {with_gate!r}"]


def let_everybody_in(gate: Gate) -> None:
    """No phone and no word of ours, for tests of what comes after the verdict."""
    gate.configure(
        messages={"before": False, "after": False},
        policy={"exempt_accounts": ",".join(account.name for account in ACCOUNTS)},
    )

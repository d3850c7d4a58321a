"""The drop-ins that the project ships, as tests use them."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "sshd_config.d"
FOR_ALL = FOLDER / "00-secsign-gate.conf"
FOR_A_GROUP = FOLDER / "00-secsign-gate-group.conf.example"
FOR_A_USER = FOLDER / "00-secsign-gate-user.conf.example"

# What makes a session another one than without the gate; all the rest holds for both.
OF_THE_GATE_ONLY = ("ForceCommand", "SetEnv", "ExposeAuthInfo")


def gated(**replaced: str) -> str:
    """Return the drop-in for everybody; a keyword's line may be replaced: `gated(ForceCommand="none")`."""
    text = FOR_ALL.read_text()
    for keyword, value in replaced.items():
        line = f"{keyword} {value}".replace("\\", r"\\")
        text, times = re.subn(rf"(?m)^( *){keyword} .*$", rf"\g<1>{line}", text)
        assert times == 1, f"{FOR_ALL.name} has {times} lines with {keyword}"
    return text


def for_the_daemon(text: str, broker: str = r"\3") -> str:
    """Return a drop-in as an administrator edits it who has set up the daemon: its line from the comment, in force.

    `broker` is another socket than that line's.
    """
    without, embedded = re.subn(r"(?m)^ *ForceCommand .*\n", "", text)
    asking, daemon = re.subn(r"(?m)^( *)#(ForceCommand .* --broker )(\S+)$", rf"\1\2{broker}", without)
    assert (embedded, daemon) == (1, 1)
    return asking


def asking(broker: str, **replaced: str) -> str:
    """Return the drop-in for everybody whose doors ask the daemon behind the socket `broker`."""
    return for_the_daemon(gated(**replaced), broker)


def ungated() -> str:
    """Return the same settings without the gate: the baseline that a gated session is compared with."""
    keywords = "|".join(OF_THE_GATE_ONLY)
    return re.sub(rf"(?m)^ *({keywords}) .*\n", "", FOR_ALL.read_text())

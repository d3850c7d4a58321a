"""What the doctor calls open, a client gets through, and nothing else: both ask a real sshd."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING

import drop_in
import pytest
import sshd as running_sshd
from probing import outcomes, wishes_of

from secsign_gate.doctor.finding import Status
from secsign_gate.doctor.sshd_part import sshd_findings
from secsign_gate.sshd.program import find_sshd

if TYPE_CHECKING:
    from pathlib import Path

    from gate import Gate

NAMES = (
    "local-forwarding",
    "dynamic-forwarding",
    "remote-forwarding",
    "local-socket-forwarding",
    "remote-socket-forwarding",
    "x11-forwarding",
    "agent-forwarding",
)
SETTINGS = {
    "DisableForwarding": ("yes", "no", "no", "no"),  # with yes all is closed, which is soon seen
    "AllowTcpForwarding": ("yes", "no", "local", "remote"),
    "AllowStreamLocalForwarding": ("yes", "no", "local", "remote"),
    "PermitOpen": ("any", "any", "none"),
    "PermitListen": ("any", "any", "none"),
    "X11Forwarding": ("yes", "no"),
    "AllowAgentForwarding": ("yes", "no"),
}


def some_settings(count: int) -> list[dict[str, str]]:
    """Return settings by chance, the same each time."""
    chance = random.Random(20)
    return [{name: chance.choice(values) for name, values in SETTINGS.items()} for _ in range(count)]


@pytest.mark.parametrize("settings", some_settings(12), ids=itertools.count())
def test_doctor_and_client_agree_about_forwarding(gate: Gate, tmp_path: Path, settings: dict[str, str]) -> None:
    alice = gate.user("alice")
    more = {"20-forwarding.conf": "XAuthLocation /usr/bin/true\n"}
    with running_sshd.Sshd(tmp_path, {"00-secsign-gate.conf": drop_in.gated(**settings), **more}) as server:
        sshd = find_sshd(running_sshd.SSHD, str(server.configuration))
        findings = sshd_findings(sshd, accounts=("alice",))
        found = {one.bypass for one in findings if one.status == Status.OPEN and one.bypass in NAMES}
        proven = {name for name, outcome in outcomes(wishes_of(alice, server), *NAMES).items() if outcome.is_open}
    assert found == proven

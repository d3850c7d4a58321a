"""What the doctor calls open, a client gets through, and nothing else: both ask a real sshd.

The settings are drawn by chance, the same each time. More of them, when nobody waits:
tests/private_host/enter.py -- env DOCTOR_EXAMPLES=200 pytest tests/e2e/test_doctor_agrees.py
"""

from __future__ import annotations

import itertools
import os
import random
from typing import TYPE_CHECKING

import drop_in
import pytest
import sshd as running_sshd
from probing import outcomes, wishes_of

from secsign_gate.doctor.finding import Status
from secsign_gate.doctor.sshd.part import sshd_findings
from secsign_gate.probe.outcome import Status as Proven
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


# Lines that a predecessor may have left behind, in files that are read before and after the gate's, each below a Match.
MATCHES = (
    "all", "User alice", "User Alice", "User *,!alice", "User bob", "Group alice", "Group *,!alice", "Group 2001",
    "Address 127.0.0.0/8", "Address 127.0.0.1/32", "Address *,!127.0.0.1", "Address 127.*", "Address 10.0.0.0/8",
    "LocalAddress 127.0.0.1", "LocalPort 22", "RDomain *", "RDomain mgmt", "Host 127.0.0.1", "Host localhost",
    "User alice Address 127.0.0.1", "User alice LocalAddress 10.0.0.1",
)  # fmt: skip
LINES = (
    "ForceCommand none", 'ForceCommand exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"', "ForceCommand internal-sftp",
    "DisableForwarding no", "AllowTcpForwarding yes", "AllowTcpForwarding local", "AllowStreamLocalForwarding yes",
    "PermitOpen any", "PermitOpen 127.0.0.1:*", "PermitListen any", "X11Forwarding yes", "AllowAgentForwarding yes",
    "AcceptEnv *", "AcceptEnv L* ?D_*", "AcceptEnv BASH_* SHELLOPTS PS4 SHLVL", "SetEnv FOO=1",
    "SetEnv HOME=/nonexistent\n SetEnv LD_PRELOAD=", 'SetEnv "HOME=/home/alice"', "AuthenticationMethods any",
)  # fmt: skip
OUTSIDE = ("AcceptEnv *", "AllowTcpForwarding yes", "ForceCommand none", "PermitUserEnvironment yes", "UseDNS yes")
TRIED = (*NAMES, "stdio-forwarding", "client-environment", "forged-variables", "subsystem", "ungated-account")
OF_THE_GATE = ("shadowed-match", "match-exemption", "ungated-account", "subsystem")
EXAMPLES = int(os.environ.get("DOCTOR_EXAMPLES", "10"))


def some_drop_ins(count: int) -> list[dict[str, str]]:
    """Return drop-ins of several predecessors by chance, the same each time."""
    chance = random.Random(21)

    def block() -> str:
        lines = chance.sample(LINES, chance.randint(1, 4))
        return f"Match {chance.choice(MATCHES)}\n" + "".join(f" {line}\n" for line in lines)

    def drop_ins() -> dict[str, str]:
        outside = "".join(f"{line}\n" for line in chance.sample(OUTSIDE, chance.randint(0, 2)))
        gated = drop_in.gated().replace("\nMatch all\n", f"\nMatch {chance.choice(('all', 'all', *MATCHES))}\n")
        before = "".join(block() for _ in range(chance.randint(0, 2)))
        after = "".join(block() for _ in range(chance.randint(0, 2)))
        return {"00-a.conf": outside + before, "00-secsign-gate.conf": gated, "90-z.conf": after}

    return [drop_ins() for _ in range(count)]


@pytest.mark.parametrize("drop_ins", some_drop_ins(EXAMPLES), ids=itertools.count())
def test_where_the_doctor_finds_nothing_open_nothing_gets_through(
    gate: Gate, tmp_path: Path, drop_ins: dict[str, str]
) -> None:
    alice = gate.user("alice")
    more = {"99-xauth.conf": "XAuthLocation /usr/bin/true\n"}
    with running_sshd.Sshd(tmp_path, {**drop_ins, **more}) as server:
        sshd = find_sshd(running_sshd.SSHD, str(server.configuration))
        findings = sshd_findings(sshd, accounts=("alice",), running=False)
        tried = outcomes(wishes_of(alice, server), *TRIED)
    found = {one.bypass for one in findings if one.status is Status.OPEN}
    doubted = found | {one.bypass for one in findings if one.status is Status.WEAK}
    missed = {
        name: outcome
        for name, outcome in tried.items()
        if (outcome.status is Proven.GOT_THROUGH and name not in found)
        or (outcome.status is Proven.AGREED and name not in doubted)  # what sshd takes and SetEnv overrules, say
    }
    # Where the gate stands before no session, one finding is for all that this gives.
    assert found & {*OF_THE_GATE} or not missed, drop_ins

"""Whom our lines of pam_succeed_if let past the gate's line, by value."""

from __future__ import annotations

import pytest

from secsign_gate.core.login import Account
from secsign_gate.doctor.pam.conditions import is_let_past, says_yes
from secsign_gate.doctor.pam.lines import parse_pam

GATE = "account requisite pam_exec.so seteuid quiet stdout /opt/secsign-gate/bin/secsign-gate-pam"
SKIP_ONE = "account [success=1 default=ignore] pam_succeed_if.so quiet"


def person(name: str, *groups: str) -> Account:
    return Account(name, 2000, f"/home/{name}", "/bin/bash", (name, *groups))


@pytest.mark.parametrize(
    ("condition", "account", "let_past"),
    [
        ("user notin alice:bob", person("alice"), False),
        ("user notin alice:bob", person("carol"), True),
        ("user in rescue:root", person("rescue"), True),
        ("user in rescue:root", person("alice"), False),
        ("user notingroup operators", person("alice", "operators"), False),
        ("user notingroup operators", person("alice", "staff"), True),
        ("user ingroup staff:operators", person("alice", "operators"), True),
        ("user in alice user ingroup staff", person("alice"), False),
        ("uid >= 1000", person("alice"), False),  # not known here: a doubt hides no gate that is asked
    ],
)
def test_whom_a_line_lets_past(condition: str, account: Account, let_past: bool) -> None:
    lines = parse_pam("/etc/pam.d/sshd", f"{SKIP_ONE} {condition}\n{GATE}\naccount required pam_permit.so\n")
    assert is_let_past(lines, 1, account) is let_past


def test_a_line_that_skips_too_little_lets_nobody_past() -> None:
    lines = parse_pam("/etc/pam.d/sshd", f"{SKIP_ONE} user in alice\naccount required pam_nologin.so\n{GATE}\n")
    assert not is_let_past(lines, 2, person("alice"))


@pytest.mark.parametrize("line", ["account required pam_unix.so", f"{SKIP_ONE} uid > 5", f"{SKIP_ONE} user in"])
def test_what_is_not_known(line: str) -> None:
    assert says_yes(parse_pam("/etc/pam.d/sshd", line)[0], person("alice")) is None

"""The gate's line in PAM's services, judged: what it says of itself must be true of the lines before it."""

from __future__ import annotations

import pytest

from secsign_gate.doctor.finding import Status
from secsign_gate.doctor.pam.door_line import examine_service, unfounded_password
from secsign_gate.doctor.pam.lines import bounded, parse_pam

DOOR = "/opt/secsign-gate/bin/python3 -I -S /opt/secsign-gate/bin/secsign-gate-pam"
JUMP = "auth [success=1 default=ignore] pam_unix.so nullok\nauth requisite pam_deny.so\nauth required pam_permit.so\n"
SUDO = f"{JUMP}auth requisite pam_exec.so seteuid quiet {DOOR} --after-password\n"


def said(service: str, text: str, *, of_sshd: bool = False) -> list[tuple[Status, str]]:
    lines = parse_pam(f"/etc/pam.d/{service}", text)
    return [(one.status, one.what) for one in examine_service(service, lines, of_sshd=of_sshd)]


def test_the_examples_are_in_order() -> None:
    assert said("sudo", SUDO) == []
    assert said("su", f"auth sufficient pam_rootok.so\n{SUDO}") == []
    assert said("login", f"auth optional pam_faildelay.so delay=3\n{SUDO}") == []
    alone = f"auth requisite pam_exec.so seteuid quiet {DOOR}\nauth required pam_permit.so"
    assert said("sudo", alone) == []
    assert said("sshd", f"account requisite pam_exec.so seteuid quiet stdout {DOOR}", of_sshd=True) == []


@pytest.mark.parametrize(
    ("service", "text", "status", "words"),
    [
        ("sudo", SUDO.replace("quiet", "quiet stdout"), Status.WEAK, "has stdout, so what"),
        ("su", SUDO.replace("seteuid ", ""), Status.WEAK, "has no seteuid"),
        ("su", SUDO.replace(JUMP, "auth sufficient pam_rootok.so\n"), Status.OPEN, "no line before asks for one"),
        ("su", SUDO.replace(JUMP, "auth required pam_unix.so\n"), Status.WEAK, "with a wrong password, too"),
        ("sudo", SUDO.replace("requisite pam_exec", "optional pam_exec"), Status.OPEN, "goes on when it says no"),
        ("cron", f"account required pam_exec.so seteuid quiet {DOOR}", Status.BROKEN, "where nobody waits"),
        ("systemd-user", f"account required pam_exec.so quiet {DOOR}", Status.BROKEN, "where nobody waits"),
        ("sudo", f"session required pam_exec.so seteuid quiet {DOOR}", Status.BROKEN, "PAM's session lines"),
        ("sudo", SUDO.replace(DOOR, "/opt/secsign-gate/bin/secsign-gate pam"), Status.NOTE, "not isolated"),
    ],
)
def test_a_mistake_on_the_line_is_told(service: str, text: str, status: Status, words: str) -> None:
    ((found, what),) = said(service, text)
    assert found is status
    assert words in what
    assert f"/etc/pam.d/{service} line" in what


def test_a_console_may_have_stdout() -> None:
    assert said("login", SUDO.replace("quiet", "quiet stdout")) == []


def test_what_is_to_be_written_is_the_line_without_the_mistake() -> None:
    lines = parse_pam("/etc/pam.d/sudo", SUDO.replace("seteuid quiet", "stdout quiet"))
    without, with_stdout = examine_service("sudo", lines, of_sshd=False)
    assert without.line == f"auth requisite pam_exec.so seteuid stdout quiet {DOOR} --after-password"
    assert with_stdout.line == f"auth requisite pam_exec.so quiet {DOOR} --after-password"


def test_a_substack_lets_a_wrong_password_come_to_the_gate() -> None:
    """Fedora's password-auth, which has been seen to ring the phone (tests/e2e/test_pam_auth.py)."""
    inner = bounded(parse_pam("/x", "auth required pam_env.so\nauth sufficient pam_unix.so\nauth required pam_deny.so"))
    gate = parse_pam("/x", f"auth requisite pam_exec.so {DOOR} --after-password")
    found = unfounded_password([*inner, *gate], 3)
    assert found is not None
    assert found[0] is Status.WEAK
    assert unfounded_password(parse_pam("/x", SUDO), 3) is None

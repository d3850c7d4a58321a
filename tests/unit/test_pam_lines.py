"""PAM's service files, read."""

import pytest

from secsign_gate.doctor.pam.lines import NO, YES, PamLine, bounded, is_asked, parse_pam
from secsign_gate.doctor.sshd.rules.environment import reads_user_file

TEXT = """\
# a comment
auth  requisite  pam_exec.so quiet /opt/secsign-gate/bin/python3 -I -S /opt/secsign-gate/bin/secsign-gate-pam
@include common-auth
account [success=1 new_authtok_reqd=done default=ignore]\tpam_unix.so   # why
-session optional pam_systemd.so
session required pam_env.so \\
    user_readenv=1 [envfile=/etc/a b]
nonsense
SESSION include common-session
"""


def test_lines_are_read_with_their_places() -> None:
    lines = parse_pam("/etc/pam.d/sshd", TEXT)
    assert [(line.number, line.group, line.control, line.module) for line in lines] == [
        (2, "auth", "requisite", "pam_exec.so"),
        (3, "", "include", "common-auth"),
        (4, "account", "[success=1 new_authtok_reqd=done default=ignore]", "pam_unix.so"),
        (5, "session", "optional", "pam_systemd.so"),
        (6, "session", "required", "pam_env.so"),
        (9, "session", "include", "common-session"),
    ]
    assert lines[4].arguments == ("user_readenv=1", "envfile=/etc/a b")
    assert lines[0].place == "/etc/pam.d/sshd line 2"


@pytest.mark.parametrize(
    ("line", "is_gate"),
    [
        ("account required pam_exec.so quiet /opt/secsign-gate/bin/secsign-gate-pam", True),
        ("account requisite pam_exec.so /opt/secsign-gate/bin/secsign-gate-pam --seconds 50", True),
        ("account [success=ok default=die] pam_exec.so /opt/secsign-gate/bin/secsign-gate-pam", True),
        ("account optional pam_exec.so /opt/secsign-gate/bin/secsign-gate-pam", False),
        ("account [default=ignore] pam_exec.so /opt/secsign-gate/bin/secsign-gate-pam", False),
        ("account required pam_exec.so /usr/bin/other", False),
        ("account required pam_exec.so /tmp/secsign-gate-pam-not", False),
        ("account required pam_exec.so seteuid quiet stdout /v/bin/python3 -I -S /v/bin/secsign-gate-pam", True),
        ("account required pam_exec.so quiet /v/bin/secsign-gate pam --seconds 50", True),
        ("account required pam_exec.so quiet /v/bin/python3 -I /v/bin/secsign-gate pam", True),
        ("account required pam_exec.so quiet /v/bin/secsign-gate check", False),
        # Where the name stands, but something else is started, or nothing at all.
        ("account required pam_exec.so quiet /bin/true /v/bin/secsign-gate-pam", False),
        ("account required pam_exec.so quiet /v/bin/python3 -c pass /v/bin/secsign-gate-pam", False),
        ("account required pam_permit.so /v/bin/secsign-gate-pam", False),
        ("account required pam_exec.so type=session /v/bin/secsign-gate-pam", False),
        ("account required pam_exec.so type=account /v/bin/secsign-gate-pam", True),
        ("account [success=ok auth_err=die default=ignore] pam_exec.so /v/bin/secsign-gate-pam", False),
        ("account sufficient pam_exec.so /v/bin/secsign-gate-pam", False),
    ],
)
def test_the_gate_is_known_where_its_no_counts(line: str, is_gate: bool) -> None:
    (parsed,) = parse_pam("/etc/pam.d/sshd", line)
    assert parsed.is_gate is is_gate


@pytest.mark.parametrize(
    ("line", "reads"),
    [
        ("session required pam_env.so user_readenv=1 envfile=/etc/default/locale", True),
        ("session required /lib/security/pam_env.so user_readenv=1", True),
        ("session required pam_env.so user_readenv=0", False),
        ("session required pam_env.so", False),
        ("session required pam_other.so user_readenv=1", False),
    ],
)
def test_it_is_known_whether_the_users_file_is_read(line: str, reads: bool) -> None:
    (parsed,) = parse_pam("/etc/pam.d/sshd", line)
    assert reads_user_file(parsed) is reads


def test_an_empty_file_has_no_lines() -> None:
    assert parse_pam("/x", "") == parse_pam("/x", "\n#\n\\\n") == []


def lines(text: str) -> list[PamLine]:
    return parse_pam("/etc/pam.d/x", text)


WRONG_PASSWORD = {"pam_unix.so": NO, "pam_deny.so": NO}


@pytest.mark.parametrize(
    ("before", "asked"),
    [
        ("auth required pam_unix.so", True),
        ("auth requisite pam_unix.so", False),
        ("auth sufficient pam_unix.so\nauth required pam_deny.so", True),
        ("auth sufficient pam_unix.so\nauth requisite pam_deny.so", False),
        ("auth [success=1 default=ignore] pam_unix.so\nauth requisite pam_deny.so", False),
        ("auth [success=1 default=die] pam_unix.so\nauth required pam_permit.so", False),
        ("auth [default=2] pam_unix.so\nauth required pam_permit.so", False),
        ("auth required pam_unix.so\nauth sufficient pam_permit.so", True),
        ("auth sufficient pam_permit.so", False),
        ("auth optional pam_unix.so", True),
    ],
)
def test_which_lines_pam_comes_to(before: str, asked: bool) -> None:
    """As tests/e2e/test_pam_auth.py sees it with real PAM."""
    stack = lines(f"{before}\nauth required pam_exec.so /v/bin/secsign-gate-pam")
    assert is_asked(stack, len(stack) - 1, lambda line: WRONG_PASSWORD.get(line.module, YES)) is asked


def test_what_ends_a_substack_ends_no_more() -> None:
    inner = bounded(lines("auth sufficient pam_unix.so\nauth requisite pam_deny.so"))
    stack = [*inner, *lines("auth required pam_exec.so /v/bin/secsign-gate-pam")]
    assert is_asked(stack, 2, lambda line: WRONG_PASSWORD.get(line.module, YES))
    assert is_asked(stack, 2, lambda _: YES)
    assert not stack[0].may_skip(2)
    assert stack[0].may_skip(1)

"""What the phone and the terminal say would run: all of it is looked at, and little of it is shown."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secsign_gate import wire
from secsign_gate.broker import case as case_module
from secsign_gate.broker.case import Case
from secsign_gate.broker.peer import Peer
from secsign_gate.core.display_text import display_text
from secsign_gate.core.login import Account, Command, Login, LoginShell, PamService, SshConnection, Wanted
from secsign_gate.core.push_text import client_text, wanted_text

LONGEST_COMMAND = 384 * 1024  # as a message can carry


def login(wanted: Wanted) -> Login:
    return Login(
        door="force_command",
        account=Account("alice", 1000, "/home/alice", "/bin/sh", ("alice",)),
        connection=SshConnection(ip_address("192.0.2.1"), 50022, ip_address("192.0.2.2"), 22),
        methods=(),
        fingerprints=(),
        wanted=wanted,
        restriction=None,
        terminal=False,
        sshd=None,
        address_counts=True,
    )


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        (LoginShell(), "a shell"),
        (Command(b"internal-sftp"), "a file transfer (sftp)"),
        (Command(b""), "an empty command"),
        (PamService("sshd", "account", "ssh", "192.0.2.1", whole_connection=True), "an SSH connection"),
        (PamService("sudo", "auth", "/dev/pts/3", "", whole_connection=False), "sudo on pts/3"),
        (PamService("cron", "account", "", "", whole_connection=False), "cron"),
        (Command(b" \t\x1b\xff" * 1000), "an empty command"),
        (Command(b"uptime  -p\n"), "uptime -p"),
        (Command("touch é".encode()), "touch"),
        (Command(b"a=1;b&c %d"), "a 1 b c d"),
        (Command(b"x" * LONGEST_COMMAND), "x" * 117 + "..."),
        (Command(b"y " * (LONGEST_COMMAND // 2)), "y " * 58 + "y..."),
    ],
)
def test_what_is_shown(wanted: Wanted, text: str) -> None:
    assert wanted_text(login(wanted)) == text


@pytest.mark.parametrize("blank", [b" ", b"\n", b"\x1b", b"\xff", b";"])
def test_nothing_hides_behind_blanks(blank: bytes) -> None:
    assert wanted_text(login(Command(blank * (LONGEST_COMMAND - 8) + b"rm -rf /"))) == "rm -rf /"


@given(text=st.text(), limit=st.integers(4, 300))
def test_a_text_is_cleaned_character_by_character_and_then_cut(text: str, limit: int) -> None:
    clean = " ".join("".join(char if "!" <= char <= "~" and char not in "&=;%" else " " for char in text).split())
    assert display_text(text, limit) == (clean if len(clean) <= limit else clean[: limit - 3] + "...")
    assert display_text(text.encode("utf-8", "replace"), limit) == display_text(text.replace("\ud800", "?"), limit)


def test_what_a_login_wants_is_made_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Login] = []

    def noted(asked: Login) -> str:
        calls.append(asked)
        return "uptime"

    monkeypatch.setattr(case_module, "wanted_text", noted)
    claim = wire.Ask(
        door="force_command",
        logname=b"alice",
        ssh_connection=b"",
        auth_info=b"",
        auth_info_time=0,
        auth_info_problem="",
        command=b"uptime",
        terminal=False,
        started_by_key=False,
        restricted_to=None,
    )
    case = Case(claim, Peer(0, 1000, None), "7F3K", 0.0)
    assert case.wants is None
    case.login = login(Command(b"uptime"))
    assert [case.wants, case.wants] == ["uptime", "uptime"]
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("remote_host", "text"), [("", "this host"), ("desk.example.org", "desk.example.org"), ("a=b;c", "a b c")]
)
def test_what_is_no_ssh_connection_comes_from_where_pam_says(remote_host: str, text: str) -> None:
    local = login(PamService("sudo", "auth", "pts/3", remote_host, whole_connection=False))
    assert client_text(local._replace(connection=SshConnection(None, 0, None, 0))) == text

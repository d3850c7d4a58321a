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
from secsign_gate.core.login import Account, Command, Login, LoginShell, SshConnection, Wanted
from secsign_gate.core.push_text import wanted_text

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
    calls = []
    monkeypatch.setattr(case_module, "wanted_text", lambda login: (calls.append(login), "uptime")[1])
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

"""Accounts whose homes are no UTF-8 and whose shell is not named: the daemon orders what sshd would have given."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from running_broker import RunningBroker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate import Gate

PASSWD = Path("/etc/passwd")
HOME = b"/home/al\xefce \xc3\xbc"
LOOK = 'printf %s "$HOME:$SHELL:$PWD" | od -An -tx1'


@pytest.fixture
def odd_home(gate: Gate) -> Iterator[None]:
    """Give alice another name of her home, and no shell; taken back afterwards."""
    del gate  # the homes are fresh from here on
    before = PASSWD.read_bytes()
    lines = before.splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith(b"alice:"))
    lines[place] = b":".join([*lines[place].split(b":")[:5], HOME, b""])
    Path(os.fsdecode(HOME)).symlink_to("/home/alice")
    PASSWD.write_bytes(b"\n".join(lines) + b"\n")
    yield
    PASSWD.write_bytes(before)
    Path(os.fsdecode(HOME)).unlink()


@pytest.mark.usefixtures("odd_home")
@pytest.mark.parametrize("locale", [None, "C", "C.UTF-8", "POSIX"])
def test_home_and_shell_are_sshds_whatever_the_locale_of_the_daemon(
    gate: Gate, monkeypatch: pytest.MonkeyPatch, locale: str | None
) -> None:
    for name in [name for name in os.environ if name == "LANG" or name.startswith("LC_")]:
        monkeypatch.delenv(name)
    if locale is not None:
        monkeypatch.setenv("LC_ALL", locale)
    alice = gate.user("alice", secsign_id="alice")
    with RunningBroker():
        expected = alice.ssh(LOOK, at="ungated").outcome()
        assert "ef 63 65 20 c3 bc 3a 2f 62 69 6e 2f 73 68" in " ".join(expected.stdout.decode().split())
        login = alice.ssh(LOOK, at="daemon")
        gate.phone("alice").accept()
        assert login.outcome()[:2] == expected[:2]
        login = alice.ssh(at="daemon", stdin=f"{LOOK}; echo $0\n".encode())
        gate.phone("alice").accept()
        assert login.outcome().stdout.endswith(b"-sh\n")
    assert [record.get("ground") for record in gate.records] == ["approved", "approved"]

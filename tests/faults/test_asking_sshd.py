"""An sshd that is not there, is none, hangs, says nothing or dies: one clear sentence each time."""

from pathlib import Path

import pytest

from secsign_gate.doctor.finding import Status
from secsign_gate.doctor.sshd.part import sshd_findings
from secsign_gate.sshd import program
from secsign_gate.sshd.program import Sshd, SshdError, find_sshd
from secsign_gate.sshd.version import parse_version

VERSION = "OpenSSH_9.2p1 Debian-2+deb12u10, OpenSSL 3.0.17 1 Jul 2025"


def a_program(folder: Path, script: str) -> str:
    path = folder / "sshd"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def an_sshd(folder: Path, script: str) -> Sshd:
    (folder / "sshd_config").write_text("Port 22\n")
    return Sshd(a_program(folder, script), parse_version(VERSION), str(folder / "sshd_config"))


def ask(sshd: Sshd) -> None:
    sshd.effective("alice", "192.0.2.7", "192.0.2.7")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exit 255", "it gave no reason"),
        (
            "echo 'line 3: Bad configuration option: Foo' >&2; exit 255",
            "line 3: Bad configuration option: Foo; correct it",
        ),
        ("printf 'a\\033[31mred\\r\\nb\\r\\n' >&2; exit 1", "a?[31mred, b; correct it"),
        ("echo 'debug1: not worth telling' >&2; echo bad >&2; exit 1", ": bad; correct it"),
        ("echo 'Missing privilege separation directory: /run/sshd' >&2; exit 255", "; start sshd once"),
        ("kill -SEGV $$", "it gave no reason"),
        ("exit 0", "said nothing"),
    ],
)
def test_what_fails_is_said_in_sshds_own_words(tmp_path: Path, script: str, said: str) -> None:
    with pytest.raises(SshdError) as raised:
        ask(an_sshd(tmp_path, script))
    assert said in str(raised.value)
    assert str(raised.value).isprintable()


def test_one_that_hangs_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "_SECONDS", 0.2)
    with pytest.raises(SshdError, match="did not end within"):
        ask(an_sshd(tmp_path, "exec sleep 600"))


def test_one_that_cannot_be_run_is_told(tmp_path: Path) -> None:
    sshd = an_sshd(tmp_path, "exit 0")
    Path(sshd.executable).unlink()
    with pytest.raises(SshdError, match="cannot be run"):
        ask(sshd)
    Path(sshd.executable).mkdir()
    with pytest.raises(SshdError, match="cannot be run"):
        ask(sshd)


@pytest.mark.parametrize("script", ["echo Dropbear v2022.83", "exit 1", "echo OpenSSH_"])
def test_a_program_that_is_no_openssh_is_told(tmp_path: Path, script: str) -> None:
    with pytest.raises(SshdError, match="not OpenSSH"):
        find_sshd(a_program(tmp_path, script))


def test_relative_names_are_refused() -> None:
    with pytest.raises(SshdError, match="no absolute path"):
        find_sshd("sshd")
    with pytest.raises(SshdError, match="no absolute path"):
        find_sshd("/usr/sbin/sshd", "sshd_config")


def test_a_host_without_sshd_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "_USUAL_PLACES", ("/nonexistent/sshd",))
    monkeypatch.setattr(program, "listeners", lambda: ())
    with pytest.raises(SshdError, match="sshd is not found"):
        find_sshd()


@pytest.mark.parametrize(
    "script",
    [
        "exit 255",
        '[ "$1" = -t ] && exit 0; exit 1',  # it takes the configuration, and then says nothing of it
        '[ "$1" = -t ] && exit 0; echo port 22; [ "$2" = -f ] || exit 1',  # it answers nothing about a login
    ],
)
def test_the_doctor_calls_nothing_closed_that_it_could_not_ask_about(tmp_path: Path, script: str) -> None:
    findings = sshd_findings(an_sshd(tmp_path, script), accounts=("root",), running=False)
    assert findings
    assert {finding.status for finding in findings} <= {Status.BROKEN, Status.UNKNOWN}

"""What keeps the gate from being switched on: a clear sentence, its exit status, and nothing changed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from activation_host import ActivationHost, tree
from activation_process import end, in_a_process, logins
from gate import CONFIGURATION
from sshd import Sshd

from secsign_gate.activation import reload
from secsign_gate.activation.trial import NoTrial

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate import Gate


@pytest.fixture
def host(gate: Gate, tmp_path: Path) -> Iterator[ActivationHost]:
    gate.user("alice", secsign_id="alice")
    made = ActivationHost(gate, tmp_path)
    yield made
    made.close()


def refused(host: ActivationHost, *words: str, status: int = 1) -> str:
    """Run `enable`, which must fail with this status and change nothing; return its sentence."""
    before = list(tree(host.sshd.folder))
    done = host.enable(*words)
    assert done.returncode == status, done
    assert [one for one in tree(host.sshd.folder) if not one[0].endswith("sshd_config.d")] == [
        one for one in before if not one[0].endswith("sshd_config.d")
    ]
    host.wait_until_undone()
    assert done.stderr.startswith("secsign-gate: ")
    return done.stderr.removeprefix("secsign-gate: ").rstrip("\n")


def change_configuration(host: ActivationHost, old: str, new: str) -> None:
    text = host.sshd.configuration.read_text()
    assert old in text
    host.sshd.configuration.write_text(text.replace(old, new))


def test_a_configuration_that_sshd_does_not_take(host: ActivationHost) -> None:
    change_configuration(host, "UsePAM yes", "UsePAM perhaps")
    sentence = refused(host)
    assert sentence.startswith(f"sshd does not take {host.sshd.configuration}: ")
    assert "unsupported option" in sentence or "bad yes/no argument" in sentence.lower()


def test_a_configuration_that_cannot_be_read(host: ActivationHost) -> None:
    host.sshd.configuration.rename(host.sshd.folder / "elsewhere")
    assert "No such file or directory" in refused(host)


def test_no_sshd(host: ActivationHost) -> None:
    assert "/nowhere/sshd cannot be run (No such file or directory)" in refused(host, "--sshd", "/nowhere/sshd")


def test_two_sshds(host: ActivationHost, tmp_path: Path) -> None:
    with Sshd(tmp_path / "another", {}) as another:
        done = host.run("enable", "--user", "alice", "--yes", "--no-wait")
        assert done.returncode == 1
        places = sorted([str(host.sshd.configuration), str(another.configuration)])
        assert done.stderr == (
            f"secsign-gate: several sshds listen here, with the configurations {places[0]} and {places[1]}; "
            "say which by --sshd-config\n"
        )


def test_drop_ins_are_not_included(host: ActivationHost) -> None:
    change_configuration(host, "Include ", "#Include ")
    sentence = refused(host)
    assert sentence == (
        f"{host.sshd.configuration} does not include {host.sshd.folder}/sshd_config.d; put `Include "
        f"{host.sshd.folder}/sshd_config.d/*.conf` at its top"
    )


def test_drop_ins_are_included_too_late(host: ActivationHost) -> None:
    include = f'Include "{host.sshd.folder}/sshd_config.d/*.conf"'
    change_configuration(host, include, f"Match Address 192.0.2.0/24\n    {include}\nMatch all\n#")
    assert "only below its Match line" in refused(host)


def test_a_directory_that_is_not_read(host: ActivationHost, tmp_path: Path) -> None:
    assert f"does not include {tmp_path}" in refused(host, "--drop-in-directory", str(tmp_path))


def test_a_file_system_that_is_read_only(host: ActivationHost) -> None:
    folder = host.drop_in.parent
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
    try:
        assert "is on a file system that is read-only here" in refused(host)
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_drop_in_that_is_a_link(host: ActivationHost, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.conf").write_text("Banner none\n")
    host.drop_in.symlink_to(tmp_path / "elsewhere.conf")
    assert refused(host) == f"{host.drop_in} is a symbolic link; put a regular file there, or move it away"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--user", "nobody-here"), "there is no account 'nobody-here' on this host"),
        (("--group", "no-such-group"), "there is no group 'no-such-group' on this host"),
        (("--user", "al,ice"), "cannot stand in a Match line of sshd"),
        (("--user", "*"), "cannot stand in a Match line of sshd"),
        (("--user", "alice\n"), "cannot stand in a Match line of sshd"),
        (("--user", "bob"), "maps nobody of whom the gate would stand in front of (bob)"),
        (("--user", "alice", "--break-glass", "alice"), "alice cannot be gated and be the way in"),
        (("--all", "--break-glass", "nobody-here"), "there is no account 'nobody-here' on this host"),
        (("--all", "--break-glass", "carol"), "the way in for a bad day is closed: carol was tried"),
    ],
)
def test_names(host: ActivationHost, words: tuple[str, ...], sentence: str) -> None:
    assert sentence in refused(host, *words)


def test_nobody_is_mapped(host: ActivationHost) -> None:
    (CONFIGURATION / "users").write_text("# nobody yet\n")
    assert "so all of them would be locked out" in refused(host, "--all")


def test_the_id_server_is_down(host: ActivationHost) -> None:
    host.gate.configure(id_server={"url": "https://127.0.0.1:9"})
    assert "no ID server could be asked" in refused(host, status=75)


def test_the_daemon_is_down(host: ActivationHost) -> None:
    assert "so doors would let nobody in; start it first" in refused(host, "--broker", status=75)


def test_our_own_configuration_is_wrong(host: ActivationHost) -> None:
    (CONFIGURATION / "secsign-gate.toml").write_text("[id_server]\nurl = 7\n")
    assert "id_server.url" in refused(host, status=78)


def test_whom_it_is_for_must_be_said_once(host: ActivationHost) -> None:
    assert host.run("enable", "--yes").returncode == 2
    assert host.enable("--all", "--user", "alice").returncode == 2


def test_another_drop_in_would_win(host: ActivationHost) -> None:
    (host.drop_in.parent / "00-a.conf").write_text("Match User alice\n    ForceCommand none\n")
    sentence = refused(host)
    assert sentence.startswith("the doctor finds a hole")
    assert sentence.endswith("everything is as it was before")


def test_a_drop_in_that_another_line_breaks(host: ActivationHost) -> None:
    """What we write is in order by itself, and sshd takes the whole all the same no more."""
    (host.drop_in.parent / "00-a.conf").write_text("Match all\n")
    (host.drop_in.parent / "01-b.conf").write_text("Port 2222\n")
    host.drop_in.write_text("Banner none\n")
    assert host.takes_its_configuration()
    assert host.enable("--no-trial").returncode == 0


def test_an_sshd_that_does_not_read_its_configuration_again(
    host: ActivationHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "_SECONDS", 0.3)
    assert host.sshd._process is not None
    listener = host.sshd._process.pid

    def stop(name: str) -> None:
        if name == "the trial is over":
            os.kill(listener, signal.SIGSTOP)

    pid = in_a_process(host, NoTrial(), stop, says=tmp_path / "says")
    assert end(pid) == 1
    assert "does not read its configuration again" in (tmp_path / "says").read_text()
    assert not host.drop_in.exists()
    os.kill(listener, signal.SIGCONT)
    host.wait_until_undone()


def test_an_sshd_that_dies_of_it_is_started_again_as_it_was(
    host: ActivationHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin/sshd"
    program.parent.mkdir()
    shutil.copy2("/usr/sbin/sshd", program)
    monkeypatch.setattr("sshd.SSHD", str(program))
    host.sshd.stop()
    host.sshd.start()
    host.root.knows("again", host.sshd.address, host.sshd.port)
    program.unlink()
    program.write_text('#!/bin/sh\ncase "$*" in *-D*) exit 1;; esac\nexec /usr/sbin/sshd "$@"\n')
    program.chmod(0o755)
    pid = in_a_process(host, logins(), says=tmp_path / "says")
    assert end(pid) == 1
    assert "has ended in place of reading its configuration again" in (tmp_path / "says").read_text()
    host.wait_until_undone()
    assert host.root.run("ssh", "root@again", "echo in").outcome()[:2] == (0, b"in\n")
    subprocess.run(["pkill", "-f", f"^sshd: /usr/sbin/sshd.*{host.sshd.configuration}"], check=True)


@pytest.mark.usefixtures("host")
def test_another_user_than_root() -> None:
    for command in (("enable", "--user", "alice", "--yes"), ("confirm",), ("disable",)):
        program = ["setpriv", "--reuid=2001", "--clear-groups", "/opt/secsign-gate/bin/secsign-gate", *command]
        done = subprocess.run(program, capture_output=True, text=True, check=False)
        assert done.returncode == 1, done
        assert "only root may change sshd's configuration" in done.stderr

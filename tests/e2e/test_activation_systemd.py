"""Switching the gate on where systemd is process 1: who watches, how sshd is told, and the next boot."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from activation_host import CONFIRM, PROGRAM, forget_changes
from booted import SYSTEMD, Booted, CannotBootError
from gate import let_in_as_root
from ssh_client import SshClient
from sshd import CONNECTIONS_PROGRAM, SSHD, Sshd
from stranger import until

from secsign_gate.activation.arming import BOOT_UNIT, WATCHER
from secsign_gate.activation.change import Phase
from secsign_gate.activation.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate import Gate

SSH_UNIT = """[Service]
ExecStart=/usr/sbin/sshd -D -f {0}
ExecReload=/usr/sbin/sshd -t -f {0}
ExecReload=/bin/kill -HUP $MAINPID
KillMode=process
"""
SOCKET = "[Socket]\nListenStream=127.0.0.1:2222\nAccept={0}\n"
ONE_CONNECTION = """[Service]
ExecStart=-/usr/sbin/sshd -i -f {0}
StandardInput=socket
"""
LINK = f"/etc/systemd/system/sysinit.target.wants/{BOOT_UNIT}"


def booted(*early: str) -> Booted:
    if not Path(SYSTEMD).exists():
        pytest.skip("systemd is not here")
    return Booted(*early)


@pytest.fixture
def sshd(gate: Gate, tmp_path: Path) -> Iterator[Sshd]:
    """An sshd's configuration; nothing runs."""
    gate.user("alice", secsign_id="alice")
    made = Sshd(tmp_path / "sshd", {})
    made.settings_for("alice")  # writes it
    yield made
    forget_changes()


def drop_in(sshd: Sshd) -> Path:
    return sshd.folder / "sshd_config.d/00-secsign-gate.conf"


def enable(host: Booted, sshd: Sshd, minutes: str = "5", *, check: bool = True) -> str:
    words = ("--sshd-config", sshd.configuration, "--minutes", minutes, "--yes", "--no-wait", "--no-trial")
    return host.run(PROGRAM, "enable", "--user", "alice", *words, check=check)


def test_watched_by_a_service_and_told_by_systemctl(sshd: Sshd) -> None:
    try:
        with booted() as host:
            host.run("mkdir", "-p", "/run/sshd")
            unit = SSH_UNIT.format(sshd.configuration)
            host.run("sh", "-c", f"printf %s '{unit}' > /run/systemd/system/ssh.service; systemctl daemon-reload")
            host.run("systemctl", "start", "ssh.service")
            listener = host.show("ssh.service", "MainPID")
            listens = f"grep -q ':0016 .* 0A ' /proc/{listener}/net/tcp"  # port 22, LISTEN
            host.run("sh", "-c", f"until {listens}; do sleep 0.05; done")
            said = enable(host, sshd, "0.05")
            (watcher,) = re.findall(rf"the undo is ready \(({WATCHER}-\d+\.service)\)", said)
            assert f"sshd {listener} (ssh.service) reads it" in said
            assert host.run("systemctl", "is-enabled", BOOT_UNIT).strip() == "enabled"
            assert host.show(watcher, "KillMode") == "control-group"
            until(lambda: not Journal().exists())
            assert not drop_in(sshd).exists()
            assert host.show("ssh.service", "MainPID") == listener
            until(lambda: "inactive" in host.run("systemctl", "is-active", watcher, check=False))
            assert host.run("ls", LINK, check=False).startswith("ls: cannot access")
    except CannotBootError as error:
        pytest.skip(str(error))


def test_a_watcher_that_is_killed_is_started_again(sshd: Sshd) -> None:
    try:
        with booted() as host:
            host.run("mkdir", "-p", "/run/sshd")
            enable(host, sshd, "0.05")
            host.run("systemctl", "kill", "--signal=KILL", f"{WATCHER}-*.service")
            until(lambda: not Journal().exists())
            assert not drop_in(sshd).exists()
    except CannotBootError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("unit", ["inside.service", ""])
def test_an_sshd_that_ended_meanwhile_is_started_as_what_it_was_and_outlives_the_watcher(sshd: Sshd, unit: str) -> None:
    """As the service that it was, whatever that is called; one that was started by hand gets a service of its own."""
    listening = ["pgrep", "-f", f"^(sshd: )?/usr/sbin/sshd .*{sshd.configuration}"]
    try:
        with booted() as host:
            host.run("mkdir", "-p", "/run/sshd")
            if unit:
                text = SSH_UNIT.format(sshd.configuration)
                host.run("sh", "-c", f"printf %s '{text}' > /run/systemd/system/{unit}; systemctl daemon-reload")
                host.run("systemctl", "start", unit)
            else:
                host.run("/usr/sbin/sshd", "-f", sshd.configuration)
            host.run("sh", "-c", "until grep -q ':0016 .* 0A ' /proc/net/tcp; do sleep 0.05; done")
            enable(host, sshd, "0.05")
            host.run("pkill", "--signal=KILL", *listening[1:])
            until(lambda: not Journal().exists())
            until(lambda: not host.run("systemctl", "list-units", "--plain", "--no-legend", f"{WATCHER}-*").strip())
            assert len(host.run(*listening).split()) == 1
            if unit:
                assert host.run("systemctl", "is-active", unit).strip() == "active"
    except CannotBootError as error:
        pytest.skip(str(error))


def test_where_systemd_starts_an_sshd_for_each_connection(sshd: Sshd, tmp_path: Path) -> None:
    """No sshd listens (ssh.socket): each reads the files as they are, and a login by one of them confirms."""
    root = SshClient(tmp_path / "root")
    root.knows("host", "127.0.0.1", 2222)
    let_in_as_root(root.public_key)
    try:
        with booted() as host:
            host.run("mkdir", "-p", "/run/sshd")
            units = (("ssh.socket", SOCKET.format("yes")), ("ssh@.service", ONE_CONNECTION.format(sshd.configuration)))
            for name, text in units:
                host.run("sh", "-c", f"printf %s '{text}' > /run/systemd/system/{name}")
            host.run("systemctl", "daemon-reload")
            host.run("systemctl", "start", "ssh.socket")
            assert "no sshd listens that would have to read it again" in enable(host, sshd)
            confirmed = root.run("ssh", "root@host", CONFIRM).outcome()
            assert confirmed.status == 0, confirmed
            host.run(PROGRAM, "disable")
            assert not drop_in(sshd).exists()
    except CannotBootError as error:
        pytest.skip(str(error))
    finally:
        root.close()


@pytest.mark.parametrize("kill_mode", ["process", "control-group"])
def test_where_systemd_listens_for_the_one_sshd(sshd: Sshd, tmp_path: Path, kill_mode: str) -> None:
    """As Ubuntu has it (ssh.socket, Accept=no): told to read its files again, such an sshd ends."""
    if SSHD == CONNECTIONS_PROGRAM:
        pytest.skip("Debian's sshd takes a socket of systemd's from 9.6 on")
    root = SshClient(tmp_path / "root")
    root.knows("host", "127.0.0.1", 2222)
    let_in_as_root(root.public_key)
    service = SSH_UNIT.format(sshd.configuration).replace("KillMode=process", f"KillMode={kill_mode}\nType=notify")
    typed, keyboard = (os.fdopen(end, mode) for end, mode in zip(os.pipe(), ("rb", "wb"), strict=True))
    try:
        with typed, booted() as host:
            for name, text in (("ssh.socket", SOCKET.format("no")), ("ssh.service", service)):
                host.run("sh", "-c", f"printf %s '{text}' > /run/systemd/system/{name}")
            host.run("sh", "-c", "mkdir -p /run/sshd; systemctl daemon-reload; systemctl start ssh.socket")
            session = root.run("ssh", "root@host", f"touch {tmp_path}/open; cat", stdin=typed)
            until((tmp_path / "open").exists)
            listener = host.show("ssh.service", "MainPID")
            if kill_mode == "process":
                assert f"sshd {listener} (ssh.service) was started anew" in enable(host, sshd)
                assert drop_in(sshd).exists()
            else:
                assert "would cut the sessions" in enable(host, sshd, check=False)
                assert not drop_in(sshd).exists()
                assert host.show("ssh.service", "MainPID") == listener
            with keyboard:
                keyboard.write(b"still there\n")
            assert session.outcome().stdout == b"still there\n"
            if kill_mode == "process":
                confirmed = root.run("ssh", "root@host", CONFIRM).outcome()
                assert confirmed.status == 0, confirmed
                host.run(PROGRAM, "disable")
                assert not drop_in(sshd).exists()
            assert root.run("ssh", "root@host", "true").outcome().status == 0
    except CannotBootError as error:
        pytest.skip(str(error))
    finally:
        root.close()


def test_what_is_not_confirmed_is_undone_at_the_next_boot_before_sshd(sshd: Sshd) -> None:
    try:
        with booted() as host:
            host.run("mkdir", "-p", "/run/sshd")
            enable(host, sshd)
            assert {"ssh.service", "ssh.socket", "sysinit.target"} <= set(host.show(BOOT_UNIT, "Before").split())
        change = Journal().read()
        assert change is not None
        assert change.phase is Phase.WAITING
        assert drop_in(sshd).exists()
        with booted(BOOT_UNIT) as host:
            assert host.show(BOOT_UNIT, "Result") == "success"
            assert not Journal().exists()
            assert not drop_in(sshd).exists()
            assert host.run("ls", LINK, check=False).startswith("ls: cannot access")
    except CannotBootError as error:
        pytest.skip(str(error))


def test_what_is_confirmed_stays_at_the_next_boot(sshd: Sshd) -> None:
    try:
        with booted() as host:
            host.run("mkdir", "-p", "/run/sshd")
            enable(host, sshd)
            host.run(PROGRAM, "confirm", "--at-the-console")
            assert host.run("ls", LINK, check=False).startswith("ls: cannot access")
        with booted(BOOT_UNIT):  # as if it had been left
            assert drop_in(sshd).exists()
            change = Journal().read()
            assert change is not None
            assert change.phase is Phase.CONFIRMED
        assert subprocess.run([PROGRAM, "disable"], check=False).returncode == 0
        assert not drop_in(sshd).exists()
    except CannotBootError as error:
        pytest.skip(str(error))

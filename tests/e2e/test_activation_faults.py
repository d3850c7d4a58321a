"""What can break while the gate is switched on or off, and that the undo comes through all of it."""

from __future__ import annotations

import os
import signal
import subprocess
import syslog
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from activation_host import CONFIRM, PROGRAM, ActivationHost
from activation_process import end, in_a_process
from stranger import until

from secsign_gate.activation import arming
from secsign_gate.activation.arming import watcher_is_there
from secsign_gate.activation.change import Phase
from secsign_gate.activation.confirm import ConfirmError, confirm, disable
from secsign_gate.activation.journal import DEFAULT_FOLDER
from secsign_gate.activation.trial import NoTrial

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate import Gate

OLD = "# somebody's own drop-in of this name\nBanner none\n"
STEPS = (
    "disabling is on record",
    "undo is armed",
    "undo is on record",
    "a file is put back",
    "sshd runs the old configuration",
    "nothing is armed",
)


@pytest.fixture
def host(gate: Gate, tmp_path: Path) -> Iterator[ActivationHost]:
    gate.user("alice", secsign_id="alice")
    made = ActivationHost(gate, tmp_path, {"00-secsign-gate.conf": OLD})
    yield made
    made.close()


def confirmed(host: ActivationHost) -> None:
    assert host.enable("--no-trial").returncode == 0
    assert host.ssh(CONFIRM).outcome().status == 0
    until(lambda: not watcher_is_there(host.journal))


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def killed_while_disabling(host: ActivationHost, step: str) -> None:
    def at_step(name: str) -> None:
        if name == step:
            os.kill(os.getpid(), signal.SIGKILL)

    pid = os.fork()
    if pid == 0:
        try:
            disable(host.journal, "/opt/secsign-gate", say=lambda _: None, at_step=at_step)
        finally:
            os._exit(1)
    assert end(pid) == -signal.SIGKILL


@pytest.mark.parametrize("step", STEPS)
def test_disable_killed_at_a_step_is_finished_by_itself(host: ActivationHost, step: str) -> None:
    confirmed(host)
    killed_while_disabling(host, step)
    assert host.takes_its_configuration()
    if step == STEPS[0]:  # nothing else was done yet; any command goes on with it
        assert "a change to sshd was undone: the gate was switched off" in host.run("check").stderr
    host.wait_until_undone()
    assert host.drop_in.read_text() == OLD
    assert host.forced() == "none"
    assert host.ssh("echo in").outcome()[:2] == (0, b"in\n")


def test_confirm_killed_when_it_is_on_record_has_confirmed(host: ActivationHost) -> None:
    def at_step(name: str) -> None:
        assert name == "confirmed"
        os.kill(os.getpid(), signal.SIGKILL)

    assert host.enable("--no-trial").returncode == 0
    pid = os.fork()
    if pid == 0:
        try:
            confirm(host.journal, at_the_console=True, at_step=at_step)
        finally:
            os._exit(1)
    assert end(pid) == -signal.SIGKILL
    until(lambda: not watcher_is_there(host.journal))  # it has seen that, too
    assert host.run("disable", "--unconfirmed", "--at-boot").stdout == "no change waits to be confirmed\n"
    assert "secsign-gate-force-command" in host.forced()
    assert host.run("disable").returncode == 0
    assert host.drop_in.read_text() == OLD


def test_a_disk_that_is_full_when_it_is_to_wait(host: ActivationHost, tmp_path: Path) -> None:
    """The undo itself finds no room for its own record, and puts the files back all the same."""
    Path(DEFAULT_FOLDER).mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k,mode=0700", "tmpfs", DEFAULT_FOLDER], check=True)
    try:

        def fill(name: str) -> None:
            if name == "logins are tried":
                subprocess.run(["dd", "if=/dev/zero", f"of={DEFAULT_FOLDER}/full"], check=False, stderr=-3)

        assert end(in_a_process(host, NoTrial(), fill, says=tmp_path / "says")) == 1
        said = (tmp_path / "says").read_text()
        assert "No space left on device" in said
        assert said.endswith("everything is as it was before")
        assert host.drop_in.read_text() == OLD
        host.wait_until_undone()
    finally:
        subprocess.run(["umount", DEFAULT_FOLDER], check=True)


def test_a_file_system_that_became_read_only_is_waited_for(host: ActivationHost) -> None:
    assert host.enable("--no-trial", minutes=0.01).returncode == 0
    with read_only(host.drop_in.parent):
        until(lambda: (change := host.journal.read()) is not None and change.phase is Phase.UNDOING)
        assert watcher_is_there(host.journal)
        assert "Read-only file system" in host.run("check").stderr
    host.wait_until_undone()
    assert host.drop_in.read_text() == OLD


def test_a_configuration_that_somebody_broke_meanwhile_is_waited_for(host: ActivationHost) -> None:
    """The files are put back, and sshd is told once it would survive that."""
    assert host.enable("--no-trial", minutes=0.01).returncode == 0
    broken = host.drop_in.parent / "50-broken.conf"
    broken.write_text("Nonsense yes\n")
    until(lambda: host.drop_in.read_text() == OLD)
    assert host.run("disable", "--unconfirmed").returncode == 1
    assert host.ssh("echo in").outcome()[:2] == (0, b"in\n")  # sshd goes on with what it has
    broken.unlink()
    host.wait_until_undone()
    assert "received SIGHUP" in host.sshd.log.lower() or "Received SIGHUP" in host.sshd.log


def test_the_systems_log_knows_of_an_undo_whoever_does_it(
    host: ActivationHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(name: str) -> None:
        if name == "checkpoint is on disk":
            os.kill(os.getpid(), signal.SIGKILL)

    end(in_a_process(host, NoTrial(), kill))
    said: list[str] = []
    monkeypatch.setattr(syslog, "syslog", lambda _, sentence: said.append(sentence))
    with pytest.raises(ConfirmError, match="it is too late"):
        confirm(host.journal)
    assert said == ["undone: the command that made the change was interrupted"]


def test_a_change_by_hand_while_it_waits_is_not_lost(host: ActivationHost) -> None:
    assert host.enable("--no-trial", minutes=0.02).returncode == 0
    edited = host.drop_in.read_text() + "# by hand\n"
    host.drop_in.write_text(edited)
    host.wait_until_undone()
    assert host.drop_in.read_text() == OLD
    assert Path(DEFAULT_FOLDER, f"{host.drop_in.name}.1").read_text() == edited


def test_a_journal_that_is_damaged_is_said_and_left_alone(host: ActivationHost) -> None:
    confirmed(host)
    path = Path(host.journal.path)
    path.write_text(path.read_text()[:-100])
    for command in (("disable",), ("confirm",), ("enable", "--user", "alice", "--yes", "--no-wait")):
        done = host.run(*command)
        assert done.returncode == 1
        assert "is damaged or of another version" in done.stderr
    assert "a change to sshd could not be undone" in host.run("check").stderr
    assert host.forced() != "none"


def test_a_journal_of_somebody_elses_is_not_believed(host: ActivationHost) -> None:
    confirmed(host)
    os.chown(host.journal.path, 2001, 2001)
    done = host.run("disable")
    assert (done.returncode, "is not a file of root's alone" in done.stderr) == (1, True)
    os.chown(host.journal.path, 0, 0)
    Path(DEFAULT_FOLDER).chmod(0o777)
    assert "is not a folder of root's alone" in host.run("disable").stderr
    Path(DEFAULT_FOLDER).chmod(0o700)
    parent = Path(DEFAULT_FOLDER).parent
    os.chown(parent, 2001, 2001)
    assert f"{parent} is not a folder of root's alone" in host.run("disable").stderr
    os.chown(parent, 0, 0)
    assert host.run("disable").returncode == 0


def test_without_an_undo_nothing_is_begun(
    host: ActivationHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arming, "_watch", lambda _: ["/bin/false"])
    assert end(in_a_process(host, NoTrial(), says=tmp_path / "says")) == 1
    assert (tmp_path / "says").read_text() == (
        "the process that would undo the change cannot be started; nothing was changed"
    )
    assert host.drop_in.read_text() == OLD
    assert not host.journal.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signals_while_it_waits_change_nothing(host: ActivationHost, number: signal.Signals) -> None:
    words = [PROGRAM, "enable", "--user", "alice", "--sshd-config", str(host.sshd.configuration), "--yes", "--no-trial"]
    waiting = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    shown = waiting.stdout
    assert shown is not None
    until(lambda: shown.readline().startswith("The gate stands in front of alice"))
    os.kill(waiting.pid, number)
    _, complained = waiting.communicate()
    assert waiting.returncode == (130 if number is signal.SIGINT else -number)
    if number is signal.SIGINT:
        assert "it still waits to be confirmed" in complained
    assert watcher_is_there(host.journal)
    assert host.ssh(CONFIRM).outcome().status == 0


def test_the_watcher_heeds_no_signal_but_one(host: ActivationHost) -> None:
    assert host.enable("--no-trial", minutes=0.05).returncode == 0
    watcher = int(Path(host.journal.watcher_lock).read_text())
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        os.kill(watcher, number)
    host.wait_until_undone()
    assert host.drop_in.read_text() == OLD

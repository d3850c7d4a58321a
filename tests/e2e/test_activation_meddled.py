"""What others do while a change to sshd waits, or long after: nobody is locked out, nobody is told what is not so."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from activation_host import CONFIRM, ActivationHost
from sshd import Sshd
from stranger import until

from secsign_gate.activation.arming import watcher_is_there
from secsign_gate.activation.change import Change, Moment, Phase
from secsign_gate.activation.journal import DEFAULT_FOLDER, now
from secsign_gate.activation.process import start_time
from secsign_gate.activation.watch import end_who_hangs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate import Gate

HOLDER = """
import os, sys, time
from secsign_gate.activation.journal import Journal
with Journal(sys.argv[1]).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def host(gate: Gate, tmp_path: Path) -> Iterator[ActivationHost]:
    gate.user("alice", secsign_id="alice")
    made = ActivationHost(gate, tmp_path)
    yield made
    made.close()


def confirmed(host: ActivationHost) -> Change:
    assert host.enable("--no-trial").returncode == 0
    assert host.ssh(CONFIRM).outcome().status == 0
    until(lambda: not watcher_is_there(host.journal))
    change = host.journal.read()
    assert change is not None
    return change


def long_ago(moment: Moment) -> Moment:
    return moment.later(-1_000_000)


def test_a_record_that_is_deleted_while_it_waits_is_no_way_to_keep_the_change(host: ActivationHost) -> None:
    assert host.enable("--no-trial", minutes=0.05).returncode == 0
    shutil.rmtree(DEFAULT_FOLDER)
    until(lambda: not host.drop_in.exists())
    host.wait_until_undone()
    assert host.forced() == "none"


def test_a_record_that_is_damaged_while_it_waits_keeps_nothing_from_being_undone(host: ActivationHost) -> None:
    assert host.enable("--no-trial", minutes=0.05).returncode == 0
    Path(host.journal.path).write_text("nothing that anybody could read")
    until(lambda: not host.drop_in.exists())
    host.wait_until_undone()


def test_the_way_by_hand_that_is_documented_is_not_worked_against(host: ActivationHost) -> None:
    assert host.enable("--no-trial").returncode == 0
    host.drop_in.unlink()
    Path(host.journal.path).unlink()
    until(lambda: not watcher_is_there(host.journal))
    assert not host.journal.exists()


def test_what_is_no_longer_what_was_tried_is_not_confirmed(host: ActivationHost) -> None:
    assert host.enable("--no-trial").returncode == 0
    host.drop_in.write_text(host.drop_in.read_text().replace("ForceCommand", "#ForceCommand"))
    refused = host.ssh(CONFIRM).outcome()
    assert (refused.status, b"is no longer what was tried" in refused.stderr) == (1, True)
    assert host.run("disable", "--unconfirmed").returncode == 0
    assert not host.drop_in.exists()


def test_disabling_long_after_the_change(host: ActivationHost) -> None:
    change = confirmed(host)
    host.journal.write(change._replace(deadline=long_ago(change.deadline)))
    done = host.run("disable")
    assert (done.returncode, done.stderr) == (0, "")


def test_who_works_on_an_old_change_is_not_taken_for_one_who_hangs(host: ActivationHost) -> None:
    change = confirmed(host)._replace(phase=Phase.UNDOING, deadline=long_ago(now()))
    command = [sys.executable, "-c", HOLDER, DEFAULT_FOLDER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert host.journal.holder() == (holder.pid, start_time(holder.pid))
        end_who_hangs(host.journal, change)
        assert host.run("disable").stderr.startswith(f"secsign-gate: another secsign-gate (process {holder.pid}) is ")
        holder.stdin.close()
        assert holder.wait() == 0


def test_an_sshd_that_was_stopped_for_good_is_not_started_by_disable(host: ActivationHost) -> None:
    confirmed(host)
    host.sshd.stop()
    assert host.run("disable").returncode == 0
    assert not host.drop_in.exists()
    listening = subprocess.run(["pgrep", "-f", str(host.sshd.configuration)], check=False, stdout=subprocess.DEVNULL)
    assert listening.returncode == 1


def test_another_sshd_is_not_gated_at_the_cost_of_the_first(host: ActivationHost, tmp_path: Path) -> None:
    confirmed(host)
    with Sshd(tmp_path / "another", {}) as another:
        words = ("--user", "alice", "--sshd-config", str(another.configuration), "--yes", "--no-wait")
        done = host.run("enable", *words)
        assert done.returncode == 1
        assert f"the gate is switched on for the sshd of {host.sshd.configuration}" in done.stderr
    assert host.forced() != "none"


@pytest.mark.parametrize("written", ["{}/", "{}/../sshd_config.d", "relative"])
def test_a_directory_that_is_written_in_another_way(
    host: ActivationHost, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    folder = host.drop_in.parent
    monkeypatch.chdir(folder.parent)
    named = folder.name if written == "relative" else written.format(folder)
    assert host.enable("--no-trial", "--drop-in-directory", named).returncode == 0
    assert host.ssh(CONFIRM).outcome().status == 0
    assert host.enable("--no-trial").stdout == "the drop-in says this already; nothing had to be changed\n"
    assert host.run("disable").returncode == 0
    assert not host.drop_in.exists()


def test_a_program_of_a_users_that_is_called_sshd_is_not_asked_and_in_nobodys_way(
    host: ActivationHost,
) -> None:
    program = Path("/run/alices/sshd")
    program.parent.mkdir()
    shutil.copy2(os.path.realpath(sys.executable), program)
    listen = "import socket, time; s = socket.create_server(('127.0.0.1', 0)); print(flush=True); time.sleep(999)"
    as_alice = ["setpriv", "--reuid=2001", "--clear-groups", str(program), "-I", "-c", listen]
    with subprocess.Popen(as_alice, stdout=subprocess.PIPE, env={"PYTHONHOME": "/usr"}) as running:
        try:
            assert running.stdout is not None
            assert running.stdout.readline() == b"\n"
            done = host.run("enable", "--user", "alice", "--dry-run")
            assert (done.returncode, done.stderr) == (0, "")
        finally:
            running.kill()
            shutil.rmtree(program.parent)


def test_a_change_by_hand_does_not_keep_the_undo_waiting_where_the_disk_is_full(host: ActivationHost) -> None:
    Path(DEFAULT_FOLDER).mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", DEFAULT_FOLDER], check=True)
    try:
        assert host.enable("--no-trial", minutes=0.03).returncode == 0
        subprocess.run(["dd", "if=/dev/zero", f"of={DEFAULT_FOLDER}/full"], check=False, stderr=-3)
        edited = host.drop_in.read_text() + "# by hand\n"
        host.drop_in.write_text(edited)
        until(lambda: not host.drop_in.exists())
        assert host.drop_in.with_name(f"{host.drop_in.name}.by-hand").read_text() == edited
        host.wait_until_undone()
    finally:
        subprocess.run(["umount", DEFAULT_FOLDER], check=True)


def test_the_doctor_says_that_a_change_waits(host: ActivationHost) -> None:
    def said() -> str:
        return host.run("doctor", "--offline", "--sshd-config", str(host.sshd.configuration)).stdout

    assert host.enable("--no-trial").returncode == 0
    assert "the gate in front of alice waits to be confirmed" in said()
    assert host.ssh(CONFIRM).outcome().status == 0
    assert "waits to be confirmed" not in said()
    Path(host.journal.path).write_text("nothing that anybody could read")
    assert "is damaged or of another version" in said()

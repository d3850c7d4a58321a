"""Switching the gate on and off at a real sshd: the whole way, who may confirm, and the undo."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from activation_host import CONFIRM, PROGRAM, ActivationHost, tree
from activation_process import end, in_a_process
from running_broker import RunningBroker
from stranger import until

from secsign_gate.activation import enable
from secsign_gate.activation.change import Phase
from secsign_gate.activation.journal import DEFAULT_FOLDER
from secsign_gate.activation.trial import NoTrial
from secsign_gate.core.verdict import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate import Gate, Person

OLD = "# somebody's own drop-in of this name\nBanner none\n"


@pytest.fixture
def alice(gate: Gate) -> Person:
    return gate.user("alice", secsign_id="alice")


@pytest.fixture
def host(gate: Gate, alice: Person, tmp_path: Path) -> Iterator[ActivationHost]:
    made = ActivationHost(gate, tmp_path)
    alice.client.knows("host", made.sshd.address, made.sshd.port)
    yield made
    made.close()


def phase(host: ActivationHost) -> Phase | None:
    change = host.journal.read()
    return None if change is None else change.phase


def denied_on_the_phone(host: ActivationHost, alice: Person) -> bool:
    login = alice.run("ssh", "alice@host", "touch proof")
    host.gate.phone("alice").deny()
    return login.refused(Reason.DENIED_ON_PHONE)


def gets_in(alice: Person) -> bool:
    return alice.run("ssh", "alice@host", "echo in").outcome()[:2] == (0, b"in\n")


def test_enabled_confirmed_from_a_new_login_and_disabled(host: ActivationHost, alice: Person) -> None:
    done = host.enable("--break-glass", "root")
    assert (done.returncode, done.stderr) == (0, "")
    assert "it refused alice in a trial" in done.stdout
    assert "root got in without the gate" in done.stdout
    assert phase(host) is Phase.WAITING
    confirmed = host.ssh(CONFIRM).outcome()
    assert (confirmed.status, confirmed.stderr) == (0, b"")
    assert phase(host) is Phase.CONFIRMED
    assert denied_on_the_phone(host, alice)
    off = host.run("disable")
    assert (off.returncode, off.stderr) == (0, "")
    assert not host.drop_in.exists()
    assert gets_in(alice)
    host.wait_until_undone()
    again = host.run("disable")
    assert again.returncode == 0
    assert again.stdout == (
        "nothing was changed: the gate is not on by `secsign-gate enable`; what was put into sshd_config.d by hand is "
        "taken away by hand\n"
    )


def test_without_a_confirmation_all_is_undone(host: ActivationHost, alice: Person) -> None:
    before = list(tree(host.drop_in.parent))[1:]  # the folder's own time is another
    assert host.enable(minutes=0.02).returncode == 0
    host.wait_until_undone()
    assert list(tree(host.drop_in.parent))[1:] == before
    assert gets_in(alice)
    too_late = host.ssh(CONFIRM).outcome()
    assert (too_late.status, too_late.stderr) == (
        1,
        b"secsign-gate: no change waits to be confirmed: `secsign-gate enable` comes first\n",
    )


def test_the_command_waits_and_says_how_it_ended(host: ActivationHost) -> None:
    words = [PROGRAM, "enable", "--user", "alice", "--sshd-config", str(host.sshd.configuration), "--yes", "--no-trial"]
    waiting = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: phase(host) is Phase.WAITING)
    assert host.ssh(CONFIRM).outcome().status == 0
    said, complained = waiting.communicate()
    assert (waiting.returncode, complained, said.splitlines()[-1]) == (0, "", "confirmed")
    host.run("disable")
    host.wait_until_undone()
    undone = subprocess.run([*words, "--minutes", "0.01"], capture_output=True, text=True, check=False)
    assert undone.returncode == 1
    assert undone.stderr == "secsign-gate: it was not confirmed, so everything is as it was before\n"


def test_open_sessions_go_on_through_all_of_it(host: ActivationHost) -> None:
    read, write = os.pipe()
    with os.fdopen(read, "rb") as stdin:
        session = host.root.run("ssh", "root@host", "read word; echo $word", stdin=stdin)
    until(lambda: "Starting session: command for root" in host.sshd.log)
    assert host.enable().returncode == 0
    assert host.ssh(CONFIRM).outcome().status == 0
    assert host.run("disable").returncode == 0
    os.write(write, b"still here\n")
    os.close(write)
    assert session.outcome()[:2] == (0, b"still here\n")


def test_the_session_that_enabled_it_cannot_confirm_it(host: ActivationHost) -> None:
    words = f"{PROGRAM} enable --user alice --sshd-config {host.sshd.configuration} --yes --no-wait --no-trial"
    login = host.ssh(f"{words} >/dev/null && {CONFIRM}").outcome()
    assert login.status == 1
    assert b"this login began before sshd had read the new configuration" in login.stderr
    assert phase(host) is Phase.WAITING


def test_a_further_channel_of_an_old_connection_cannot_confirm_it(host: ActivationHost, tmp_path: Path) -> None:
    shared = ("-o", f"ControlPath={tmp_path}/mux")
    with host.ssh("sleep 1000", options=("-o", "ControlMaster=yes", *shared)):
        until((tmp_path / "mux").exists)
        assert host.enable("--no-trial").returncode == 0
        by_the_old = host.ssh(CONFIRM, options=shared).outcome()
        assert (by_the_old.status, b"it proves nothing" in by_the_old.stderr) == (1, True)
        assert host.ssh(CONFIRM).outcome().status == 0


def test_no_login_at_all_cannot_confirm_it_but_at_the_console(host: ActivationHost) -> None:
    assert host.enable("--no-trial").returncode == 0
    assert "this is no login by SSH" in host.run("confirm").stderr
    assert "not the console" in host.ssh(CONFIRM, "--at-the-console").outcome().stderr.decode()
    assert host.run("confirm", "--at-the-console").returncode == 0
    assert phase(host) is Phase.CONFIRMED


def test_the_undo_outlives_the_session_that_made_the_change(host: ActivationHost, alice: Person) -> None:
    words = f"{PROGRAM} enable --user alice --sshd-config {host.sshd.configuration} --yes --minutes 0.03 --no-trial"
    with host.ssh("-tt", words) as session:
        until(lambda: phase(host) is Phase.WAITING)
        session.kill()
    host.wait_until_undone()
    assert gets_in(alice)


def test_an_sshd_that_was_restarted_while_it_waited_is_told_of_the_undo(host: ActivationHost, alice: Person) -> None:
    assert host.enable("--no-trial").returncode == 0
    host.sshd.stop()
    host.sshd.start()
    alice.client.knows("restarted", host.sshd.address, host.sshd.port)
    assert host.run("disable", "--unconfirmed").returncode == 0
    assert alice.run("ssh", "alice@restarted", "echo in").outcome()[:2] == (0, b"in\n")


def test_a_dry_run_changes_nothing(host: ActivationHost) -> None:
    folders = (host.sshd.folder, Path("/var/lib"), Path("/etc"))
    before = list(tree(*folders))
    done = host.enable("--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    assert "+Match User alice" in done.stdout
    assert list(tree(*folders)) == before


def test_where_nobody_can_agree_it_says_how(host: ActivationHost) -> None:
    done = host.run("enable", "--user", "alice", "--sshd-config", str(host.sshd.configuration))
    assert done.returncode == 1
    assert "--yes" in done.stderr
    assert not host.drop_in.exists()


def test_json_for_scripts(host: ActivationHost) -> None:
    planned = json.loads(host.enable("--dry-run", "--json").stdout)
    assert (planned["state"], planned["files"], planned["done"]) == ("planned", [str(host.drop_in)], [])
    assert "+Match User alice\n" in planned["diff"]
    waiting = json.loads(host.enable("--json", "--no-trial").stdout)
    assert (waiting["state"], waiting["served"], waiting["locked_out"]) == ("waiting", ["alice"], [])
    assert waiting["done"][1] == f"{host.drop_in} is written"
    assert host.ssh(CONFIRM).outcome().status == 0
    assert json.loads(host.enable("--json", "--no-trial").stdout)["state"] == "unchanged"


def test_disable_brings_back_a_drop_in_byte_for_byte(host: ActivationHost) -> None:
    host.drop_in.write_text(OLD)
    os.utime(host.drop_in, ns=(1_500_000_000_000_000_001, 1_500_000_000_000_000_001))
    host.drop_in.chmod(0o640)
    os.chown(host.drop_in, 0, 2100)

    def as_it_is() -> tuple[bytes, int, int, int]:
        found = host.drop_in.stat()
        return host.drop_in.read_bytes(), found.st_mode, found.st_gid, found.st_mtime_ns

    before = as_it_is()
    assert host.enable("--no-trial").returncode == 0
    assert host.ssh(CONFIRM).outcome().status == 0
    more = host.enable("--group", "operators", "--no-trial")
    assert (more.returncode, "-Match User alice" in more.stdout) == (0, True)
    assert host.ssh(CONFIRM).outcome().status == 0
    assert host.run("disable").returncode == 0
    assert as_it_is() == before


def test_an_unconfirmed_second_change_leaves_the_confirmed_first(host: ActivationHost) -> None:
    assert host.enable("--no-trial").returncode == 0
    assert host.ssh(CONFIRM).outcome().status == 0
    first = host.drop_in.read_text()
    assert host.enable("--no-trial", "--group", "operators", minutes=0.01).returncode == 0
    until(lambda: phase(host) is Phase.CONFIRMED)
    assert host.drop_in.read_text() == first
    assert host.run("disable").returncode == 0
    assert not host.drop_in.exists()


def test_the_same_again_changes_nothing(host: ActivationHost) -> None:
    assert host.enable("--no-trial").returncode == 0
    assert host.ssh(CONFIRM).outcome().status == 0
    again = host.enable("--no-trial")
    assert (again.returncode, again.stdout) == (0, "the drop-in says this already; nothing had to be changed\n")


def test_what_was_changed_by_hand_is_not_overwritten_and_not_lost(host: ActivationHost) -> None:
    assert host.enable("--no-trial").returncode == 0
    assert host.ssh(CONFIRM).outcome().status == 0
    edited = host.drop_in.read_text() + "    # by hand\n"
    host.drop_in.write_text(edited)
    again = host.enable("--group", "operators")
    assert again.returncode == 1
    assert "has been changed by hand since" in again.stderr
    assert host.drop_in.read_text() == edited
    off = host.run("disable")
    assert off.returncode == 0
    assert not host.drop_in.exists()
    assert Path(DEFAULT_FOLDER, f"{host.drop_in.name}.1").read_text() == edited


def test_two_at_once(host: ActivationHost) -> None:
    first = in_a_process(host, NoTrial(), lambda _: os.kill(os.getpid(), signal.SIGSTOP))
    os.waitpid(first, os.WUNTRACED)
    second = host.enable("--no-trial")
    assert second.returncode == 1
    assert second.stderr == (
        f"secsign-gate: another secsign-gate (process {first}) is changing sshd's configuration, or asks whether it "
        "should; wait until it is done, or end it\n"
    )
    assert "another secsign-gate" in host.run("disable").stderr
    os.kill(first, signal.SIGKILL)
    end(first)
    assert host.enable("--no-trial").returncode == 0
    assert "not confirmed yet" in host.enable("--no-trial").stderr


def test_a_command_that_hangs_does_not_keep_the_undo_waiting(
    host: ActivationHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enable, "_TO_WORK", 0.5)

    def stop(name: str) -> None:
        if name == "a file is written":
            os.kill(os.getpid(), signal.SIGSTOP)

    stopped = in_a_process(host, NoTrial(), stop)
    os.waitpid(stopped, os.WUNTRACED)
    host.wait_until_undone()
    assert end(stopped) == -signal.SIGKILL
    assert not host.drop_in.exists()


def test_real_logins_by_keys_that_are_named(host: ActivationHost, alice: Person) -> None:
    keys = ("--identity", str(alice.client.key), "--break-glass-identity", str(host.root.key))
    done = host.enable("--break-glass", "root", *keys)
    assert (done.returncode, done.stderr) == (0, "")
    place = f"at 127.0.0.1 port {host.sshd.port}"
    assert f"the gate asks: alice was asked {place}, and the request withdrawn" in done.stdout
    assert f"root got in without the gate, {place}" in done.stdout
    until(lambda: [one["disposed"] for one in host.gate.phone("alice").auth_sessions()] == ["cancel"])


def test_real_logins_by_the_keys_of_an_agent(
    host: ActivationHost, alice: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    assert "no agent with a key is reached" in host.enable("--identity", "agent").stderr
    assert not host.drop_in.exists()
    socket = tmp_path / "agent"
    monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
    with subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL) as agent:
        until(socket.exists)
        subprocess.run(["ssh-add", "-q", alice.client.key], check=True)
        done = host.enable("--identity", "agent")
        agent.terminate()
    assert (done.returncode, done.stderr) == (0, "")
    assert f"the gate asks: alice was asked at 127.0.0.1 port {host.sshd.port}" in done.stdout


def test_doors_that_ask_the_daemon(host: ActivationHost, alice: Person) -> None:
    with RunningBroker():
        done = host.enable("--identity", str(alice.client.key))
        assert (done.returncode, done.stderr) == (0, "")
        assert "+    ForceCommand exec /opt/secsign-gate/bin/python3 -I -S " in done.stdout
        assert "--broker /run/secsign-gate/broker.sock" in host.drop_in.read_text()
        assert "the gate asks: alice" in done.stdout


def test_any_later_command_undoes_what_is_due(host: ActivationHost) -> None:
    def kill(name: str) -> None:
        if name == "checkpoint is on disk":
            os.kill(os.getpid(), signal.SIGKILL)

    end(in_a_process(host, NoTrial(), kill))
    assert host.journal.exists()
    assert "a change to sshd was undone: the command that made the change was interrupted" in host.run("check").stderr
    assert not host.journal.exists()

"""The broker as systemd runs it, within all the bounds of the shipped unit."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import drop_in
import pytest
from booted import SYSTEMD, UNITS, Booted, CannotBootError

from secsign_gate.broker.least_privilege import CAP_SYS_PTRACE
from secsign_gate.core.verdict import Reason

if TYPE_CHECKING:
    from gate import Gate

SERVICE = "secsign-gate.service"
SOCKET = "secsign-gate.socket"
PROGRAM = ("/opt/secsign-gate/bin/python3", "-I", "-m", "secsign_gate")


@pytest.fixture(scope="module")
def systemd() -> Iterator[Booted]:
    if not Path(SYSTEMD).exists():
        pytest.skip("systemd is not here")
    try:
        with Booted() as booted:
            booted.run("systemd-sysusers", UNITS / "sysusers.d/secsign-gate.conf")
            booted.run("systemd-tmpfiles", "--create", UNITS / "tmpfiles.d/secsign-gate.conf")
            yield booted
    except CannotBootError as error:
        pytest.skip(str(error))


@pytest.fixture
def host(gate: Gate, systemd: Booted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Booted]:
    """A host whose sshd, started where systemd is, has doors that ask the broker; alice has a phone."""
    sshd = tmp_path / "sshd"
    sshd.write_text(f'#!/bin/sh\nexec {" ".join(systemd.enter)} /usr/sbin/sshd "$@"\n')
    sshd.chmod(0o755)
    monkeypatch.setattr("sshd.SSHD", str(sshd))
    gate.drop_in = drop_in.asking("/run/secsign-gate/broker.sock")
    systemd.run("mkdir", "-p", "/run/sshd")
    systemd.run("systemctl", "reset-failed")
    systemd.run("systemctl", "start", SOCKET)
    yield systemd
    systemd.run("systemctl", "stop", SOCKET, SERVICE)
    systemd.run("rm", "-rf", f"/run/systemd/system/{SERVICE}.d")
    systemd.run("systemctl", "daemon-reload")


def drop_in_for(host: Booted, line: str) -> None:
    """Add a line to [Service], as `systemctl edit` would."""
    place = f"/run/systemd/system/{SERVICE}.d"
    host.run("sh", "-c", f"mkdir -p {place} && printf '[Service]\\n%s\\n' '{line}' > {place}/more.conf")
    host.run("systemctl", "daemon-reload")


def records(host: Booted) -> list[dict[str, Any]]:
    """Return what `secsign-gate log` finds where the broker logs."""
    host.run("journalctl", "--sync")
    return [json.loads(line) for line in host.run(*PROGRAM, "log", "--json").splitlines()]


def test_the_first_login_starts_it_and_is_proven_and_on_record(gate: Gate, host: Booted) -> None:
    gate.configure(audit={"file": "/var/log/secsign-gate/verdicts.jsonl"})
    alice = gate.user("alice", secsign_id="alice")
    assert host.show(SERVICE, "ActiveState") == "inactive"
    login = alice.ssh("echo inside; exit 7")
    gate.phone("alice").accept()
    assert login.outcome()[:2] == (7, b"inside\n")
    assert host.show(SERVICE, "StatusText") == "serving"
    (record,) = records(host)
    assert (record["ground"], record["account"]) == ("approved", "alice")
    assert "unproven" not in record
    owner = host.run("id", "-u", "secsign-gate").strip()
    assert host.run("stat", "--format=%u %a", "/var/log/secsign-gate/verdicts.jsonl") == f"{owner} 600\n"
    assert json.loads(host.run("journalctl", "-t", "secsign-gate", "-o", "cat", "-n", "1")) == record


def test_what_it_can_do_while_it_serves(host: Booted, gate: Gate) -> None:
    del gate
    host.run("systemctl", "start", SERVICE)
    group = host.show(SERVICE, "ControlGroup")
    found = {}
    for pid in host.run("cat", f"/sys/fs/cgroup{group}/cgroup.procs").split():
        status = dict(re.findall(r"(?m)^(\w+):\s*(.*)$", host.run("cat", f"/proc/{pid}/status")))
        found[pid] = (set(status["Uid"].split()), int(status["CapPrm"], 16), status["NoNewPrivs"])
    account = {host.run("id", "-u", "secsign-gate").strip()}
    broker = host.show(SERVICE, "MainPID")
    assert found.pop(broker) == (account, 0, "1")
    ((monitor, rights),) = found.items()
    assert rights == (account, 1 << CAP_SYS_PTRACE, "1")
    inside = [f"--target={monitor}", "--mount", "--"]
    for command in ("echo 1 > /proc/self/oom_score_adj", "echo x > /etc/x", "echo x > /usr/x"):
        assert "Read-only file system" in host.run("nsenter", *inside, "sh", "-c", command, check=False)
    assert host.run("nsenter", *inside, "ls", "/home", "/root").split() == ["/home:", "/root:"]


@pytest.mark.parametrize("line", ["CapabilityBoundingSet=~CAP_DAC_READ_SEARCH", "SystemCallFilter=~pidfd_getfd"])
def test_a_connection_is_proven_by_either_capability(gate: Gate, host: Booted, line: str) -> None:
    """Where descriptors can be copied nothing is listed, and where none can the tables are read."""
    gate.configure(policy={"exempt_networks": ["127.0.0.1"]})  # of what is not proven nothing is exempt
    alice = gate.user("alice", secsign_id="alice")
    drop_in_for(host, line)
    host.run("systemctl", "start", SERVICE)
    assert alice.ssh("echo proven").outcome()[:2] == (0, b"proven\n")


def test_new_orders_by_reload(gate: Gate, host: Booted) -> None:
    alice = gate.user("alice", secsign_id="alice")
    host.run("systemctl", "start", SERVICE)
    gate.configure(policy={"exempt_networks": ["127.0.0.1"]})
    host.run("systemctl", "reload", SERVICE)
    assert alice.ssh("echo proven").outcome()[:2] == (0, b"proven\n")
    gate.configure(policy={"exempt_networks": ["nowhere"]})
    host.run("systemctl", "reload", SERVICE)
    until(lambda: "exempt_networks" in host.show(SERVICE, "StatusText"))
    assert alice.ssh("echo proven").outcome()[:2] == (0, b"proven\n")


def test_one_that_is_killed_or_stopped_dead_is_started_again(gate: Gate, host: Booted) -> None:
    gate.configure(policy={"exempt_networks": ["127.0.0.1"]})
    alice = gate.user("alice", secsign_id="alice")
    drop_in_for(host, "WatchdogSec=2s")
    host.run("systemctl", "start", SERVICE)
    host.run("kill", "-KILL", host.show(SERVICE, "MainPID"))
    assert alice.ssh("echo again").outcome()[:2] == (0, b"again\n")
    assert host.show(SERVICE, "NRestarts") == "1"
    host.run("kill", "-STOP", host.show(SERVICE, "MainPID"))
    until(lambda: host.show(SERVICE, "NRestarts") == "2")
    assert alice.ssh("echo again").outcome()[:2] == (0, b"again\n")


def test_who_waits_when_it_is_stopped_is_refused(gate: Gate, host: Booted) -> None:
    alice = gate.user("alice", secsign_id="alice")
    login = alice.ssh("touch proof")
    gate.phone("alice").wait()
    host.run("systemctl", "stop", SERVICE)
    outcome = login.outcome()
    assert (outcome.status, outcome.stdout) == (75, b"")
    assert not alice.has("proof")
    assert records(host)[-1]["reason"] == Reason.BROKER_STOPPING


def test_wrong_orders_at_the_start_are_told_and_mended_without_anybody_logging_in(gate: Gate, host: Booted) -> None:
    gate.configure(policy={"exempt_networks": ["nowhere"]})
    said = subprocess.run([*host.enter, "systemctl", "start", SERVICE], capture_output=True, check=False)
    assert said.returncode == 1
    host.run("journalctl", "--sync")
    assert "policy.exempt_networks" in host.run("journalctl", "-t", "secsign-gate-broker", "-o", "cat", "-n", "5")
    gate.configure(policy={"exempt_networks": ["127.0.0.1"]})
    alice = gate.user("alice", secsign_id="alice")
    assert alice.ssh("echo in").outcome()[:2] == (0, b"in\n")


def until(true: Callable[[], bool]) -> None:
    while not true():
        pass

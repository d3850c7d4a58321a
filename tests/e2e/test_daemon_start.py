"""How the daemon begins: its monitor before anything secret is read, and nobody is served under wrong orders."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import drop_in
from gate import CONFIGURATION, PIN_ACCOUNT
from running_broker import FOLDER, PROGRAM, SOCKET, RunningBroker

from secsign_gate.broker.monitor import NAME
from secsign_gate.core.verdict import CONFIGURATION_ERROR

if TYPE_CHECKING:
    from gate import Gate


def started() -> subprocess.CompletedProcess[str]:
    """Start a daemon that is to end by itself, and its monitor with it."""
    done = subprocess.run([PROGRAM, "broker"], capture_output=True, text=True, check=False, timeout=60)
    while any(name_of(folder) == NAME for folder in Path("/proc").glob("[0-9]*")):
        pass
    return done


def name_of(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()
    except OSError:
        return ""  # it has ended


def memory_holds(pid: int, secret: bytes) -> bool:
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            area, rights = line.split()[:2]
            begin, end = (int(number, 16) for number in area.split("-"))
            if rights.startswith("rw"):
                memory.seek(begin)
                if secret in memory.read(end - begin):
                    return True
    return False


def test_the_monitor_has_never_seen_the_secret_of_the_pin_account(gate: Gate) -> None:
    gate.speak_rest()
    os.chown(CONFIGURATION / "pin-account", 0, pwd.getpwnam("secsign-gate").pw_gid)
    secret = PIN_ACCOUNT.partition(":")[2].encode()
    with RunningBroker() as broker:
        assert memory_holds(broker.pid, secret)
        assert not memory_holds(broker.monitor, secret)


def test_wrong_orders_are_told_and_no_monitor_is_left(gate: Gate) -> None:
    SOCKET.unlink(missing_ok=True)  # of another test's broker
    gate.configure(push={"wait_seconds": 1}, policy={"exempt_networks": ["nowhere"]})
    done = started()
    assert done.returncode == CONFIGURATION_ERROR
    assert "push.wait_seconds: is out of range" in done.stderr
    assert "policy.exempt_networks" in done.stderr
    assert not SOCKET.exists()


def test_an_account_that_is_not_there_is_told_after_what_else_is_wrong(gate: Gate) -> None:
    gate.configure(broker={"account": "nobody-here"})
    done = started()
    assert done.returncode == CONFIGURATION_ERROR
    assert "broker.account: there is no account nobody-here" in done.stderr
    gate.configure(push={"wait_seconds": 1})
    done = started()
    assert done.returncode == CONFIGURATION_ERROR
    assert "push.wait_seconds" in done.stderr
    assert "nobody-here" not in done.stderr


def test_everybody_may_go_in_to_the_socket_whatever_the_umask(gate: Gate) -> None:
    gate.configure(policy={"exempt_accounts": "alice"})
    gate.drop_in = drop_in.asking(str(SOCKET))
    shutil.rmtree(FOLDER, ignore_errors=True)
    broker = RunningBroker()
    before = os.umask(0o077)
    try:
        broker.start()
    finally:
        os.umask(before)
    assert stat.S_IMODE(FOLDER.stat().st_mode) == 0o755
    assert gate.user("alice").ssh("echo in").outcome()[:2] == (0, b"in\n")
    broker.kill()

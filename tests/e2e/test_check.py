"""`secsign-gate check` on a host with the daemon, as root runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from gate import CONFIGURATION, PIN_ACCOUNT
from running_broker import FOLDER, PROGRAM, SOCKET, RunningBroker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gate import Gate


@pytest.fixture
def broker(gate: Gate) -> Iterator[RunningBroker]:
    gate.configure(broker={"account": "secsign-gate"})
    with RunningBroker() as running:
        running.status()  # by then it hears signals
        yield running


def check(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROGRAM, "check", *arguments], capture_output=True, text=True, check=False)


def what_it_says_of_the_daemon() -> list[str]:
    """Return the line about the daemon and what follows, of a check that finds nothing wrong."""
    done = check()
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("daemon: "))
    return [line for line in lines[start:] if "maps nobody" not in line]


def test_one_that_serves(broker: RunningBroker) -> None:
    assert what_it_says_of_the_daemon() == [f"daemon: serving at {SOCKET}, pid {broker.pid}, 0 waiting"]
    assert json.loads(check("--json").stdout)["daemon"] == {"socket": str(SOCKET), "state": "serving"}


def test_orders_that_it_has_not_read(gate: Gate, broker: RunningBroker) -> None:
    gate.add_to_users_file("alice alice")
    _, note = what_it_says_of_the_daemon()
    assert note.startswith("note: the daemon has not read these orders since they were changed")
    broker.reload()
    assert len(what_it_says_of_the_daemon()) == 1


def test_orders_that_it_could_not_use(gate: Gate, broker: RunningBroker) -> None:
    gate.configure(push={"wait_seconds": 1})
    broker.reload()
    gate.configure(push={"wait_seconds": None})
    _, note = what_it_says_of_the_daemon()
    assert "could not use these orders when it last read them" in note


@pytest.mark.usefixtures("broker")
def test_other_orders_than_those_that_are_checked() -> None:
    other = CONFIGURATION / "other.toml"
    other.write_text((CONFIGURATION / "secsign-gate.toml").read_text())
    done = check("--config", str(other))
    assert f"note: the daemon serves under the orders in {CONFIGURATION}/secsign-gate.toml" in done.stdout


def test_one_that_does_not_answer(broker: RunningBroker) -> None:
    broker.kill(signal.SIGKILL)
    line, note = what_it_says_of_the_daemon()
    assert line == f"daemon: does not answer at {SOCKET}"
    assert note.startswith("note: doors that ask the daemon let nobody in until it serves: systemctl start")


def test_what_the_daemons_account_may_not_read_or_write(gate: Gate, tmp_path: Path) -> None:
    """The switch from embedded to daemon: the secret was for the users' group, the record for root."""
    secret = CONFIGURATION / "pin-account"
    secret.write_text(PIN_ACCOUNT + "\n")
    secret.chmod(0o600)
    gate.configure(id_server={"dialect": "rest", "pin_account_file": "pin-account"}, broker={"account": "secsign-gate"})
    done = check()
    assert done.returncode == 78
    assert f"{secret}: may not be read by " in done.stderr
    os.chown(secret, 0, 2101)
    secret.chmod(0o640)
    assert check().returncode == 0
    gate.configure(audit={"file": str(tmp_path / "verdicts.jsonl")})
    done = check()
    assert done.returncode == 78
    assert f"audit.file: {tmp_path}/verdicts.jsonl cannot be written by secsign-gate" in done.stderr


@pytest.mark.usefixtures("broker")
def test_a_folder_that_is_not_roots_alone() -> None:
    FOLDER.chmod(0o775)
    try:
        done = check()
    finally:
        FOLDER.chmod(0o755)
    assert done.returncode == 78
    assert f"{FOLDER} is not a folder of root's alone; choose another" in done.stderr

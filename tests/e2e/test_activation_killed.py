"""`enable` ended by SIGKILL at each named step and at a hundred random moments: nothing is ever half-done.

At any moment sshd would start with what is on disk, and that is the old configuration or the whole new one; afterwards
it is the old one, brought back by the watcher or, where that was killed as well, as at the next boot.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from activation_host import PROGRAM, ActivationHost
from activation_process import end, in_a_process, logins

from secsign_gate.activation.arming import watcher_is_there
from secsign_gate.activation.confirm import undo_unconfirmed
from secsign_gate.activation.journal import BusyError
from secsign_gate.activation.trial import NoTrial

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate import Gate

    from secsign_gate.activation.trial import Trial

STEPS = (
    "checkpoint is on disk",
    "undo is armed",
    "a file is written",
    "sshd takes the configuration",
    "the trial is over",
    "sshd runs the configuration",
    "logins are tried",
    "waits to be confirmed",
)
SAID = (
    "",
    "the undo is ready",
    " is written",
    "nothing open with it",
    "no login was tried",
    " reads it",
    "Log in anew",
)
OLD = "# somebody's own drop-in of this name\nBanner none\n"
MOMENTS = 100
BY_COMMAND = 5  # each fifth of them ends the command itself, as the administrator runs it
SEED = 20261126


@pytest.fixture
def host(gate: Gate, tmp_path: Path) -> Iterator[ActivationHost]:
    gate.user("alice", secsign_id="alice")
    made = ActivationHost(gate, tmp_path, {"00-secsign-gate.conf": OLD})
    yield made
    made.close()


def require_old_or_new(host: ActivationHost) -> str:
    text = host.drop_in.read_text()
    assert text == OLD or text.startswith("# Written by `secsign-gate enable`")
    assert text == OLD or text.endswith("#AuthenticationMethods publickey\n")
    assert host.takes_its_configuration()
    return "old" if text == OLD else "new"


def require_old(host: ActivationHost) -> None:
    assert host.drop_in.read_text() == OLD
    assert [path.name for path in host.drop_in.parent.iterdir()] == [host.drop_in.name]
    assert host.takes_its_configuration()
    with socket.create_connection((host.sshd.address, host.sshd.port), 30) as connection:
        assert connection.recv(4) == b"SSH-"


def kill_watcher(host: ActivationHost) -> None:
    while watcher_is_there(host.journal):
        with suppress(ValueError, ProcessLookupError):
            os.kill(int(Path(host.journal.watcher_lock).read_text()), signal.SIGKILL)


def undo_as_at_boot(host: ActivationHost) -> None:
    while True:
        try:
            undo_unconfirmed(host.journal, at_boot=True)
        except BusyError:  # who was killed lets go of one lock after the other
            time.sleep(0.005)
        else:
            return


def run_until(host: ActivationHost, step: str, trial: Trial, seconds: float) -> int:
    """Run `enable` and return its pid once it has passed the step, or ended; at once for the step ""."""
    passed, passing = os.pipe()

    def at_step(name: str) -> None:
        if name == step:
            os.write(passing, b".")

    pid = in_a_process(host, trial, at_step, seconds=seconds)
    os.close(passing)
    if step:
        os.read(passed, 1)  # returns at the end of the process as well
    os.close(passed)
    return pid


def run_command_until(host: ActivationHost, words: str) -> int:
    """Run `secsign-gate enable` and return its pid once it has said the words, or ended; at once for the words ""."""
    command = [PROGRAM, "enable", "--user", "alice", "--break-glass", "root", "--yes", "--no-trial"]
    command += ["--minutes", "0.01", "--sshd-config", str(host.sshd.configuration)]
    said, saying = os.pipe()
    pid = os.posix_spawn(PROGRAM, command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, saying, 1)])
    os.close(saying)
    with os.fdopen(said) as lines:
        if words:
            next((line for line in lines if words in line), "")
    return pid


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_a_step(host: ActivationHost, step: str) -> None:
    def at_step(name: str) -> None:
        if name == step:
            os.kill(os.getpid(), signal.SIGKILL)

    assert end(in_a_process(host, logins(), at_step, seconds=1)) == -signal.SIGKILL
    require_old_or_new(host)
    if step != "checkpoint is on disk":
        host.wait_until_undone()
    else:  # the undo was not armed, for nothing was changed: any command clears it away
        assert (
            host.run("check").stderr
            == "secsign-gate: a change to sshd was undone: the command that made the change was interrupted\n"
        )
    require_old(host)


def test_killed_at_a_hundred_random_moments(host: ActivationHost) -> None:
    """Each is a random time after a random step, so that a busy machine does not move all of them to one place."""
    rolled = random.Random(SEED)
    found: Counter[str] = Counter()
    for number in range(MOMENTS):
        if number % BY_COMMAND:
            pid = run_until(host, rolled.choice(("", *STEPS)), NoTrial() if number % 10 else logins(), 0)
            time.sleep(rolled.uniform(0, 0.1))
        else:
            words = rolled.choice(SAID)
            pid = run_command_until(host, words)
            time.sleep(rolled.uniform(0, 0.1 if words else 0.6))
        os.kill(pid, signal.SIGKILL)
        end(pid)
        change = host.journal.read()
        found[f"{'nothing' if change is None else change.phase} on record, {require_old_or_new(host)} files"] += 1
        if number % 2 and change is not None:  # the power fails: the watcher is gone, and so is sshd
            kill_watcher(host)
            require_old_or_new(host)
            host.sshd.stop()
            if number % 10 == 1:
                undone = host.run("disable", "--unconfirmed", "--at-boot")
                assert undone.returncode == 0, undone
            else:  # the same without a new interpreter
                undo_as_at_boot(host)
            host.sshd.start()
        host.wait_until_undone()
        require_old(host)
        if not number % 2 or change is None:  # the others have been started anew already
            host.sshd.stop()
            host.sshd.start()
            require_old(host)
    print(dict(found))
    assert sum(found.values()) == MOMENTS
    assert {"armed on record, old files", "armed on record, new files"} <= found.keys()

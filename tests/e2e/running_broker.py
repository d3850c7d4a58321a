"""The broker as a daemon, started as root on the private host, as an administrator without systemd would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

PROGRAM = "/opt/secsign-gate/bin/secsign-gate"
FOLDER = Path("/run/secsign-gate")
SOCKET = FOLDER / "broker.sock"
PATIENCE = 30.0  # seconds; a guard against hanging, never an expectation


def _command_line(folder: Path) -> bytes:
    try:
        return (folder / "cmdline").read_bytes()
    except OSError:
        return b""  # it has ended


class BrokerError(Exception):
    """The broker ended, or did not start; str() is what it said."""


class RunningBroker:
    """A context manager; it serves when it is entered. `said` is what it wrote on standard error so far.

    `environment` is what it, and nothing else, finds in its environment besides what the tests have.
    """

    def __init__(self, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        self._arguments = arguments
        self._environment = dict(environment or {})
        self._said: list[str] = []
        self._grew = threading.Condition()
        self.process: subprocess.Popen[str] | None = None

    @property
    def said(self) -> str:
        return "".join(self._said)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def monitor(self) -> int:
        """The pid of the privileged half: the other process with the broker's command line."""
        command = Path(f"/proc/{self.pid}/cmdline").read_bytes()
        (found,) = [
            int(folder.name)
            for folder in Path("/proc").glob("[0-9]*")
            if folder.name != str(self.pid) and _command_line(folder) == command
        ]
        return found

    def start(self) -> None:
        """Start, and wait until it serves. Raises BrokerError."""
        self._said.clear()
        self.process = subprocess.Popen(
            [PROGRAM, "broker", *self._arguments],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **self._environment},
        )
        threading.Thread(target=self._listen, args=(self.process,), daemon=True).start()
        self.wait_for("serving doors")

    def wait_for(self, words: str) -> None:
        """Wait until it has said this. Raises BrokerError if it ends before, or never says it."""
        with self._grew:
            self._grew.wait_for(lambda: words in self.said or self._ended(), PATIENCE)
        if words not in self.said:
            raise BrokerError(self.said)

    def reload(self) -> None:
        """Have it read its orders again; returns once it has said what came of that."""
        before = self.said.count("orders are")
        os.kill(self.pid, signal.SIGHUP)
        with self._grew:
            told = self._grew.wait_for(lambda: self.said.count("orders are") > before or self._ended(), PATIENCE)
        if not told or self._ended():
            raise BrokerError(self.said)

    def kill(self, number: int = signal.SIGKILL) -> int:
        """Send it a signal and wait for its end; return its status as subprocess does."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def status(self) -> dict[str, Any]:
        """Return `secsign-gate status --json`."""
        shown = subprocess.run([PROGRAM, "status", "--json"], capture_output=True, text=True, check=False)
        if shown.returncode not in (0, 1):
            raise BrokerError(shown.stderr)
        found: dict[str, Any] = json.loads(shown.stdout)
        return found

    def _ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                with self._grew:
                    self._said.append(line)
                    self._grew.notify_all()
        process.wait()
        with self._grew:
            self._grew.notify_all()

    def __enter__(self) -> Self:
        FOLDER.mkdir(exist_ok=True)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if not self._ended():
            self.kill(signal.SIGTERM)
        for left in FOLDER.glob("*.sock"):  # the broker itself may not remove them; a host without a daemon has none
            left.unlink()

"""The system's log as a socket of the test's: what was sent to /dev/log, and the gate's records in it."""

from __future__ import annotations

import json
import re
import select
import socket
import threading
from pathlib import Path
from typing import Any, Self

DEV_LOG = Path("/dev/log").resolve()  # a link, as on most systems
OURS = re.compile(r"<(\d+)>secsign-gate\[\d+\]: (\{.*\})", re.DOTALL)


class SystemLog:
    """A context manager that takes the place of the system's log daemon. Nothing sent before a look is ever missed."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._taking = threading.Lock()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._ended = threading.Event()

    def lines(self) -> list[str]:
        """Return every message since `forget`, with its <priority>."""
        self._take()
        return list(self._lines)

    def records(self) -> list[dict[str, Any]]:
        """Return the gate's audit records since `forget`, oldest first."""
        found = [OURS.fullmatch(line) for line in self.lines()]
        return [json.loads(match.group(2)) for match in found if match]

    def forget(self) -> None:
        self._take()
        self._lines.clear()

    def _take(self) -> None:
        """Take what is queued. A sender has its message in the queue when its send returns."""
        with self._taking:
            while True:
                try:
                    message = self._socket.recv(65536, socket.MSG_DONTWAIT)
                except BlockingIOError:
                    return
                self._lines.append(message.decode(errors="replace").rstrip("\0\n"))

    def _take_until_ended(self) -> None:
        """Keep the queue short: senders would block."""
        while not self._ended.is_set():
            select.select([self._socket], [], [], 0.2)
            self._take()

    def __enter__(self) -> Self:
        DEV_LOG.unlink(missing_ok=True)
        self._socket.bind(str(DEV_LOG))
        DEV_LOG.chmod(0o666)
        self._taker = threading.Thread(target=self._take_until_ended, daemon=True)
        self._taker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._taker.join()
        self._socket.close()
        DEV_LOG.unlink(missing_ok=True)

"""The broker daemon, started with a benchmark's orders, ready, and stopped at the end."""

import os
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from gated_host import DOOR, PREFIX, Memory, memory_of

SOCKET = Path("/run/secsign-gate/broker.sock")
COMMAND = [f"{PREFIX}/bin/python3", "-I", "-m", "secsign_gate", "broker", "--config"]
DOOR_OF_DAEMON = f"{DOOR} --broker {SOCKET}"
MONITOR = "secsign-monitor"  # as the kernel calls it; it is no child of the broker
SECONDS_TO_START = 30.0
RELOADED = "new orders are in force"


class BrokerDaemon:
    """`secsign-gate broker --config ORDERS`, a context manager; ready inside it, as it says to a service manager."""

    def __init__(self, orders: Path) -> None:
        self._orders = orders
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._said.close()

    def start(self) -> None:
        """Start it and wait until it is ready. Raises RuntimeError with what it said if it is not."""
        with (
            tempfile.TemporaryDirectory(dir="/run") as folder,
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard,
        ):
            Path(folder).chmod(0o755)
            heard.bind(f"{folder}/notify")
            Path(f"{folder}/notify").chmod(0o666)  # it says so from its own account
            heard.settimeout(0.5)
            self._process = subprocess.Popen(
                [*COMMAND, str(self._orders)],
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "NOTIFY_SOCKET": f"{folder}/notify"},
                stdin=subprocess.DEVNULL,
                stdout=self._said,
                stderr=self._said,
            )
            given_up = time.monotonic() + SECONDS_TO_START
            said = b""
            while b"READY=1" not in said.split(b"\n"):
                if self._process.poll() is not None or time.monotonic() > given_up:
                    self.stop()
                    raise RuntimeError(f"the broker did not start: {self.said()}")
                with suppress(TimeoutError):
                    said = heard.recv(4096)

    def stop(self) -> None:
        """End it as a service manager would."""
        self._process.terminate()
        self._process.wait()

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, and wait for nothing."""
        self._process.send_signal(number)

    def reload(self) -> None:
        """Have it read its orders again, and wait until it says that they are in force. Raises RuntimeError if not."""
        already = self.said().count(RELOADED)
        self.send_signal(signal.SIGHUP)
        given_up = time.monotonic() + SECONDS_TO_START
        while self.said().count(RELOADED) == already:
            if time.monotonic() > given_up:
                raise RuntimeError(f"the broker did not reload: {self.said()}")
            time.sleep(0.01)

    def said(self) -> str:
        """Return what it wrote to standard output and error."""
        size = os.fstat(self._said.fileno()).st_size
        return os.pread(self._said.fileno(), size, 0).decode()  # the place in the file is the broker's, too

    def memory(self) -> Memory:
        """Return what the broker and the process that holds its privileges have in memory."""
        monitors = [int(comm.parent.name) for comm in Path("/proc").glob("[0-9]*/comm") if _name_in(comm) == MONITOR]
        sizes = [memory_of(pid) for pid in (self._process.pid, *monitors)]
        return Memory(sum(size.pss for size in sizes), sum(size.private for size in sizes))


def _name_in(comm: Path) -> str:
    try:
        return comm.read_text().strip()
    except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
        return ""

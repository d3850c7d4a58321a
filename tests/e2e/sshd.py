"""A real sshd on a loopback port of its own, with Debian's sshd_config and the drop-ins that a test gives it."""

from __future__ import annotations

import re
import socket
import subprocess
import threading
from pathlib import Path
from typing import Self

SSHD = "/usr/sbin/sshd"
SSHD_SESSION = "/usr/lib/openssh/sshd-session"
CONNECTIONS_PROGRAM = SSHD_SESSION if Path(SSHD_SESSION).exists() else SSHD
"""What a connection's processes run: from OpenSSH 9.8 on a program of its own (release notes of 9.8)."""
DEBIANS_SETTINGS = Path("/etc/ssh/sshd_config")
HOST_KEYS = sorted(Path("/etc/ssh").glob("ssh_host_*_key"))
READY = re.compile(r"Server listening on .* port (\d+)\.")
TAKEN = re.compile(r"Bind to port \d+ on .* failed: Address already in use")
SECONDS_TO_START = 20


class SshdError(Exception):
    """sshd did not start; str() is what it said."""


class Sshd:
    """A context manager. `port` is known inside it; `log` is all that sshd and its children wrote.

    `drop_ins` become files of an `sshd_config.d`, read first, as Debian's Include does. `settings` are lines for this
    one server (UsePAM, LogLevel …) and win over Debian's sshd_config, but not over a Match block of a drop-in.
    """

    def __init__(self, folder: Path, drop_ins: dict[str, str], settings: str = "", address: str = "127.0.0.1") -> None:
        self.folder = folder
        self.address = address
        self.port = 0
        self._settings = settings
        self._log: list[str] = []
        self._log_grew = threading.Condition()
        self._process: subprocess.Popen[str] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        included = folder / "sshd_config.d"
        included.mkdir(exist_ok=True)
        for name, text in drop_ins.items():
            (included / name).write_text(text)

    @property
    def configuration(self) -> Path:
        return self.folder / "sshd_config"

    @property
    def log(self) -> str:
        return "".join(self._log)

    def start(self) -> None:
        """Listen on a free port. Raises SshdError."""
        Path("/run/sshd").mkdir(exist_ok=True)
        while self.port == 0:
            self._start_on(_free_port(self.address))

    def stop(self) -> None:
        """End the listener and every connection that it accepted."""
        if self._process is None:
            return
        for pid in _descendants(self._process.pid):
            _signal(pid)
        self._process.kill()
        self._process.wait()
        self._process = None
        self.port = 0

    def settings_for(self, account: str, client: str = "192.0.2.7", **criteria: str) -> dict[str, list[str]]:
        """Return `sshd -T -C …`: every effective setting by its lower-case name, with all its values in order.

        All fields of -C are given: on 9.2 a field left out makes its Match silently not match.
        """
        if not self.configuration.exists():
            self._write_configuration(22)
        fields = {"user": account, "host": client, "addr": client, "laddr": self.address, "lport": "22"} | criteria
        criterion = ",".join(f"{name}={value}" for name, value in fields.items())
        shown = subprocess.run(
            [SSHD, "-T", "-f", self.configuration, "-C", criterion], capture_output=True, text=True, check=False
        )
        if shown.returncode:
            raise SshdError(shown.stderr.strip())
        settings: dict[str, list[str]] = {}
        for line in shown.stdout.splitlines():
            name, _, value = line.partition(" ")
            settings.setdefault(name, []).append(value)
        return settings

    def wait_for_log(self, pattern: str, seconds: float = SECONDS_TO_START) -> re.Match[str]:
        """Return the first match of `pattern` in what sshd logs, waiting for it. Raises SshdError."""
        found: re.Match[str] | None = None

        def looked() -> bool:
            nonlocal found
            found = re.search(pattern, self.log)
            return found is not None or (self._process is not None and self._process.poll() is not None)

        with self._log_grew:
            self._log_grew.wait_for(looked, seconds)
        if found is None:
            raise SshdError(f"sshd never logged {pattern!r}; it said:\n{self.log}")
        return found

    def _start_on(self, port: int) -> None:
        self._write_configuration(port)
        self._log.clear()
        self._process = subprocess.Popen(
            [SSHD, "-D", "-e", "-f", self.configuration],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        )
        threading.Thread(target=self._collect_log, daemon=True).start()
        try:
            self.wait_for_log(READY.pattern)
        except SshdError:
            self.stop()
            if not TAKEN.search(self.log):  # another process was quicker with this port: another one, then
                raise
        else:
            self.port = port

    def _collect_log(self) -> None:
        process = self._process
        assert process is not None
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                with self._log_grew:
                    self._log.append(line)
                    self._log_grew.notify_all()
        process.wait()
        with self._log_grew:
            self._log_grew.notify_all()

    def _write_configuration(self, port: int) -> None:
        own = [f"Port {port}", f"ListenAddress {self.address}", "PidFile none", "LogLevel VERBOSE"]
        own += [f"HostKey {key}" for key in HOST_KEYS]
        debians = DEBIANS_SETTINGS.read_text()
        include = re.compile(r"^Include .*$", re.MULTILINE)
        text = include.sub(f'Include "{self.folder}/sshd_config.d/*.conf"\n{self._settings}', debians, count=1)
        self.configuration.write_text("\n".join(own) + "\n" + text)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port


def _descendants(pid: int) -> list[int]:
    try:
        children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
        return []
    return [*children, *(grandchild for child in children for grandchild in _descendants(child))]


def _signal(pid: int) -> None:
    subprocess.run(["kill", "-KILL", str(pid)], check=False, stderr=subprocess.DEVNULL)

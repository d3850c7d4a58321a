"""OpenSSH's client programs, run against the servers of a test as a person would run them."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from terminal import Terminal

LONGEST_WAIT = 60.0  # seconds; a guard against hanging, never an expectation


class Outcome(NamedTuple):
    """What a client program left behind."""

    status: int  # exit status; minus the signal's number if a signal ended the program
    stdout: bytes
    stderr: bytes


class Session:
    """A client program that is running without a terminal. Input goes in with `send`; `outcome` waits for the end."""

    def __init__(
        self, command: Sequence[str | Path], stdin: bytes | IO[bytes] | None, environment: Mapping[str, str]
    ) -> None:
        self._input = stdin if isinstance(stdin, bytes) else None
        source = subprocess.PIPE if isinstance(stdin, bytes) else (stdin or subprocess.DEVNULL)
        self.process = subprocess.Popen(
            command,
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
            start_new_session=True,
        )
        self._outcome: Outcome | None = None

    def outcome(self, seconds: float = LONGEST_WAIT) -> Outcome:
        """Wait until the client ends. Raises subprocess.TimeoutExpired."""
        if self._outcome is None:
            stdout, stderr = self.process.communicate(self._input, timeout=seconds)
            self._outcome = Outcome(self.process.returncode, stdout, stderr)
        return self._outcome

    def running(self) -> bool:
        return self.process.poll() is None

    def said(self) -> str:
        """Tell how it went, for the message of a failed test."""
        how = "still running" if self.running() else str(self.outcome())
        return f"{self.process.args!r}: {how}"

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End the client and what it started (scp's and rsync's ssh), as a closed laptop or Ctrl-C does."""
        if self.running():
            os.killpg(self.process.pid, number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        if self._outcome is None:
            self._input = None
            self.outcome()


class SshClient:
    """One person's client: a key, and `Host` names for the servers that it knows.

    `folder` holds the key, known_hosts and ssh_config; it belongs to the test.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.key = folder / "id_ed25519"
        self.configuration = folder / "ssh_config"
        self.started: list[Session | Terminal] = []
        make_key(self.key)
        self._hosts: dict[str, str] = {}

    @property
    def public_key(self) -> str:
        return self.key.with_suffix(".pub").read_text().strip()

    @property
    def fingerprint(self) -> str:
        """SHA256:… as ssh-keygen(1) -l prints it."""
        shown = subprocess.run(["ssh-keygen", "-l", "-f", self.key], capture_output=True, text=True, check=True)
        found = re.search(r"SHA256:\S+", shown.stdout)
        assert found is not None
        return found.group()

    def knows(self, name: str, address: str, port: int, settings: str = "") -> None:
        """Make `ssh NAME` reach the server at `address` and `port`; its keys are those of this machine."""
        known_hosts = self.folder / "known_hosts"
        keys = [path.read_text().split()[:2] for path in sorted(Path("/etc/ssh").glob("ssh_host_*_key.pub"))]
        lines = [f"[{address}]:{port} {' '.join(key)}\n" for key in keys]
        known_hosts.write_text((known_hosts.read_text() if known_hosts.exists() else "") + "".join(lines))
        self._hosts[name] = f"Host {name}\n    HostName {address}\n    Port {port}\n{settings}"
        self.configuration.write_text(
            "".join(self._hosts.values())
            + f'Host *\n    IdentityFile "{self.key}"\n    IdentitiesOnly yes\n    BatchMode yes\n'
            f'    UserKnownHostsFile "{known_hosts}"\n    StrictHostKeyChecking yes\n    LogLevel ERROR\n'
            "    KexAlgorithms curve25519-sha256\n"  # the default costs five times the rest of a connection
        )

    def run(
        self,
        *command: str | Path,
        stdin: bytes | IO[bytes] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Session:
        """Start a client program; `ssh`, `scp` and `sftp` get our configuration, others find it in the environment."""
        with_us = [command[0], "-F", self.configuration] if command[0] in ("ssh", "scp", "sftp") else [command[0]]
        ssh = f"ssh -F {shlex.quote(str(self.configuration))}"
        variables = {"GIT_SSH_COMMAND": ssh, "RSYNC_RSH": ssh} | dict(environment or {})
        session = Session([*with_us, *command[1:]], stdin, variables)
        self.started.append(session)
        return session

    def terminal(
        self, *command: str | Path, rows: int = 24, columns: int = 80, term: str = "xterm-256color"
    ) -> Terminal:
        """Start `ssh …` in a terminal of its own."""
        from terminal import Terminal  # noqa: PLC0415 - it draws by pyte, which the demo does without

        with_us = [command[0], "-F", self.configuration, *command[1:]]
        terminal = Terminal([str(word) for word in with_us], rows=rows, columns=columns, term=term)
        self.started.append(terminal)
        return terminal

    def close(self) -> None:
        """End every client that still runs."""
        for session in self.started:
            session.__exit__()
        self.started.clear()


def make_key(path: Path, kind: str = "ed25519") -> str:
    """Make a key pair without a passphrase; return the public half's line."""
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", path.stem, "-f", path], check=True)
    return path.with_suffix(".pub").read_text().strip()

"""An sshd for one connection, under the very configuration that is to come, which takes a one-time key besides.

`sshd -i` serves the connection on its standard input, as under inetd (sshd(8)): no port of the configuration is opened,
the sshd that listens is not touched, and nothing is left when the connection ends.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from secsign_gate.sshd.program import Sshd

ADDRESS = "127.0.0.1"
_RUN, _NAME = "/run", "secsign-gate-trial-"
_SECONDS = 15.0
_LONGEST_LOG = 4096
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


class TrialSshd:
    """Where it can be reached, and what it has said so far."""

    def __init__(self, port: int, log: IO[bytes]) -> None:
        self.port = port
        self._log = log

    def said(self) -> str:
        """Return its last line of log, for a sentence."""
        self._log.seek(0)
        lines = self._log.read(_LONGEST_LOG * 64)[-_LONGEST_LOG:].decode("utf-8", "replace").splitlines()
        last = next((line for line in reversed(lines) if line.strip()), "")
        return "".join(letter if letter.isprintable() else "?" for letter in last.strip())


@contextmanager
def trial_sshd(sshd: Sshd, key_line: str) -> Iterator[TrialSshd]:
    """Have an sshd that serves one connection to a port of the loopback, and takes the key of `key_line` for anybody.

    Raises OSError if it cannot be had.
    """
    for left in Path(_RUN).glob(f"{_NAME}*"):  # by a trial that was killed; who tries holds the journal's lock
        shutil.rmtree(left, ignore_errors=True)
    folder = tempfile.mkdtemp(prefix=_NAME, dir=_RUN)  # root's own, as StrictModes wants it
    try:
        Path(folder).chmod(0o755)  # sshd reads the file as who logs in
        keys = Path(folder, "authorized_keys")
        keys.write_text(f"{key_line}\n", "ascii")
        keys.chmod(0o644)
        with socket.create_server((ADDRESS, 0)) as listening, tempfile.TemporaryFile() as log:
            options = (f"AuthorizedKeysFile={keys}", "AuthorizedKeysCommand=none", "LogLevel=INFO")
            words = [word for option in options for word in ("-o", option)]
            command = [sshd.executable, "-i", "-e", *words, "-f", sshd.configuration, *sshd.options]
            listening.settimeout(_SECONDS)
            serving = threading.Thread(target=_serve, args=(listening, command, log), daemon=True)
            serving.start()
            try:
                yield TrialSshd(listening.getsockname()[1], log)
            finally:
                with suppress(OSError):
                    listening.shutdown(socket.SHUT_RDWR)  # wakes the thread, should nobody have come
                serving.join(_SECONDS)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _serve(listening: socket.socket, command: list[str], log: IO[bytes]) -> None:
    """Give the first connection to sshd; wait until that has ended."""
    with suppress(OSError, subprocess.TimeoutExpired):
        connection, _ = listening.accept()
        with connection:
            stream = connection.fileno()
            process = subprocess.Popen(
                command, stdin=stream, stdout=stream, stderr=log, env=_ENVIRONMENT, cwd="/", start_new_session=True
            )
        try:
            process.wait(_SECONDS * 2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def loopback_of(addresses: tuple[tuple[str, int], ...]) -> tuple[str, int] | None:
    """Return where this host reaches a server that listens on `addresses`, None if it listens nowhere."""
    for address, port in addresses:
        if address in ("0.0.0.0", "127.0.0.1"):  # noqa: S104 - what it listens on is not ours to say
            return ADDRESS, port
    for address, port in addresses:
        return ("::1" if address == "::" else address), port
    return None


def host_key_lines(paths: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return type and key of the public halves of these host keys; those that are not there are left out."""
    found = []
    for path in paths:
        with suppress(OSError, UnicodeDecodeError):
            words = Path(f"{os.path.expanduser(path)}.pub").read_text("ascii").split()  # noqa: PTH111 - no ~ as a rule
            if len(words) > 1:
                found.append((words[0], words[1]))
    return found

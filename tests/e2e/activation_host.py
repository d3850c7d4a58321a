"""A host whose administrator switches the gate on: an sshd of the test's own, root with a key, and the commands."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from gate import let_in_as_root
from ssh_client import SshClient
from sshd import SSHD, Sshd

from secsign_gate.activation.arming import watcher_is_there
from secsign_gate.activation.checkpoint import put_back
from secsign_gate.activation.journal import DEFAULT_FOLDER, Journal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate import Gate
    from ssh_client import Session

PROGRAM = "/opt/secsign-gate/bin/secsign-gate"
CONFIRM = f"{PROGRAM} confirm"


class ActivationHost:
    """An sshd that listens without the gate; `root` is the administrator's client, `drop_in` where ours would be."""

    def __init__(self, gate: Gate, folder: Path, drop_ins: dict[str, str] | None = None) -> None:
        self.gate = gate
        self.sshd = Sshd(folder / "sshd", drop_ins or {}, "UsePAM yes\n")
        self.sshd.start()
        self.root = SshClient(folder / "root")
        self.root.knows("host", self.sshd.address, self.sshd.port)
        let_in_as_root(self.root.public_key)
        self.drop_in = self.sshd.folder / "sshd_config.d/00-secsign-gate.conf"
        self.journal = Journal()

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of secsign-gate as root, outside of any login."""
        return subprocess.run([PROGRAM, *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)

    def enable(self, *words: str, minutes: float = 5) -> subprocess.CompletedProcess[str]:
        """`secsign-gate enable --user alice` at this sshd, without questions and without waiting."""
        whom = () if {"--user", "--group", "--all"} & set(words) else ("--user", "alice")
        given = ("--sshd-config", str(self.sshd.configuration), "--minutes", str(minutes), "--yes", "--no-wait")
        return self.run("enable", *whom, *given, *words)

    def ssh(self, *command: str, options: tuple[str, ...] = ()) -> Session:
        """Log in as root and run a command."""
        return self.root.run("ssh", *options, "root@host", *command)

    def forced(self, account: str = "alice") -> str:
        """Return what sshd would start for an account under the files as they are now."""
        return self.sshd.settings_for(account)["forcecommand"][0]

    def takes_its_configuration(self) -> bool:
        return subprocess.run([SSHD, "-t", "-f", self.sshd.configuration], check=False).returncode == 0

    def wait_until_undone(self) -> None:
        while self.journal.exists() or watcher_is_there(self.journal):
            time.sleep(0.01)  # the watcher needs the processor, too

    def close(self) -> None:
        self.root.close()
        forget_changes()
        self.sshd.stop()


def forget_changes() -> None:
    """Leave no change and no watcher to the next test. A watcher gives up only once the files are as they were."""
    journal = Journal()
    if not Path(DEFAULT_FOLDER).exists():
        return
    while watcher_is_there(journal):
        change = journal.read()
        for kept in () if change is None else change.before or change.original:
            put_back(kept)
        journal.remove()
    shutil.rmtree(DEFAULT_FOLDER)


def tree(*folders: Path) -> Iterator[tuple[str, int, int, int, int, bytes]]:
    """Yield every file below the folders: name, mode, owner, times and content."""
    for folder in folders:
        for path in sorted([folder, *folder.rglob("*")]):
            found = path.lstat()
            content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            yield str(path), found.st_mode, found.st_uid, found.st_ino, found.st_mtime_ns, content


def environment() -> dict[str, str]:
    return {**os.environ, "NO_COLOR": "1"}

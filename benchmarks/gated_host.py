"""What the benchmarks log in to: people, one sshd with a forced command for some of them, ssh clients, a system log.

Everything is made on the private host of tests/private_host, in memory. People have one key, which lies where root
keeps it, and empty homes, so that two variants of a login differ by the forced command and by nothing else.
"""

import json
import os
import pwd
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, Self

from sshd import Sshd

PREFIX = "/opt/secsign-gate"
PYTHON = f"{PREFIX}/bin/python3"
DOOR_PROGRAM = f"{PREFIX}/bin/secsign-gate-force-command"
DOOR = f"exec {PYTHON} -I -S {DOOR_PROGRAM}"
ADDRESS = "127.0.0.1"
KEYS = Path("/etc/ssh/keys-of-the-benchmarks")
SYSTEM_LOG = Path("/run/system-log-of-the-benchmarks")
FIRST_UID = 20000
SETTINGS = f"""ExposeAuthInfo yes
AuthorizedKeysFile {KEYS}
MaxSessions 1000
MaxStartups 2000
MaxAuthTries 20
"""
CLIENT = {
    "StrictHostKeyChecking": "no",
    "UserKnownHostsFile": "/dev/null",
    "LogLevel": "ERROR",
    "PreferredAuthentications": "publickey",
}


def people(number: int, name: str = "person") -> list[str]:
    """Return the names of so many accounts with bash and an empty home; they are made if they are missing."""
    names = [f"{name}{count}" for count in range(1, number + 1)]
    existing = {entry.pw_name: entry.pw_uid for entry in pwd.getpwall()}
    uid = max([FIRST_UID, *(taken for taken in existing.values() if taken < 2 * FIRST_UID)])
    lines: dict[str, list[str]] = {"passwd": [], "group": [], "shadow": []}
    for account in names:
        if account in existing:
            continue
        uid += 1
        lines["passwd"].append(f"{account}:x:{uid}:{uid}::/home/{account}:/bin/bash\n")
        lines["group"].append(f"{account}:x:{uid}:\n")
        lines["shadow"].append(f"{account}:*:19000:0:99999:7:::\n")
        home = Path("/home", account)
        home.mkdir(mode=0o700)
        os.chown(home, uid, uid)
    for file, added in lines.items():
        with Path("/etc", file).open("a") as database:
            database.writelines(added)
    return names


class GatedHost:
    """A context manager. `forced` says which ForceCommand whom gets: a User pattern of sshd_config, and the command.

    Who matches no pattern has no forced command. `folder` is readable for all, and gone at the end with all in it.
    """

    def __init__(self, folder: Path, forced: Mapping[str, str]) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        self.key = folder / "key"
        blocks = "".join(f"Match User {pattern}\n  ForceCommand {line}\n" for pattern, line in forced.items() if line)
        self.sshd = Sshd(folder / "sshd", {"00-benchmark.conf": SETTINGS + blocks})
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key], check=True)
        KEYS.write_bytes(self.key.with_suffix(".pub").read_bytes())
        KEYS.chmod(0o644)
        self._stack.enter_context(self.sshd)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def ssh(self, account: str, *options: str) -> list[str]:
        """Return an ssh command for this account, of a client without settings of its own."""
        given = [word for name, value in CLIENT.items() for word in ("-o", f"{name}={value}")]
        words = ["ssh", "-F", "none", "-i", str(self.key), "-p", str(self.sshd.port), *given, *options]
        return [*words, f"{account}@{ADDRESS}"]

    @contextmanager
    def connected(self, account: str) -> Iterator[list[str]]:
        """Yield an ssh command that uses a connection of its own, which stands already and has no session yet."""
        control = self.folder / f"{account}.control"
        command = self.ssh(account, "-S", str(control))
        subprocess.run([*command[:1], "-M", "-N", "-f", *command[1:]], check=True, stdin=subprocess.DEVNULL)
        try:
            yield command
        finally:
            subprocess.run([*command[:1], "-O", "exit", *command[1:]], capture_output=True, check=False)

    @contextmanager
    def all_connected(self, accounts: Mapping[str, str]) -> Iterator[dict[str, list[str]]]:
        """Yield `connected` for each: name of a variant, and its account."""
        with ExitStack() as stack:
            yield {name: stack.enter_context(self.connected(account)) for name, account in accounts.items()}


def output_of(command: Sequence[str], line: str) -> str:
    """Run `line` at the far end of an ssh command and return what it writes. Raises RuntimeError if it fails."""
    run = subprocess.run([*command, line], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(f"{line} at {command[-1]} ended with {run.returncode}: {run.stderr.strip()}")
    return run.stdout


@contextmanager
def system_log() -> Iterator[None]:
    """Take what is sent to /dev/log and keep it in SYSTEM_LOG; the private host has no daemon for it."""
    program = (
        "import os, socket\nlog = socket.socket(fileno=0)\nwhile line := log.recv(65536): os.write(1, line + b'\\n')"
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log, SYSTEM_LOG.open("wb") as kept:
        Path("/dev/log").unlink(missing_ok=True)
        log.bind("/dev/log")
        Path("/dev/log").chmod(0o666)
        taking = subprocess.Popen([sys.executable, "-I", "-c", program], stdin=log.fileno(), stdout=kept)
    try:
        yield
    finally:
        taking.kill()
        taking.wait()


def verdicts_since(moment: float) -> list[dict[str, Any]]:
    """Return the records of verdicts that the system log took since `moment`, in seconds since the epoch.

    The time of a record is to the millisecond.
    """
    lines = (line.partition(b"]: ")[2] for line in SYSTEM_LOG.read_bytes().splitlines() if b'"event":"verdict"' in line)
    records = [json.loads(line) for line in lines]
    for record in records:
        record["time"] = datetime.fromisoformat(record["time"]).timestamp()
    return [record for record in records if record["time"] >= moment - 0.001]


def processes_running(program: str) -> list[int]:
    """Return the processes that have `program` among the words of their command line."""
    wanted = os.fsencode(program)
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and wanted in (entry / "cmdline").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError):
            pass  # it ended meanwhile
    return found


class Memory(NamedTuple):
    """What a process has in memory, in KiB: `pss` with its part of what it shares, `private` without (proc(5))."""

    pss: float
    private: float


def memory_of(pid: int) -> Memory:
    """Return what smaps_rollup says of a process."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    sizes = {name: float(size.split()[0]) for name, _, size in (line.partition(":") for line in lines)}
    return Memory(sizes["Pss"], sizes["Private_Clean"] + sizes["Private_Dirty"])

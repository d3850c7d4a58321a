"""The language of the client tests: one script, run on a host without the gate and with it, and all it saw compared.

def git(side: Side) -> list[Outcome]:
    return [side.run("git", "clone", "server:project.git", GIT_SSH_COMMAND=side.ssh)]

def test_git(both: BothWays) -> None:
    both.same(git, pushes=1)
    both.denied(git)
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gate import CONFIGURATION, Gate, fresh_homes
from ssh_client import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from running_simulator import RunningSimulator

LONG_AGO = 1_000_000_000  # seconds; the age of all that clients find
LONGEST_WAIT = 180.0  # seconds; a guard against hanging, never an expectation
ANNOUNCED = re.compile(rb"secsign-gate: accept \w+@private-host on the phone of SecSign ID \S+ within \d+ s\n")
# For shells with a terminal: what it is like, and again after a key.
TYPED = b"stty size; stty -a; echo $TERM $LC_PAPER; echo en''ded; read key; stty size; exit 5\n"
ENDED = b"ended\r\n"
PROMPT = b"alice@private-host:~$ "
LINE_READ = b"\x1b[?2004l\r"  # what bash's line editor writes once it has its line
MUCH = 10_000  # bytes
DATA = random.Random(2016).randbytes(3_000_001)  # larger than a channel's window, and no multiple of anything


class Side(NamedTuple):
    """One of the two ways: where the server is, who logs in, and what clients begin with."""

    port: int
    account: str
    home: Path  # on the server
    folder: Path  # where clients are run; begins with data.bin and tree/, the home with remote.bin and folder/
    settings: Path  # of ssh_config(5), with a Host named `server`; the folder around it is the clients' home
    key: Path
    accepted: bool = True  # by the phone
    host: str = "127.0.0.1"

    def run(self, *command: str | Path, stdin: bytes = b"", status: int = 0, **environment: str) -> Outcome:
        """Run a client in the folder and return what came of it, less the line that the gate announces.

        Raises AssertionError if it does not end with `status`, or where the phone denies, if it does not fail.
        """
        ran = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            cwd=self.folder,
            env=os.environ | {"HOME": str(self.settings.parent)} | environment,
            timeout=LONGEST_WAIT,
            check=False,
        )
        assert (ran.returncode == status) if self.accepted else ran.returncode, ran
        return Outcome(ran.returncode, in_short(ran.stdout), in_short(ran.stderr))

    @property
    def known_hosts(self) -> Path:
        return self.settings.with_name("known_hosts")

    @property
    def data(self) -> bytes:
        """What is in data.bin."""
        return DATA

    @property
    def ssh(self) -> str:
        """The command that git, rsync, lftp and others are told to use; the server's name is `server`."""
        return f"ssh -F {self.settings}"

    def files(self) -> dict[str, str]:
        """Return modes and checksums of all files at both ends; what git keeps for itself is for git to judge."""
        return {
            f"{place}:{path.relative_to(top)}": f"{path.stat().st_mode:o} {checksum(path.read_bytes())}"
            for place, top in (("client", self.folder), ("server", self.home))
            for path in sorted(top.rglob("*"))
            if path.is_file() and not any(part.endswith(".git") for part in path.parts)
        }


def checksum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def in_short(said: bytes) -> bytes:
    """Return what a client said, less the line that the gate announces; of much, only its length and checksum."""
    rest = ANNOUNCED.sub(b"", said)
    return rest if len(rest) < MUCH else f"{len(rest)} bytes: {checksum(rest)}".encode()


def after_the_line(output: bytes) -> bytes:
    """Return what a terminal showed once bash had read the first line at its prompt.

    Before that, there was the gate's screen, and a line that is drawn again if a change of the window reaches bash
    while it is there; whether one does is a matter of microseconds, without the gate as with it.
    """
    before, _, after = output.partition(LINE_READ)
    assert PROMPT in before, output
    return after


class BothWays:
    """One person, two servers, and phones that answer by themselves."""

    def __init__(self, gate: Gate, folder: Path, accepting: RunningSimulator, denying: RunningSimulator) -> None:
        self._gate = gate
        self._folder = folder
        self._accepting = accepting
        self._denying = denying
        self._person = gate.user("alice", secsign_id="alice")

    def same(self, script: Callable[[Side], Any], *, pushes: int | None) -> Any:
        """Run `script` on both sides and return what both saw. Raises AssertionError if they saw different things.

        `pushes` is how many sessions it opens, each of which the phone is asked about; None: some.
        """
        without = self.seen("ungated", script, pushes=0)
        with_gate = self.seen("gated", script, pushes=pushes)
        assert with_gate == without
        return with_gate[0]

    def seen(self, at: str, script: Callable[[Side], Any], *, pushes: int | None) -> tuple[Any, dict[str, str]]:
        """Run `script` on one side and return what it saw and the files that there are then."""
        side = self._begin(at, self._accepting)
        asked_before = len(self._accepting.auth_sessions())
        seen = script(side)
        asked = len(self._accepting.auth_sessions()) - asked_before
        assert asked > 0 if pushes is None else asked == pushes
        return seen, side.files()

    def denied(self, script: Callable[[Side], Any], prepare: Callable[[Side], None] | None = None) -> Any:
        """Run `script` while the phone denies. Raises AssertionError if a file came to either end, or changed."""
        side = self._begin("gated", self._denying)
        if prepare:
            prepare(side)
        before, asked_before = side.files(), len(self._denying.auth_sessions())
        seen = script(side._replace(accepted=False))
        assert side.files() == before
        assert len(self._denying.auth_sessions()) > asked_before
        return seen

    def _begin(self, at: str, phones: RunningSimulator) -> Side:
        """Make everything new but the servers."""
        self._gate.configure(id_server={"url": phones.url})
        shutil.copy(phones.ca_file, CONFIGURATION / "ca.pem")
        fresh_homes()
        person = self._person
        person.write(".ssh/authorized_keys", f"{person.client.public_key}\n")
        person.write("remote.bin", DATA[::-1], mode=0o640)
        for name in ("folder/three", "folder/below/four"):
            person.write(name, name)
        shutil.rmtree(self._folder, ignore_errors=True)
        (self._folder / "tree/below").mkdir(parents=True)
        (self._folder / "data.bin").write_bytes(DATA)
        for name in ("tree/one", "tree/below/two"):
            (self._folder / name).write_text(name)
        for path in (*self._folder.rglob("*"), self._folder, *person.home.rglob("*"), person.home):
            os.utime(path, (LONG_AGO, LONG_AGO))  # else rsync says whether two folders were made in the same second
        server = self._gate.server(at)
        person.client.knows("server", server.address, server.port, f"    User {person.account}\n")
        return Side(
            server.port, person.account, person.home, self._folder, person.client.configuration, person.client.key
        )

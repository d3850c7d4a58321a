"""The language of the end-to-end tests: people, their phones, and two sshds, one with the gate and one without.

def test_denied_on_the_phone_runs_nothing(gate):
    alice = gate.user("alice", secsign_id="alice")
    login = alice.ssh("touch proof")
    gate.phone("alice").deny()
    assert login.refused(Reason.DENIED_ON_PHONE)
    assert not alice.has("proof")
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import drop_in
from accounts import ACCOUNTS, GROUPS, make_home
from processes import end_all
from running_broker import SOCKET
from ssh_client import Outcome, Session, SshClient
from sshd import Sshd

from secsign_gate.core.verdict import Reason, exit_status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from running_simulator import RunningSimulator
    from system_log import SystemLog
    from terminal import Terminal

CONFIGURATION = Path("/etc/secsign-gate")
SKEL = Path("/etc/skel")
ROOTS_KEYS = Path("/root/.ssh/authorized_keys")
PIN_ACCOUNT = "gate:a-throw-away-secret"


class Gate:
    """A host with the gate, made anew for each test: homes, configuration, users file, servers, phones.

    `sshd` is the server with the drop-in for everybody, `ungated` the same without ForceCommand, SetEnv and
    ExposeAuthInfo, and `daemon` the one whose doors ask a daemon; each is started at the first login there. Change
    `use_pam`, `drop_in` or `more_settings` before that.
    """

    def __init__(self, folder: Path, simulator: RunningSimulator, system_log: SystemLog, number: int) -> None:
        self.folder = folder
        self.simulator = simulator
        self.system_log = system_log
        self.use_pam = os.geteuid() == 0  # sshd needs root for it
        self.drop_in = drop_in.gated()
        self.more_settings = ""  # lines for both servers
        self.above_tables = ""  # lines of secsign-gate.toml, from the next `configure` on
        self._number = number  # makes SecSign IDs this test's own: the ID server remembers who was asked
        self._servers: dict[str, Sshd] = {}
        self._people: list[Person] = []
        self._users = ["# account  SecSign ID  key\n"]
        self._tables: dict[str, dict[str, Any]] = {}
        fresh_homes()
        forget_logins()
        empty(CONFIGURATION)
        shutil.copy(simulator.ca_file, CONFIGURATION / "ca.pem")
        (CONFIGURATION / "users").write_text("".join(self._users))
        self.configure()

    def configure(self, **tables: dict[str, Any]) -> None:
        """Write secsign-gate.toml anew; tables are merged into what was said before: `push={"wait_seconds": 5}`.

        A value of None takes a setting out.
        """
        base = {"id_server": {"dialect": "form", "url": self.simulator.url, "ca_file": "ca.pem"}}
        for given in (base, tables) if not self._tables else (tables,):
            for name, table in given.items():
                merged = self._tables.get(name, {}) | table
                self._tables[name] = {key: value for key, value in merged.items() if value is not None}
        text = self.above_tables + "".join(
            f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
            for name, table in self._tables.items()
        )
        (CONFIGURATION / "secsign-gate.toml").write_text(text)

    def speak_rest(self) -> None:
        """Use the ID server's REST dialect from now on."""
        secret = CONFIGURATION / "pin-account"
        secret.write_text(PIN_ACCOUNT + "\n")
        secret.chmod(0o640)
        os.chown(secret, 0, GROUPS["operators"])  # alice and zoe: an embedded gate reads it as who logs in
        self.configure(id_server={"dialect": "rest", "pin_account_file": "pin-account"})

    def user(self, account: str, secsign_id: str | None = None, *, key_options: str = "") -> Person:
        """Return a person with a key of its own that `account` takes; with a SecSign ID if one is given.

        Several people of one account are told apart by their keys.
        """
        person = Person(self, account, self.folder / f"client-{len(self._people)}")
        self._people.append(person)
        options = f"{key_options} " if key_options else ""
        person.write(".ssh/authorized_keys", f"{options}{person.client.public_key}\n", append=True)
        if secsign_id is not None:
            shared = any(other.account == account for other in self._people[:-1])
            key = f" {person.client.fingerprint}" if shared else ""
            self.add_to_users_file(f"{account} {self.id_of(secsign_id)}{key}")
        return person

    def add_to_users_file(self, line: str) -> None:
        self._users.append(line + "\n")
        (CONFIGURATION / "users").write_text("".join(self._users))

    def phone(self, secsign_id: str) -> Phone:
        return Phone(self, self.id_of(secsign_id))

    def id_of(self, secsign_id: str) -> str:
        """Return the SecSign ID under which the ID server knows the person whom this test calls so."""
        return f"{secsign_id}.{self._number}" if self._number else secsign_id

    @property
    def records(self) -> list[dict[str, Any]]:
        """The audit records of this test."""
        return self.system_log.records()

    @property
    def sshd(self) -> Sshd:
        return self.server("gated")

    @property
    def ungated(self) -> Sshd:
        return self.server("ungated")

    def server(self, name: str) -> Sshd:
        """Return the running sshd `gated`, `ungated` or `daemon`; everybody's client knows it by this name."""
        if name not in self._servers:
            text = {
                "gated": self.drop_in,
                "ungated": drop_in.ungated(),
                "daemon": drop_in.asking(str(SOCKET)),
            }[name]
            settings = f"UsePAM {'yes' if self.use_pam else 'no'}\n{self.more_settings}\n"
            server = Sshd(self.folder / name, {"00-secsign-gate.conf": text}, settings)
            server.start()
            self._servers[name] = server
        return self._servers[name]

    def clients_running(self) -> bool:
        return any(client.running() for person in self._people for client in person.client.started)

    def story(self) -> str:
        """Tell what clients and servers said, for the message of a failed test."""
        said = [client.said() for person in self._people for client in person.client.started]
        logs = [f"sshd {name}: {server.log}" for name, server in self._servers.items()]
        return "\n".join(["what was said:", *said, *logs, *self.system_log.lines()])

    def close(self) -> None:
        """End every client and server, and what is left of the gate."""
        for person in self._people:
            person.client.close()
        for server in self._servers.values():
            server.stop()
        end_all(sorted({person.account for person in self._people}))


class Phone:
    """One person's phone. Each method waits until a request is on it, as long as a client is there to make one."""

    def __init__(self, gate: Gate, secsign_id: str) -> None:
        self._gate = gate
        self.secsign_id = secsign_id

    def accept(self) -> None:
        self.wait()
        self._gate.simulator.accept(self.secsign_id)

    def deny(self) -> None:
        self.wait()
        self._gate.simulator.deny(self.secsign_id)

    def wait(self) -> dict[str, Any]:
        """Return what the phone shows. Raises AssertionError with what the clients said if they end before."""
        while True:
            anybody_there = self._gate.clients_running()
            requests = self._gate.simulator.pending(self.secsign_id, wait=1 if anybody_there else 0)
            if requests:
                return requests[0]
            if not anybody_there:
                raise AssertionError(f"no request reached {self.secsign_id}'s phone; {self._gate.story()}")

    def auth_sessions(self) -> list[dict[str, Any]]:
        """Return every auth session for this person, oldest first, with `state` and `disposed`."""
        return [one for one in self._gate.simulator.auth_sessions() if one["secsignid"] == self.secsign_id]


class Login:
    """One client program on its way through a gate."""

    def __init__(self, gate: Gate, session: Session) -> None:
        self._gate = gate
        self.session = session

    def outcome(self) -> Outcome:
        return self.session.outcome()

    def refused(self, reason: Reason) -> bool:
        """Wait for the end; tell whether this was it: the reason on record, its exit status, nothing on stdout.

        What it was instead is printed, for the report of a failed test.
        """
        outcome = self.session.outcome()
        on_record = [record.get("reason") for record in self._gate.records if record["event"] == "verdict"]
        as_said = (outcome.status, outcome.stdout, on_record[-1:]) == (exit_status(reason), b"", [reason.value])
        if not as_said:
            print(outcome, on_record)
        return as_said


class Person:
    """Somebody with a key, and perhaps a phone, who logs in as `account`."""

    def __init__(self, gate: Gate, account: str, folder: Path) -> None:
        self._gate = gate
        self.account = account
        self.home = Path("/home") / account
        self.client = SshClient(folder)
        self._known: set[str] = set()

    def ssh(
        self,
        *command: str,
        at: str = "gated",
        options: Sequence[str] = (),
        stdin: bytes | IO[bytes] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Login:
        """`ssh [OPTIONS] at [COMMAND]`, with /dev/null as input if none is given."""
        return self.run("ssh", *options, self.at(at), *command, stdin=stdin, environment=environment)

    def scp(self, *words: str | Path, at: str = "gated") -> Login:
        """`scp WORD…`; a word that begins with `:` is a path on the server."""
        return self.run("scp", "-q", *(self._remote(word, at) for word in words))

    def rsync(self, *words: str | Path, at: str = "gated") -> Login:
        return self.run("rsync", *(self._remote(word, at) for word in words))

    def sftp(self, batch: str, *options: str, at: str = "gated") -> Login:
        """`sftp -b -`, with these commands."""
        return self.run("sftp", "-q", "-b", "-", *options, self.at(at), stdin=batch.encode())

    def git(self, *words: str | Path, at: str = "gated") -> Login:
        return self.run("git", *(self._remote(word, at) for word in words))

    def terminal(
        self,
        *command: str,
        at: str = "gated",
        options: Sequence[str] = (),
        rows: int = 24,
        columns: int = 80,
        term: str = "xterm-256color",
    ) -> Terminal:
        """`ssh -t` in a terminal."""
        words = ["ssh", "-t", *options, self.at(at), *command]
        return self.client.terminal(*words, rows=rows, columns=columns, term=term)

    def run(
        self, *command: str | Path, stdin: bytes | IO[bytes] | None = None, environment: Mapping[str, str] | None = None
    ) -> Login:
        """Any client program; address the servers by what `at` returns."""
        return Login(self._gate, self.client.run(*command, stdin=stdin, environment=environment))

    def at(self, name: str) -> str:
        """Return `account@gated` or `account@ungated`, after starting that server."""
        server = self._gate.server(name)
        if name not in self._known:
            self.client.knows(name, server.address, server.port)
            self._known.add(name)
        return f"{self.account}@{name}"

    def has(self, name: str) -> bool:
        """Tell whether a file of this name is in the home directory."""
        return (self.home / name).exists()

    def write(self, name: str, content: str | bytes, *, mode: int = 0o600, append: bool = False) -> Path:
        """Put a file into the home directory, as its owner would."""
        path = self.home / name
        owner = self.home.stat()
        for folder in reversed([one for one in path.parents if one.is_relative_to(self.home) and not one.exists()]):
            folder.mkdir(mode=0o700)
            os.chown(folder, owner.st_uid, owner.st_gid)
        with path.open("ab" if append else "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
        os.chown(path, owner.st_uid, owner.st_gid)
        return path

    def _remote(self, word: str | Path, at: str) -> str:
        return f"{self.at(at)}{word}" if str(word).startswith(":") else str(word)


def empty(folder: Path) -> None:
    """Leave nothing in the folder, and the folder as root makes it."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    os.chown(folder, os.geteuid(), os.getegid())
    folder.chmod(0o755)


def let_in_as_root(line: str) -> None:
    """Make this the one line of root's authorized_keys, until the next test finds it gone or this is called again."""
    ROOTS_KEYS.parent.mkdir(mode=0o700, exist_ok=True)
    ROOTS_KEYS.write_text(f"{line}\n")


def forget_logins() -> None:
    """Take away what earlier logins, and tests that played them, have left of what sshd says to ExposeAuthInfo."""
    for path in Path("/tmp").glob("sshauth.*"):
        path.unlink()


def fresh_homes() -> None:
    """Give everybody the home of a first login; root has one in which no key is let in."""
    if os.geteuid() == 0:
        shutil.rmtree(ROOTS_KEYS.parent, ignore_errors=True)
    for account in ACCOUNTS:
        home = Path("/home") / account.name
        if home.exists():  # a private host made without root has alice only
            empty(home)
            make_home(home, account, SKEL)


def master(person: Person) -> list[str]:
    """Return the options that share one connection. It opens no session by itself."""
    options = ["-o", f"ControlPath={person.client.folder}/mux"]
    command = ["ssh", "-F", str(person.client.configuration), "-M", "-N", "-f", *options, person.at("gated")]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=60)
    return options


def grounds(gate: Gate) -> list[str | None]:
    """Return the ground or the reason of each verdict on record."""
    return [record.get("ground") or record.get("reason") for record in gate.records]

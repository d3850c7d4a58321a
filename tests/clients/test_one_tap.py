"""Clients that open many sessions on one SSH connection, with the daemon: one tap, however many channels."""

from __future__ import annotations

import json
import re
import subprocess
import time
from typing import TYPE_CHECKING, NamedTuple

import drop_in
import pytest
from running_broker import SOCKET, RunningBroker
from ssh_client import LONGEST_WAIT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate import Gate, Person
    from running_simulator import RunningSimulator
    from ssh_client import Outcome

FORKS = 10
TASKS = 20
MANY_SECONDS = 300.0  # a guard against hanging, never an expectation
SESSION = re.compile(r"Starting session: forced-command")


@pytest.fixture(scope="module")
def alice(gate: Gate) -> Iterator[Person]:
    """Somebody whose logins ask the daemon. Her ssh keeps one connection, as ssh_config(5) has it for many people."""
    gate.drop_in = drop_in.asking(str(SOCKET))
    # Ten forks at one host are ten channels at once, sshd's default. One more, because one is slow to close, and ssh
    # opens a second connection, which is a second tap, and right.
    gate.more_settings = f"MaxSessions {4 * FORKS}"
    person = gate.user("alice", secsign_id="alice")
    with RunningBroker():
        server = gate.sshd
        one = f"    ControlMaster auto\n    ControlPersist 600\n    ControlPath {person.client.folder}/mux\n"
        person.client.knows("server", server.address, server.port, f"    User alice\n{one}")
        yield person


class Cost(NamedTuple):
    """What some work cost: auth sessions at the ID server, sessions that sshd started, and their grounds on record."""

    taps: int
    sessions: int
    grounds: list[str]


class Bill:
    """Counts from when it is made."""

    def __init__(self, gate: Gate, phones: RunningSimulator) -> None:
        self._gate = gate
        self._phones = phones
        self._before = self._so_far()

    def __call__(self) -> Cost:
        """Return the cost since then, once sshd has logged every session that is on record."""
        deadline = time.monotonic() + LONGEST_WAIT
        while True:
            now, before = self._so_far(), self._before
            cost = Cost(now.taps - before.taps, now.sessions - before.sessions, now.grounds[len(before.grounds) :])
            if cost.sessions >= len(cost.grounds) or time.monotonic() > deadline:
                return cost

    def _so_far(self) -> Cost:
        records = [record.get("ground") or record["reason"] for record in self._gate.records]
        return Cost(len(self._phones.auth_sessions()), len(SESSION.findall(self._gate.sshd.log)), records)


@pytest.fixture
def bill(alice: Person, gate: Gate, accepting: RunningSimulator) -> Iterator[Bill]:
    """The cost of one test, which begins without a connection."""
    yield Bill(gate, accepting)
    leave = ["ssh", "-F", str(alice.client.configuration), "-O", "exit", "server"]
    subprocess.run(leave, capture_output=True, check=False, timeout=LONGEST_WAIT)


def one_tap_for(cost: Cost, sessions: int) -> bool:
    """Tell whether the first of at least so many sessions was approved, and every other one covered by that."""
    print(cost)
    granted = ["granted"] * (cost.sessions - 1)
    return cost.taps == 1 and cost.sessions >= sessions and cost.grounds == ["approved", *granted]


def done(person: Person, *command: str, **environment: str) -> Outcome:
    outcome = person.run(*command, environment=environment).session.outcome(MANY_SECONDS)
    assert outcome.status == 0, outcome
    return outcome


def test_ansible(alice: Person, bill: Bill) -> None:
    """Twenty tasks one after the other, then ten forks at once, all on the connection that the first task opened."""
    folder = alice.client.folder
    kinds = [{"ansible.builtin.command": "id -un"}, {"ansible.builtin.copy": {"content": "x", "dest": "put"}}]
    playbook = [
        {"hosts": "first", "gather_facts": False, "tasks": (kinds * TASKS)[:TASKS]},
        {"hosts": "many", "gather_facts": False, "tasks": [{"ansible.builtin.command": "id -un"}]},
    ]
    (folder / "playbook.yml").write_text(json.dumps(playbook))
    many = "".join(f"{number} ansible_host=server\n" for number in range(FORKS))
    (folder / "inventory").write_text(f"[first]\nserver\n[many]\n{many}")
    outcome = done(
        alice,
        *("ansible-playbook", "-f", str(FORKS), "--inventory", f"{folder}/inventory", f"{folder}/playbook.yml"),
        *("--extra-vars", "ansible_python_interpreter=/usr/bin/python3"),
        HOME=str(folder),
        ANSIBLE_SSH_ARGS=f"-F {alice.client.configuration} -C -o ControlMaster=auto -o ControlPersist=60s",
        ANSIBLE_SSH_CONTROL_PATH_DIR=str(folder),
    )
    assert re.search(rb"server +: ok=20 .* unreachable=0 +failed=0", outcome.stdout)
    assert len(re.findall(rb"\d +: ok=1 .* unreachable=0 +failed=0", outcome.stdout)) == FORKS
    assert one_tap_for(bill(), sessions=2 * TASKS + 2 * FORKS)


def test_rsync_in_a_loop(alice: Person, bill: Bill) -> None:
    tree = alice.client.folder / "tree"
    tree.mkdir()
    for number in range(10):
        (tree / str(number)).write_text(f"{number}")
        done(alice, "rsync", "--archive", f"{tree}/", "server:tree/")
    assert sorted(path.name for path in (alice.home / "tree").iterdir()) == [f"{number}" for number in range(10)]
    assert one_tap_for(bill(), sessions=10)


def test_git(alice: Person, bill: Bill) -> None:
    folder = alice.client.folder
    names = {f"GIT_{who}_{what}": "alice@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done(alice, "ssh", "server", "git init --quiet --bare --initial-branch=main project.git")
    done(alice, "git", "clone", "--quiet", "server:project.git", f"{folder}/ours")
    for number in range(5):
        done(alice, "git", "-C", f"{folder}/ours", "commit", "--quiet", "--allow-empty", f"--message={number}", **names)
        done(alice, "git", "-C", f"{folder}/ours", "push", "--quiet", "origin", "HEAD:main")
        done(alice, "git", "-C", f"{folder}/ours", "fetch", "--quiet")
    assert one_tap_for(bill(), sessions=2 + 2 * 5)

"""What can break around the daemon: each who waits gets a sentence, nobody hangs, and nobody is let in by mistake."""

from __future__ import annotations

import json
import os
import pwd
import random
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import drop_in
import pytest
from by_hand import as_account, asking
from gate import CONFIGURATION, master
from running_broker import FOLDER, PROGRAM, SOCKET, RunningBroker
from stranger import until
from system_log import DEV_LOG

from secsign_gate.core.verdict import CONFIGURATION_ERROR, COULD_NOT_ASK, REFUSED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gate import Gate, Login, Person

PEOPLE = ("alice", "bob", "zoe", "dora")
DISK = Path("/mnt")
QUICK = {"connect_seconds": 1, "total_seconds": 2}


@pytest.fixture
def people(gate: Gate) -> list[Person]:
    return [gate.user(account, secsign_id=account) for account in PEOPLE]


@pytest.fixture
def broker(gate: Gate, people: list[Person]) -> Iterator[RunningBroker]:
    """The daemon, which knows all of `people`."""
    assert people
    gate.drop_in = drop_in.asking(str(SOCKET))
    with RunningBroker() as running:
        yield running


def sentence_of(login: Login, *statuses: int) -> str:
    """Wait for the end, which must be a refusal with one of `statuses`, and return its sentence."""
    outcome = login.outcome()
    assert outcome.status in statuses, outcome
    assert outcome.stdout == b""
    last = outcome.stderr.decode("ascii").splitlines()[-1]
    assert last.startswith("secsign-gate: ")
    return last


def shared(person: Person, count: int) -> tuple[list[str], list[Login]]:
    """Return the options of one SSH connection, and as many logins over it."""
    options = master(person)
    return options, [person.ssh("echo in", options=options) for _ in range(count)]


# --- the ID server ----------------------------------------------------------------------------------------------------

FAULTS: list[tuple[str, str, dict[str, Any]]] = [
    ("hang", "create", {}),
    ("hang", "state", {}),
    ("drip", "create", {"milliseconds": 500}),
    ("reset", "create", {}),
    ("status", "any", {"status": 503}),
    ("garbage", "any", {}),
    ("captive-portal", "any", {}),
    ("wrong-authsessionid", "state", {}),
    ("wrong-secsignid", "state", {}),
    ("state", "state", {"value": "33"}),
    ("state-and-error", "state", {}),
]


@pytest.mark.parametrize(("fault", "on", "how"), FAULTS, ids=[f"{fault} {on}" for fault, on, _ in FAULTS])
def test_an_id_server_that_misbehaves_while_several_wait(  # noqa: PLR0917 - fixtures are arguments
    gate: Gate, broker: RunningBroker, people: list[Person], fault: str, on: str, how: dict[str, Any]
) -> None:
    gate.configure(id_server=QUICK, push={"wait_seconds": 5})
    broker.reload()
    gate.simulator.faults(fault, on=on, times=None, **how)
    logins = [asking(person) for person in people]
    assert all(sentence_of(login, REFUSED, COULD_NOT_ASK) for login in logins)
    assert not any(person.has("proof") for person in people)
    assert broker.status()["grants"] == []


def test_an_id_server_that_comes_and_goes_costs_looks_and_no_login(
    gate: Gate, broker: RunningBroker, people: list[Person]
) -> None:
    assert broker.status()["waiting"] == []
    gate.simulator.faults("reset", on="state", times=2)
    gate.simulator.faults("close", on="state", times=2)
    gate.simulator.faults("raw", on="state", times=2, status=503)  # as from a gateway in front of it
    logins = [asking(person) for person in people]
    for person in people:
        gate.phone(person.account).accept()
    assert [login.outcome()[:2] for login in logins] == [(0, b"in\n")] * len(people)


def test_the_fallback_takes_over_for_all_who_wait(gate: Gate, broker: RunningBroker, people: list[Person]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        dead = f"https://127.0.0.1:{closed.getsockname()[1]}"
    gate.configure(id_server={"url": dead, "fallback_url": gate.simulator.url} | QUICK)
    broker.reload()
    logins = [asking(person) for person in people]
    for person in people:
        gate.phone(person.account).accept()
    assert [login.outcome()[:2] for login in logins] == [(0, b"in\n")] * len(people)
    assert [server["state"] for server in broker.status()["id_servers"]] == ["down", "up"]


# --- the record -------------------------------------------------------------------------------------------------------


@contextmanager
def a_small_disk() -> Iterator[Path]:
    """A file system of a few pages, and a file on it that takes what is left of them."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k,mode=0755", "tmpfs", DISK], check=True)
    try:
        os.chown(DISK, pwd.getpwnam("secsign-gate").pw_uid, -1)
        yield DISK
    finally:
        subprocess.run(["umount", "--lazy", DISK], check=True)


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return filler


def test_a_full_disk_refuses_who_was_accepted_and_nothing_is_granted(
    gate: Gate, broker: RunningBroker, people: list[Person]
) -> None:
    alice = people[0]
    with a_small_disk() as disk:
        record = disk / "audit"
        gate.configure(audit={"syslog": False, "file": str(record)})
        broker.reload()
        filler = fill(disk)
        options, (first, second) = shared(alice, 2)
        until(lambda: len(broker.status()["waiting"]) == 2)
        gate.phone("alice").accept()
        for login in (first, second):
            assert "could not be put on record" in sentence_of(login, COULD_NOT_ASK)
        assert broker.status()["grants"] == []
        filler.unlink()
        third = alice.ssh("echo in", options=options)
        gate.phone("alice").accept()
        assert third.outcome().stdout == b"in\n"
        assert [json.loads(line).get("ground") for line in record.read_text().splitlines() if line] == ["approved"]
        assert alice.ssh("echo in", options=options).outcome().stdout == b"in\n"
        gate.configure(audit={"syslog": True, "file": None})
        broker.reload()


@pytest.fixture
def no_log() -> Iterator[Path]:
    """Nobody is where the system's log was."""
    away = DEV_LOG.with_name("log.away")
    DEV_LOG.rename(away)
    yield DEV_LOG
    DEV_LOG.unlink(missing_ok=True)
    away.rename(DEV_LOG)


def sent_until_refused(sender: socket.socket, log: Path) -> int:
    """Send as much as can be sent without waiting; return how many messages that were."""
    sender.setblocking(False)
    sent = 0
    with suppress(BlockingIOError):
        while True:
            sender.sendto(b"x", str(log))
            sent += 1
    return sent


@pytest.mark.parametrize("full", [False, True], ids=["gone", "full"])
def test_a_log_that_takes_nothing_refuses_who_was_accepted(
    gate: Gate, broker: RunningBroker, people: list[Person], no_log: Path, full: bool
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log, ExitStack() as senders:
        if full:
            log.bind(str(no_log))
            no_log.chmod(0o666)
            while sent_until_refused(senders.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)), no_log):
                pass  # that one's own buffer was full, the log may not be
        logins = [asking(person) for person in people]
        for person in people:
            gate.phone(person.account).accept()
        for login in logins:
            assert "could not be put on record" in sentence_of(login, COULD_NOT_ASK)
    assert not any(person.has("proof") for person in people)
    assert broker.status()["grants"] == []


# --- new orders -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spoil",
    [
        lambda: None,
        lambda: (CONFIGURATION / "users").write_text("alice alice"),
        (CONFIGURATION / "users").unlink,
        lambda: (CONFIGURATION / "users").chmod(0o666),
        lambda: (CONFIGURATION / "secsign-gate.toml").write_text("[push]\nwait_seconds = 1\n"),
    ],
    ids=["good", "users file cut off", "no users file", "users file of everybody", "wrong configuration"],
)
def test_new_orders_while_twenty_wait_take_nobodys_place(
    gate: Gate, broker: RunningBroker, people: list[Person], spoil: Callable[[], object]
) -> None:
    gate.more_settings = "MaxSessions 100"
    _, logins = shared(people[0], 20)
    until(lambda: len(broker.status()["waiting"]) == 20)
    before = broker.status()
    spoil()
    broker.reload()
    after = broker.status()
    assert [one["reference"] for one in after["waiting"]] == [one["reference"] for one in before["waiting"]]
    assert bool(after["configuration_fault"]) == (after["loaded_at"] == before["loaded_at"])
    gate.phone("alice").accept()
    assert [login.outcome()[:2] for login in logins] == [(0, b"in\n")] * 20
    assert len(gate.phone("alice").auth_sessions()) == 1


# --- the daemon itself ------------------------------------------------------------------------------------------------


def seconds_of_one_login(gate: Gate, person: Person) -> float:
    began = time.monotonic()
    login = asking(person, "true")
    gate.phone(person.account).accept()
    assert login.outcome().status == 0
    return time.monotonic() - began


def test_a_broker_that_is_killed_at_any_moment_lets_nobody_in_whom_it_has_not_recorded(
    gate: Gate, broker: RunningBroker, people: list[Person]
) -> None:
    alice = people[0]
    gate.configure(limits={"pushes_per_account": 1000, "pushes_per_secsign_id": 1000})
    broker.reload()
    chance, longest = random.Random(20), seconds_of_one_login(gate, alice)
    ends = []
    for _ in range(20):
        login = asking(alice)
        at = time.monotonic() + chance.uniform(0.0, longest)
        while time.monotonic() < at:  # the phone accepts whatever comes
            if gate.simulator.pending(gate.id_of("alice")):
                gate.simulator.accept(gate.id_of("alice"))
        broker.kill()
        outcome = login.outcome()
        on_record = [record.get("ground") for record in gate.records].count("approved") - 1
        assert outcome.status in {0, COULD_NOT_ASK}
        assert (outcome.status == 0) == alice.has("proof")
        assert on_record >= alice.has("proof")  # on record before it takes effect; killed in between, it takes none
        ends.append(outcome.status)
        (alice.home / "proof").unlink(missing_ok=True)
        gate.system_log.forget()
        for one in gate.simulator.pending(gate.id_of("alice")):
            assert one
            gate.simulator.deny(gate.id_of("alice"))
        broker.start()
        seconds = seconds_of_one_login(gate, alice)
        longest = min(longest, 2 * seconds)
    print(f"ended with {ends}")


def test_a_broker_that_stands_still_is_given_up(gate: Gate, broker: RunningBroker, people: list[Person]) -> None:
    os.kill(broker.pid, signal.SIGSTOP)
    logins = [asking(person) for person in people]
    for login in logins:
        assert "does not answer" in sentence_of(login, COULD_NOT_ASK)
    os.kill(broker.pid, signal.SIGCONT)
    assert seconds_of_one_login(gate, people[0]) > 0
    assert not any(person.has("proof") for person in people)


def test_stopped_and_started_at_once_it_serves_again(gate: Gate, broker: RunningBroker, people: list[Person]) -> None:
    for _ in range(3):
        assert broker.kill(signal.SIGTERM) == 0
        broker.start()
    assert seconds_of_one_login(gate, people[0]) > 0


# --- where it does not start ------------------------------------------------------------------------------------------


def refused_to_start(*command: str) -> str:
    done = subprocess.run(command or [PROGRAM, "broker"], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == CONFIGURATION_ERROR
    (sentence,) = done.stderr.splitlines()
    return sentence


def test_a_second_broker_on_one_socket_does_not_start(gate: Gate, broker: RunningBroker, people: list[Person]) -> None:
    assert "a broker answers there already; stop it first" in refused_to_start()
    os.kill(broker.pid, signal.SIGSTOP)
    assert "a broker answers there already; stop it first" in refused_to_start()
    os.kill(broker.pid, signal.SIGCONT)
    assert seconds_of_one_login(gate, people[0]) > 0  # and the first one has taken no harm


@pytest.mark.usefixtures("gate")
def test_it_is_roots_to_start() -> None:
    assert "must be started by root" in refused_to_start(*as_account("alice", {}, PROGRAM, "broker"))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda: FOLDER.chmod(0o777), f"{FOLDER} is not a folder of root's alone"),
        (lambda: os.chown(FOLDER, 2001, -1), f"{FOLDER} is not a folder of root's alone"),
        (SOCKET.touch, "there is something else than a socket"),
        (lambda: SOCKET.symlink_to("/tmp/elsewhere"), "there is something else than a socket"),
        (SOCKET.mkdir, "there is something else than a socket"),
    ],
    ids=["folder of everybody", "folder of the user", "a file", "a link", "a folder"],
)
@pytest.mark.usefixtures("gate")
def test_a_place_that_is_not_for_a_socket(spoil: Callable[[], object], words: str) -> None:
    FOLDER.mkdir(exist_ok=True)
    SOCKET.unlink(missing_ok=True)
    spoil()
    try:
        assert words in refused_to_start()
    finally:
        os.chown(FOLDER, 0, -1)
        FOLDER.chmod(0o755)
        if SOCKET.is_dir():
            SOCKET.rmdir()
        else:
            SOCKET.unlink(missing_ok=True)

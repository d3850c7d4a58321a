"""`secsign-gate probe` as an administrator calls it, and a gate that is left in peace by it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import drop_in
import pytest
from by_hand import as_account
from probing import known_to
from running_broker import PROGRAM
from stranger import until
from terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate import Gate, Person
    from sshd import Sshd

PATIENCE = 120  # seconds; a guard against hanging, never an expectation
ONLY_KEYS = drop_in.gated().replace("#AuthenticationMethods", "AuthenticationMethods")
SILENT = "Match all\n    ForceCommand exec sleep 1000\n"


def words(person: Person, server: Sshd, *options: str) -> list[str]:
    """Return the command line that probes `server` as `person`."""
    known_hosts = known_to(person, server)
    place = f"{person.account}@{server.address}:{server.port}"
    return [PROGRAM, "probe", place, "--identity", str(person.client.key), "--known-hosts", known_hosts, *options]


def probe(person: Person, server: Sshd, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words(person, server, *options),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
        env=os.environ | environment,
    )


def attempts(run: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    return {attempt["name"]: attempt for attempt in json.loads(run.stdout)["attempts"]}


def test_a_gate_without_its_daemon_is_asked_one_thing_after_the_other(gate: Gate) -> None:
    """Two requests at a time would freeze the SecSign ID."""
    gate.drop_in = ONLY_KEYS
    alice = gate.user("alice", secsign_id="alice")
    run = probe(alice, gate.sshd, "--json")
    assert run.returncode == 0, run.stdout
    statuses = {name: attempt["status"] for name, attempt in attempts(run).items()}
    assert (statuses["shadowed-match"], statuses["several-channels"]) == ("held", "unknown")
    assert not {"got_through", "agreed"} & set(statuses.values())
    sessions = gate.phone("alice").auth_sessions()
    assert {(one["state"], one["disposed"]) for one in sessions} == {("CANCELED", "cancel")}
    announced = re.search(r"may be asked up to (\d+) times: accept nothing", run.stderr)
    assert announced is not None
    assert 1 < len(sessions) <= int(announced[1])


def test_without_sessions_nobody_is_asked(gate: Gate) -> None:
    gate.drop_in = ONLY_KEYS
    alice = gate.user("alice", secsign_id="alice")
    run = probe(alice, gate.sshd, "--no-sessions")
    assert run.returncode == 0, run.stdout
    assert gate.phone("alice").auth_sessions() == []
    assert "phone" not in run.stderr
    assert "  tunnel: sshd refused (Server has rejected tunnel device forwarding)" in run.stdout
    assert "GOT THROUGH" not in run.stdout


def test_what_gets_through_is_said_first_and_is_the_exit_status(gate: Gate) -> None:
    alice = gate.user("alice")
    run = probe(alice, gate.ungated, "--only", "shadowed-match", "--only", "tunnel", FORCE_COLOR="1")
    assert run.returncode == 1
    lines = run.stdout.splitlines()
    assert lines[0] == "GOT THROUGH"
    assert lines[1].strip().startswith("shadowed-match: ")
    assert "      closed by: Match all" in lines
    assert lines[-1] == "1 got through, 0 agreed to, 1 held, 0 unknown"
    assert "\x1b" not in run.stdout


def test_colours_are_for_terminals(gate: Gate) -> None:
    alice = gate.user("alice")
    with Terminal(words(alice, gate.ungated, "--only", "shadowed-match"), columns=200) as terminal:
        assert terminal.wait() == 1
        assert b"\x1b[31m" in terminal.output


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--port", "1"], "names port"),
        (["--host-key", "SHA256:nonsense"], "and not SHA256:nonsense; nothing was sent to it"),
    ],
)
def test_where_nothing_can_be_said(gate: Gate, options: list[str], sentence: str) -> None:
    run = probe(gate.user("alice"), gate.ungated, *options)
    assert run.returncode == (2 if "--port" in options else 75)
    assert sentence in run.stderr
    assert run.stdout == ""


def test_a_key_that_is_not_taken(gate: Gate) -> None:
    alice = gate.user("alice")
    alice.write(".ssh/authorized_keys", "")
    run = probe(alice, gate.ungated)
    assert (run.returncode, run.stdout) == (75, "")
    assert "does not take" in run.stderr
    assert "for alice; name another by --identity" in run.stderr


def test_a_passphrase_is_asked_for(gate: Gate) -> None:
    alice = gate.user("alice")
    change = ["ssh-keygen", "-q", "-p", "-P", "", "-N", "a secret", "-f", str(alice.client.key)]
    subprocess.run(change, check=True, capture_output=True)
    for secret, status in (("a secret", 1), ("another", 2)):
        with Terminal(words(alice, gate.ungated, "--only", "shadowed-match"), columns=200) as terminal:
            terminal.expect(r"Passphrase of \S+id_ed25519: $")
            terminal.type(f"{secret}\r")
            assert terminal.wait() == status
            assert secret.encode() not in terminal.output


def test_the_agents_keys_are_used(gate: Gate) -> None:
    alice = gate.user("alice")
    started = alice.client.run("ssh-agent", "-s").outcome().stdout.decode()
    variables = dict(word.split("=") for word in started.replace(";", "\n").splitlines() if "=" in word)
    try:
        subprocess.run(["ssh-add", "-q", alice.client.key], check=True, env=os.environ | variables)
        line = words(alice, gate.ungated, "--only", "shadowed-match", "--json")
        del line[3:5]  # --identity
        run = subprocess.run(
            line, capture_output=True, text=True, check=False, timeout=PATIENCE, env=os.environ | variables
        )
        assert run.returncode == 1, run.stderr
        assert json.loads(run.stdout)["identity"].endswith("of the agent")
    finally:
        alice.client.run("ssh-agent", "-k", environment=variables).outcome()


@pytest.fixture
def planting(gate: Gate) -> Iterator[tuple[Person, subprocess.Popen[bytes]]]:
    """A probe that has put its files into alice's home, and waits."""
    gate.drop_in = SILENT
    alice = gate.user("alice")
    alice.write(".bashrc", "her own\n", mode=0o640)
    line = words(alice, gate.sshd, "--plant", "--only", "shell-startup-files")
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        until((alice.home / ".config/fish/config.fish").exists)
        yield alice, process
        if process.poll() is None:
            process.kill()


def is_as_it_was(alice: Person) -> bool:
    left = [path for path in alice.home.rglob("*") if "secsign" in path.name or path.name == ".config"]
    bashrc = alice.home / ".bashrc"
    return (left, bashrc.read_text(), bashrc.stat().st_mode & 0o777) == ([], "her own\n", 0o640)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_it_puts_back_what_was_there(
    planting: tuple[Person, subprocess.Popen[bytes]], number: signal.Signals
) -> None:
    alice, process = planting
    process.send_signal(number)
    assert process.wait(PATIENCE) == 130
    assert is_as_it_was(alice)


def test_killed_the_next_one_puts_it_back(gate: Gate, planting: tuple[Person, subprocess.Popen[bytes]]) -> None:
    alice, process = planting
    process.kill()
    process.wait(PATIENCE)
    assert not is_as_it_was(alice)
    run = probe(alice, gate.sshd, "--only", "tunnel")
    assert is_as_it_was(alice)
    assert not [path for path in Path("/tmp").glob("secsign-gate-probe-*") if path.is_dir() and path.owner() == "alice"]
    assert "put back what an earlier probe" in run.stderr


def test_an_account_may_plant_in_its_own_home(gate: Gate) -> None:
    alice = gate.user("alice")
    line = words(alice, gate.ungated, "--plant", "--only", "shell-startup-files", "--only", "user-rc")
    for at, name in ((4, "key"), (6, "known_hosts")):
        line[at] = str(alice.write(name, Path(line[at]).read_bytes()))
    before = sorted(alice.home.rglob("*"))
    run = subprocess.run(
        as_account("alice", {"HOME": str(alice.home)}, *line), capture_output=True, text=True, check=False
    )
    assert run.stdout.count("and nobody was asked") == 2, run
    assert sorted(alice.home.rglob("*")) == before


def test_nobody_plants_in_another_home(gate: Gate) -> None:
    alice = gate.user("alice")
    line = words(alice, gate.ungated, "--plant", "--only", "user-rc")
    for at, name in ((4, "key"), (6, "known_hosts")):
        path = Path("/home/bob") / name
        path.write_bytes(Path(line[at]).read_bytes())
        path.chmod(0o600)
        os.chown(path, 2002, 2002)
        line[at] = str(path)
    run = subprocess.run(as_account("bob", {"HOME": "/home/bob"}, *line), capture_output=True, text=True, check=False)
    assert run.returncode == 0
    assert "it takes root, or alice, to put files into that home" in run.stdout


def test_nothing_is_left_on_the_host(gate: Gate) -> None:
    alice = gate.user("alice")
    before = {*Path("/tmp").iterdir(), *alice.home.rglob("*")}
    probe(alice, gate.ungated, "--plant")
    left = {*Path("/tmp").iterdir(), *alice.home.rglob("*")} - before
    assert {path for path in left if not path.name.startswith(("ssh-", "sshauth."))} == set()

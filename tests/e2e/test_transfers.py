"""Files go through the gate as they are, although the yes comes late: what was sent early waits."""

from __future__ import annotations

import hashlib
import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from session_facts import let_everybody_in

if TYPE_CHECKING:
    from pathlib import Path

    from gate import Gate, Login, Person

SERVERS = ("ungated", "gated")
SIZE = 5 * 1024 * 1024
NOISE = "echo a start-up file that talks\n"


@pytest.fixture(scope="module")
def cargo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of random bytes, under a name that a shell would trip over."""
    path = tmp_path_factory.mktemp("cargo") / "it's a caf\u00e9 $(id).bin"
    path.write_bytes(os.urandom(SIZE))
    return path


def digest(content: bytes | Path) -> str:
    return hashlib.sha256(content if isinstance(content, bytes) else content.read_bytes()).hexdigest()


def up_a_pipe(person: Person, cargo: Path) -> Login:
    with cargo.open("rb") as file:
        return person.ssh("cat > arrived", stdin=file)


def by_scp(person: Person, cargo: Path) -> Login:
    return person.scp(cargo, ":arrived")


def by_scps_old_protocol(person: Person, cargo: Path) -> Login:
    return person.scp("-O", cargo, ":arrived")


def by_rsync(person: Person, cargo: Path) -> Login:
    return person.rsync("-a", cargo, ":arrived")


def by_sftp(person: Person, cargo: Path) -> Login:
    return person.sftp(f'put "{cargo}" arrived\nls arrived\n')


UP = {"alice": up_a_pipe, "bob": by_scp, "tina": by_scps_old_protocol, "dora": by_rsync, "kim": by_sftp}


def test_files_arrive_whole_once_the_phone_says_yes(gate: Gate, cargo: Path) -> None:
    people = {account: gate.user(account, secsign_id=account) for account in UP}
    running = {account: send(people[account], cargo) for account, send in UP.items()}
    for account, person in people.items():
        gate.phone(account).wait()
        assert not person.has("arrived")
    for account, login in running.items():
        gate.phone(account).accept()
        outcome = login.outcome()
        assert (account, outcome.status, digest(people[account].home / "arrived")) == (account, 0, digest(cargo))


def test_files_come_back_whole_and_as_without(gate: Gate, cargo: Path, tmp_path: Path) -> None:
    let_everybody_in(gate)
    zoe = gate.user("zoe")
    zoe.write("sent", cargo.read_bytes())
    for at in SERVERS:
        folder = tmp_path / at
        folder.mkdir()
        logins = [
            zoe.scp(":sent", folder / "scp", at=at),
            zoe.scp("-O", ":sent", folder / "scp -O", at=at),
            zoe.rsync("-a", ":sent", folder / "rsync", at=at),
            zoe.sftp(f'get -p sent "{folder}/sftp"\n', at=at),
            zoe.ssh("cat sent", at=at),
        ]
        outcomes = [login.outcome() for login in logins]
        assert [outcome.status for outcome in outcomes] == [0] * len(logins), outcomes
        arrived = [digest(path) for path in sorted(folder.iterdir())] + [digest(outcomes[-1].stdout)]
        assert arrived == [digest(cargo)] * len(logins)


def test_git_clones_and_pushes(gate: Gate, tmp_path: Path) -> None:
    let_everybody_in(gate)
    alice = gate.user("alice")
    assert alice.ssh("git init -q --bare -b main project.git").outcome().status == 0
    copy = tmp_path / "copy"
    committed = "git -c user.name=A -c user.email=a@example.org commit -q --allow-empty -m one"
    assert alice.git("clone", "-q", ":project.git", copy).outcome().status == 0
    subprocess.run(["sh", "-c", f"git checkout -q -b main && {committed}"], cwd=copy, check=True)
    assert alice.git("-C", copy, "push", "-q", "origin", "main").outcome() == (0, b"", b"")
    heads = {at: alice.git("ls-remote", ":project.git", at=at).outcome() for at in SERVERS}
    assert heads["gated"] == heads["ungated"]
    assert b"refs/heads/main" in heads["gated"].stdout


FLAGS = {
    "in another folder": ("-d /tmp", 'pwd\nmkdir "of sftp"\nrmdir "of sftp"\n'),
    "read only": ("-R", "pwd\nmkdir no\n"),
    "without some requests": ("-P mkdir,rename -l VERBOSE -f AUTH", "mkdir no\n"),
    "with a umask": ("-u 0027", "mkdir NAME\n"),
    "wrong": ("-Z", "pwd\n"),
}


@pytest.mark.parametrize("server", ["internal-sftp", "/usr/lib/openssh/sftp-server"])
def test_sftp_servers_obey_their_flags(gate: Gate, server: str) -> None:
    lines = [f"Subsystem s{number} {server} {flags}" for number, (flags, _) in enumerate(FLAGS.values())]
    let_everybody_in(gate)
    gate.configure(sshd={"subsystems": [line.split(maxsplit=2)[2] for line in lines]})
    gate.more_settings = "\n".join(lines)
    alice = gate.user("alice")
    outcomes = {
        at: [
            alice.sftp(batch.replace("NAME", at), "-s", f"s{number}", at=at).outcome()
            for number, (_, batch) in enumerate(FLAGS.values())
        ]
        for at in SERVERS
    }
    seen = {
        at: [(outcome.status, outcome.stdout.replace(at.encode(), b"NAME")) for outcome in outcomes[at]]
        for at in SERVERS
    }
    assert seen["gated"] == seen["ungated"]
    assert [status for status, _ in seen["gated"]][:4] == [0, 1, 1, 0]
    assert seen["gated"][-1][0] != 0
    assert [(alice.home / at).stat().st_mode & 0o777 for at in SERVERS] == [0o750] * 2


def test_a_start_up_file_that_talks_disturbs_what_it_disturbs_without(gate: Gate) -> None:
    """sshd's own sftp server has no shell around it, so nothing can disturb it; the other one can be."""
    let_everybody_in(gate)
    gate.more_settings = "Subsystem inner internal-sftp"
    alice = gate.user("alice")
    alice.write(".bashrc", NOISE)
    for options, status in ((["-s", "inner"], 0), ([], 255)):
        outcomes = [alice.sftp("pwd\n", *options, at=at).outcome() for at in SERVERS]
        assert [(outcome.status, outcome.stdout) for outcome in outcomes] == [(status, outcomes[0].stdout)] * 2


def test_a_key_for_sftp_only_serves_sftp_only(gate: Gate, cargo: Path) -> None:
    let_everybody_in(gate)
    alice = gate.user("alice", key_options='command="internal-sftp",restrict')
    assert alice.sftp(f'put "{cargo}" arrived\n').outcome().status == 0
    assert digest(alice.home / "arrived") == digest(cargo)
    for words in (["id"], []):
        outcomes = [alice.ssh(*words, at=at).outcome() for at in SERVERS]
        assert outcomes[0] == outcomes[1]
        assert outcomes[0].status == 1


def test_lines_typed_ahead_reach_the_shell(gate: Gate) -> None:
    alice = gate.user("alice", secsign_id="alice")
    terminal = alice.terminal()
    gate.phone("alice").wait()
    terminal.type("echo $((6 * 7))\rexit 4\r")
    gate.phone("alice").accept()
    terminal.expect("42\r\n")
    assert terminal.wait() == 4

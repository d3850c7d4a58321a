"""Each way around the gate, from end to end: open, found, proven, closed, found closed.

Open is a real sshd with the shipped drop-in, of which those directives are changed that keep this way shut. The doctor
finds it, and a client that has nothing but a key, and a file in the home where the way needs one, proves it. Closed is
the drop-in as it is shipped, with the daemon: one server for all, on which all that any of them needs is still there.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
import sshd as running_sshd
from accounts import PASSWORD
from gate import CONFIGURATION, Gate, let_in_as_root
from open_ways import FROM, GATE, KEYS_ONLY, OPENED
from running_broker import PROGRAM, RunningBroker
from ssh_client import make_key

from secsign_gate.core.bypass import BYPASSES, Bypass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from running_simulator import RunningSimulator
    from system_log import SystemLog

SSHRC = Path("/etc/ssh/sshrc")
NUMBER = 9000  # of this file's SecSign IDs: no other test's
SERVED = "UnusedConnectionTimeout 10m"
NOT_WHAT_IS_MEANT = "exit status 78"  # a gate that is set up wrong holds everything
BRIEFLY = "UnusedConnectionTimeout 1"  # what is shipped takes longer than anybody would wait


class Client(NamedTuple):
    """Somebody outside with keys: one that alice, bob and root take, one and a certificate that run one command."""

    key: Path
    restricted: Path
    certificate: Path
    authority: Path

    @property
    def trusting(self) -> str:
        """The setting by which sshd takes the certificate."""
        return f"TrustedUserCAKeys {self.authority}"


class Host:
    """A host with the gate on which everything is prepared that some way needs."""

    def __init__(self, folder: Path, client: Client) -> None:
        self.folder = folder
        self.client = client

    def server(self, name: str, drop_ins: dict[str, str], settings: str = "") -> running_sshd.Sshd:
        """Return an sshd with these drop-ins, to be entered."""
        return running_sshd.Sshd(self.folder / name, drop_ins, f"UsePAM yes\n{self.client.trusting}\n{settings}\n")

    def found(self, server: running_sshd.Sshd) -> dict[str, set[str]]:
        """Return what the doctor says of each way: the statuses of its findings."""
        command = [PROGRAM, "doctor", "--offline", "--json", "--sshd-config", str(server.configuration)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert done.stderr == ""
        statuses: dict[str, set[str]] = {}
        for station in json.loads(done.stdout)["stations"]:
            for finding in station["findings"]:
                statuses.setdefault(finding["bypass"], set()).add(finding["status"])
        return statuses

    def proven(self, server: running_sshd.Sshd, account: str, *options: str | Path) -> dict[str, str]:
        """Return what the probe says of each attempt: how it ended, and what was seen."""
        known_hosts = self.folder / "known_hosts"
        keys = [path.read_text().split()[:2] for path in sorted(Path("/etc/ssh").glob("ssh_host_*_key.pub"))]
        known_hosts.write_text("".join(f"[127.0.0.1]:{server.port} {' '.join(key)}\n" for key in keys))
        place = f"{account}@127.0.0.1:{server.port}"
        keys_used = ["--identity", str(self.client.key), "--known-hosts", str(known_hosts)]
        command = [PROGRAM, "probe", place, *keys_used, "--json"]
        done = subprocess.run(
            [*command, *options], capture_output=True, text=True, check=False, timeout=240, input=f"{PASSWORD}\n"
        )
        assert done.stdout, f"{done.stderr}\n{server.log}"
        return {one["name"]: f"{one['status']}: {one['what']}" for one in json.loads(done.stdout)["attempts"]}


@pytest.fixture(scope="module")
def host(
    tmp_path_factory: pytest.TempPathFactory, simulator: RunningSimulator, system_log: SystemLog
) -> Iterator[Host]:
    """A host whose orders are those of a gate with a phone for everybody; nobody accepts on any."""
    folder = tmp_path_factory.mktemp("every-bypass")
    gate = Gate(folder, simulator, system_log, NUMBER)
    gate.configure(limits={"pushes_per_account": 1000, "pushes_per_secsign_id": 1000})
    for account in ("alice", "bob", "root"):
        gate.add_to_users_file(f"{account} {gate.id_of(account)}")
    client = made_client(gate, folder)
    gate.configure(sshd={"trusted_user_ca_keys": [str(client.authority)]})
    let_in_as_root(client.key.with_suffix(".pub").read_text().rstrip())
    yield Host(folder, client)
    gate.close()


def made_client(gate: Gate, folder: Path) -> Client:
    """Make the keys, and have the accounts take them."""
    alice, bob = gate.user("alice"), gate.user("bob")
    restricted, certificate, authority = folder / "restricted", folder / "certified", folder / "authority"
    for path in (restricted, certificate, authority):
        make_key(path)
    command = ["ssh-keygen", "-q", "-s", str(authority), "-I", "somebody", "-n", "alice"]
    subprocess.run([*command, "-O", "force-command=/bin/true", certificate.with_suffix(".pub")], check=True)
    trusted = CONFIGURATION / "authority.pub"  # where the daemon may read it
    shutil.copy(authority.with_suffix(".pub"), trusted)
    alice.write(
        ".ssh/authorized_keys", f'command="/bin/true" {restricted.with_suffix(".pub").read_text()}', append=True
    )
    bob.write(".ssh/authorized_keys", f"{alice.client.public_key}\n", append=True)
    return Client(alice.client.key, restricted, certificate, trusted)


def restricted_options(host: Host) -> list[str | Path]:
    return ["--restricted-identity", host.client.restricted, "--restricted-identity", host.client.certificate]


@contextmanager
def sshrc() -> Iterator[None]:
    """There is an /etc/ssh/sshrc that reads a file of the home, as some have."""
    SSHRC.write_text("if [ -r ~/.profile ]; then . ~/.profile; fi\n")
    yield
    SSHRC.unlink()


class Closed(NamedTuple):
    """What the doctor and the probe say of the shipped drop-in."""

    found: dict[str, set[str]]
    proven: dict[str, str]
    of_bob: dict[str, str]
    idle: dict[str, str]


@pytest.fixture(scope="module")
def closed(host: Host) -> Closed:
    ways = ["--daemon", "--plant", "--ask-password", "--also-user", "bob", "--from", FROM, *restricted_options(host)]
    with RunningBroker(), sshrc(), host.server("closed", {GATE: KEYS_ONLY}) as server:
        found = host.found(server)
        proven = host.proven(server, "alice", *ways)
        of_bob = host.proven(server, "bob", "--only", "chroot")
    assert KEYS_ONLY.count(SERVED) == 1
    with host.server("idle", {GATE: KEYS_ONLY.replace(SERVED, BRIEFLY)}) as server:
        idle = host.proven(server, "alice", "--only", "idle-connection", "--idle", "60")
    return Closed(found, proven, of_bob, idle)


@pytest.mark.parametrize("bypass", BYPASSES, ids=lambda bypass: bypass.name)
def test_it_is_found_and_proven_where_it_is_open_and_neither_where_it_is_closed(
    host: Host, closed: Closed, bypass: Bypass
) -> None:
    name, opened = bypass.name, OPENED[bypass.name]
    ways = ["--only", name, *opened.options, *(restricted_options(host) if name.startswith("restricted-") else [])]
    with sshrc() if opened.sshrc else nullcontext():
        with host.server(f"open-{name}", opened.drop_ins(), opened.settings) as server:
            found = host.found(server)
            proven = {} if opened.proof else host.proven(server, opened.client, *ways)
        if opened.proof:
            with host.server(f"proof-{name}", opened.drop_ins(opened.proof), opened.settings) as server:
                proven = host.proven(server, opened.client, *ways)
    assert "open" in found[name]
    assert proven[name].startswith("got_through: ")

    assert closed.found[name] - {"note"} == {"closed"}
    everything = closed.proven | {"idle-connection": closed.idle["idle-connection"], "chroot": closed.of_bob["chroot"]}
    assert everything[name].startswith("held: ")
    assert NOT_WHAT_IS_MEANT not in everything[name]


def test_what_else_a_client_can_do_is_held_as_well(closed: Closed) -> None:
    besides = closed.proven.keys() - {bypass.name for bypass in BYPASSES}
    assert len(besides) >= 5
    assert {
        name: said for name, said in closed.proven.items() if name in besides and not said.startswith("held: ")
    } == {}

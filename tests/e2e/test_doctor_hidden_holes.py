"""Holes that hide from who reads sshd_config: a real client goes through each, and the doctor calls it open."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import drop_in
import pytest
import registered
import sshd as running_sshd
from gate import ROOTS_KEYS, let_in_as_root
from open_ways import GATE, NOT_EXEC
from probing import outcomes, wishes_of

from secsign_gate.doctor.finding import Finding, Status
from secsign_gate.doctor.sshd.part import sshd_findings
from secsign_gate.probe.outcome import Status as Proven
from secsign_gate.sshd.program import find_sshd, listeners

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate import Gate, Person

NONE = "ForceCommand none\n"
FOR_OTHERS_THAN = "\nMatch User *,!{}\n"
CLOSED_FOR_ALL = "DisableForwarding yes\nAllowTcpForwarding no\nAllowStreamLocalForwarding no\nPermitTunnel no\n"


def open_ones(server: running_sshd.Sshd, *accounts: str, running: bool = False) -> list[Finding]:
    sshd = find_sshd(running_sshd.SSHD, str(server.configuration))
    findings = sshd_findings(sshd, accounts=accounts, running=running)
    return [one for one in findings if one.status is Status.OPEN]


def gated_but(account: str) -> str:
    return drop_in.gated().replace("\nMatch all\n", FOR_OTHERS_THAN.format(account))


def said(person: Person, server: running_sshd.Sshd, *words: str) -> bytes:
    """Run ssh as a client would who has a key, and no phone; return what came through."""
    person.client.knows("here", server.address, server.port)
    return person.client.run("ssh", *words).outcome().stdout


@pytest.mark.parametrize(
    "above",
    [
        "Match RDomain *\n",
        "Match RDomain *,!mgmt\n",
        "Match Address 127.0.0.0/30 LocalAddress 127.0.0.1\n",
        # The first network hides the address that one would try of the second.
        f"Match Address 127.0.0.1/32\n ForceCommand {NOT_EXEC}\nMatch Address 127.0.0.0/8\n",
        f"Match Address 127.0.0.1/32,127.0.0.0/32\n ForceCommand {NOT_EXEC}\nMatch Address 127.0.*\n",
        f"Match LocalPort 9\n ForceCommand {NOT_EXEC}\nMatch Address 127.0.0.0/8 Host 127.0.0.2\n",
    ],
    ids=["any-rdomain", "rdomain-but-one", "local-address", "nested", "nested-in-pattern", "port-before-address"],
)
def test_a_block_that_switches_the_gate_off_is_found(gate: Gate, tmp_path: Path, above: str) -> None:
    alice = gate.user("alice")
    with running_sshd.Sshd(tmp_path, {"00-a.conf": above + NONE, GATE: drop_in.gated()}) as server:
        options = [] if "RDomain" in above or "LocalAddress" in above else ["-o", "BindAddress=127.0.0.2"]
        assert said(alice, server, *options, "alice@here", "echo through") == b"through\n"
        found = open_ones(server, "alice")
    assert {one.bypass for one in found} & {"shadowed-match", "match-exemption", "ungated-account"}


def test_a_second_name_of_a_gated_account_is_open_even_if_it_is_left_out_on_purpose(
    gate: Gate, tmp_path: Path, second_name: str
) -> None:
    alice = gate.user("alice")
    with running_sshd.Sshd(tmp_path, {GATE: gated_but(second_name)}) as server:
        assert said(alice, server, f"{second_name}@here", "id -un; pwd") == b"alice\n/home/alice\n"
        found = open_ones(server)
    assert [(one.bypass, one.account) for one in found] == [("ungated-account", second_name)]
    assert "alice" in found[0].what


@pytest.fixture
def second_name(gate: Gate) -> Iterator[str]:
    """An account with alice's uid and home."""
    del gate  # the homes are fresh from here on
    before = {path: path.read_text() for path in (Path("/etc/passwd"), Path("/etc/shadow"))}
    for path, text in before.items():
        alice = next(line for line in text.splitlines() if line.startswith("alice:"))
        path.write_text(f"{text}{alice.replace('alice', 'second', 1)}\n")
    yield "second"
    for path, text in before.items():
        path.write_text(text)


def test_files_go_in_and_out_by_internal_sftp_of_who_has_no_shell(gate: Gate, tmp_path: Path) -> None:
    carol = gate.user("carol")
    more = {"10-shut.conf": CLOSED_FOR_ALL, "20-carol.conf": "Match User carol\n ForceCommand internal-sftp\n"}
    with running_sshd.Sshd(tmp_path, {GATE: gated_but("carol"), **more}) as server:
        carol.client.knows("here", server.address, server.port)
        (carol.home / "secret").write_text("")
        listed = carol.client.run("sftp", "-q", "-b", "-", "carol@here", stdin=b"ls\n").outcome()
        assert b"secret" in listed.stdout
        found = open_ones(server)
        assert [(one.bypass, one.account) for one in found] == [("ungated-account", "carol")]
        assert "internal-sftp" in found[0].what


def test_a_key_in_a_file_of_roots_is_a_key_of_an_account_without_a_shell(gate: Gate, tmp_path: Path) -> None:
    carol = gate.user("carol")
    keys = Path("/etc/ssh/keys-by-account")
    keys.mkdir(exist_ok=True)
    (keys / "carol").write_text(f"{carol.client.public_key}\n")
    shutil.rmtree(carol.home / ".ssh")
    more = {"10-keys.conf": f"AuthorizedKeysFile {keys}/%u\n"}
    with running_sshd.Sshd(tmp_path / "sshd", {GATE: gated_but("carol"), **more}) as server:
        outcome = outcomes(wishes_of(carol, server), "local-forwarding")["local-forwarding"]
        assert outcome.is_open
        found = open_ones(server)
    assert [(one.bypass, one.account) for one in found] == [("ungated-account", "carol")]


def test_who_could_only_come_by_a_certificate_is_no_hole_yet(tmp_path: Path) -> None:
    more = {"10-ca.conf": "TrustedUserCAKeys /etc/ssh/authority.pub\n"}
    server = running_sshd.Sshd(tmp_path, {GATE: gated_but("daemon"), **more})
    server.settings_for("daemon")
    findings = sshd_findings(find_sshd(running_sshd.SSHD, str(server.configuration)), running=False)
    about = {(one.status, one.account) for one in findings if one.bypass == "ungated-account"}
    assert about == {(Status.WEAK, "daemon")}
    assert Status.OPEN not in {one.status for one in findings}


def test_an_empty_password_at_a_prompt_proves_nothing(tmp_path: Path) -> None:
    settings = "PermitEmptyPasswords yes\nPasswordAuthentication no\nKbdInteractiveAuthentication yes\nUsePAM yes\n"
    server = running_sshd.Sshd(tmp_path, {GATE: drop_in.gated()}, settings)
    server.settings_for("alice")
    assert [one.bypass for one in open_ones(server, "alice")] == ["other-authentication-method"]


def test_a_command_that_only_names_the_door_for_keys_is_not_it(tmp_path: Path) -> None:
    keys = "AuthorizedKeysFile none\nAuthorizedKeysCommandUser nobody\nAuthenticationMethods publickey\n"
    command = "AuthorizedKeysCommand /bin/cat /etc/keys/%u secsign-gate-authorized-keys\n"
    server = running_sshd.Sshd(tmp_path, {GATE: keys + command})
    server.settings_for("alice")
    assert "ungated-account" in {one.bypass for one in open_ones(server, "alice")}


def test_a_tunnel_is_open_to_keys_that_are_handed_out_with_restrict(gate: Gate, tmp_path: Path) -> None:
    person = gate.user("alice")
    let_in_as_root(f'restrict,command="false" {person.client.public_key}')
    door = registered.EXAMPLE.replace("Match User deploy", "Match all")
    more = {"01-keys.conf": f"{door}\n AuthenticationMethods publickey\n DisableForwarding yes\n PermitTunnel yes\n"}
    with running_sshd.Sshd(tmp_path / "keys", {"10.conf": "PermitTunnel yes\nDisableForwarding yes\n"}) as server:
        assert outcomes(wishes_of(person, server, account="root"), "tunnel")["tunnel"].status is Proven.GOT_THROUGH
    ROOTS_KEYS.unlink()
    server = running_sshd.Sshd(tmp_path / "door", more)
    server.settings_for("root")
    ways = {one.bypass for one in open_ones(server, "root")}
    assert {"tunnel", "disable-forwarding-alone"} <= ways
    assert not ways & {"root-login", "ungated-account", "local-forwarding"}


def test_another_sshd_whose_gate_leaves_forwarding_open_is_a_hole(gate: Gate, tmp_path: Path) -> None:
    alice = gate.user("alice")
    careless = drop_in.gated(DisableForwarding="no", AllowTcpForwarding="yes", PermitOpen="any")
    with (
        running_sshd.Sshd(tmp_path / "good", {GATE: drop_in.gated()}) as good,
        running_sshd.Sshd(tmp_path / "other", {GATE: careless}) as other,
    ):
        assert outcomes(wishes_of(alice, other), "local-forwarding")["local-forwarding"].is_open
        (found,) = open_ones(good, "alice", running=True)
        assert f"port {other.port}" in found.what
    assert "AllowTcpForwarding is yes" in found.what


def test_an_sshd_by_another_name_is_seen(tmp_path: Path) -> None:
    copy = tmp_path / "sshd-old"
    shutil.copy(running_sshd.SSHD, copy)
    with running_sshd.Sshd(tmp_path / "files", {}) as server:
        command = [str(copy), "-D", "-e", "-f", str(server.configuration), "-p", "2222"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            while "Server listening" not in process.stderr.readline():
                assert process.poll() is None
            found = [one.executable for one in listeners()]
            process.terminate()
    assert str(copy) in found


OPEN_TO_FILES = {"SetEnv": "FOO=1", "PermitUserEnvironment": "yes"}


def planted_of(findings: list[Finding]) -> dict[str, str]:
    return {one.bypass: one.what for one in findings if "there now" in one.what}


def test_files_that_lie_ready_are_named_where_their_way_is_open(gate: Gate, tmp_path: Path) -> None:
    alice, zoe = gate.user("alice"), gate.user("zoe")
    (alice.home / ".bashrc").unlink(missing_ok=True)
    shutil.copy("/etc/skel/.bashrc", alice.home)
    server = running_sshd.Sshd(tmp_path, {GATE: drop_in.gated(**OPEN_TO_FILES)})
    server.settings_for("alice")
    assert not planted_of(open_ones(server, "alice"))  # what is in every home, nobody has planted
    for name in (".bashrc", ".ssh/environment", ".pam_environment"):
        alice.write(name, "something")
    zoe.write(".zshenv", "something")
    found = planted_of(open_ones(server, "alice", "zoe"))
    assert {*found} == {"shell-startup-files", "user-environment", "pam-environment"}
    assert f"{alice.home}/.bashrc, {zoe.home}/.zshenv are there" in found["shell-startup-files"]
    assert f"{alice.home}/.ssh/environment is there" in found["user-environment"]
    closed = running_sshd.Sshd(tmp_path / "closed", {GATE: drop_in.gated()})
    closed.settings_for("alice")
    assert not open_ones(closed, "alice", "zoe")


def test_a_planted_pipe_holds_nobody_up(gate: Gate, tmp_path: Path) -> None:
    alice = gate.user("alice")
    (alice.home / ".bashrc").unlink(missing_ok=True)
    os.mkfifo(alice.home / ".bashrc")
    server = running_sshd.Sshd(tmp_path, {GATE: drop_in.gated(**OPEN_TO_FILES)})
    server.settings_for("alice")
    assert f"{alice.home}/.bashrc is there" in planted_of(open_ones(server, "alice"))["shell-startup-files"]

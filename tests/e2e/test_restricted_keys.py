"""Law 5: a key that was restricted stays restricted. What runs is compared with what sshd runs without the gate."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from gate import CONFIGURATION

from secsign_gate.core.verdict import Reason

if TYPE_CHECKING:
    from gate import Gate, Person

TELL = r"printf '%s|%s|' \"restricted\" \"${SSH_ORIGINAL_COMMAND-none}\"; env | grep -c ^SSH_ORIGINAL_COMMAND="
YESTERDAY = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y%m%d%H%MZ")
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y%m%d%H%MZ")


def keys(person: Person, *lines: str) -> None:
    """Replace the authorized_keys file; KEY stands for the person's key."""
    text = "".join(f"{line}\n" for line in lines)
    person.write(".ssh/authorized_keys", text.replace("KEY", person.client.public_key))


def same(gate: Gate, person: Person, *command: str, options: tuple[str, ...] = ()) -> tuple[int, bytes]:
    """Log in at both, accept, insist that the outcome is the same, and return its status and output."""
    ungated = person.ssh(*command, at="ungated", options=options)
    gated = person.ssh(*command, options=options)
    gate.phone("alice").accept()
    assert gated.outcome()[:2] == ungated.outcome()[:2]
    return ungated.outcome()[:2]


def same_unasked(person: Person, *command: str) -> tuple[int, bytes, bytes]:
    """Log in at both as somebody who needs no approval, insist that the outcome is the same, and return it."""
    gated, ungated = (person.ssh(*command, at=at) for at in ("gated", "ungated"))
    assert gated.outcome() == ungated.outcome()
    return ungated.outcome()


# The lines of an authorized_keys file, and what runs for `touch ~/proof`.
LINES = (
    ([f'command="{TELL}" KEY'], b"restricted|touch ~/proof|1\n"),
    ([f'restrict,command="{TELL}" KEY'], b"restricted|touch ~/proof|1\n"),
    ([f'no-pty,no-user-rc,COMMAND="{TELL}",from="127.0.0.0/8" KEY'], b"restricted|touch ~/proof|1\n"),
    (["", "# KEY", "nonsense KEY", 'command="x KEY', f'command="{TELL}" KEY', "KEY"], b"restricted|touch ~/proof|1\n"),
    ([f'command="echo 1",expiry-time="{YESTERDAY}" KEY', f'command="{TELL}" KEY'], b"restricted|touch ~/proof|1\n"),
    ([f'command="echo 1",expiry-time="{TOMORROW}" KEY', "KEY"], b"1\n"),
    (['command="echo 1",from="192.0.2.0/24" KEY', 'command="echo 2" KEY', "KEY"], b"2\n"),
    (['cert-authority,command="echo 1" KEY', 'command="echo 2" KEY'], b"2\n"),
    (['command="" KEY'], b""),
    ([r"""command="printf 'a,b\\\"'" KEY"""], b'a,b\\"'),
    ([r'environment="A=\"b,c\"",command="echo one,two # three" KEY comment "with quotes'], b"one,two\n"),
)


def test_the_line_that_sshd_went_by_decides(gate: Gate) -> None:
    gate.configure(policy={"exempt_accounts": "alice"})  # a push for each would tell nothing more
    alice = gate.user("alice")
    for lines, expected in LINES:
        keys(alice, *lines)
        assert same_unasked(alice, "touch ~/proof") == (0, expected, b""), lines
        assert gate.records[-1]["command"] == "touch ~/proof"
        assert "restriction" in gate.records[-1]
    assert not alice.has("proof")


def test_a_login_shell_is_no_way_out(gate: Gate) -> None:
    alice = gate.user("alice", secsign_id="alice", key_options=f'command="{TELL}"')
    assert same(gate, alice) == (1, b"restricted|none|0\n")


def test_a_subsystem_is_no_way_out(gate: Gate) -> None:
    alice = gate.user("alice", secsign_id="alice", key_options=f'command="{TELL}"')
    assert same(gate, alice, "sftp", options=("-s",)) == (0, b"restricted|/usr/lib/openssh/sftp-server|1\n")


def test_other_options_stay_in_force(gate: Gate) -> None:
    alice = gate.user("alice", secsign_id="alice", key_options='restrict,command="tty"')
    refused = (255, b"", b"PTY allocation request failed on channel 0\r\n")
    assert [alice.ssh(options=["-tt"], at=at).outcome() for at in ("gated", "ungated")] == [refused, refused]


def test_a_key_for_sftp_only(gate: Gate) -> None:
    alice = gate.user("alice", secsign_id="alice", key_options='command="internal-sftp -R",restrict')
    alice.write("notes", "hers")
    assert same(gate, alice, "touch ~/proof") == (1, b"This service allows sftp connections only.\n")
    outcomes = []
    for at in ("gated", "ungated"):
        copy = gate.folder / f"notes-{at}"
        login = alice.sftp(f"get notes {copy}\nput {copy} proof\n", at=at)
        if at == "gated":
            gate.phone("alice").accept()
        outcomes.append(login.outcome())
        assert copy.read_text() == "hers"
    assert outcomes[0].status == outcomes[1].status == 1  # -R: read only
    assert not alice.has("proof")


def test_a_key_that_is_in_no_file_may_do_nothing(gate: Gate) -> None:
    elsewhere = Path("/etc/ssh/keys-elsewhere")
    gate.more_settings = f"AuthorizedKeysFile .ssh/authorized_keys {elsewhere}\n"
    alice = gate.user("alice", secsign_id="alice")
    elsewhere.write_text(f'command="echo 1" {alice.client.public_key}\n')
    keys(alice, "")
    assert alice.ssh("touch ~/proof").refused(Reason.KEY_NOT_FOUND)
    gate.configure(sshd={"authorized_keys_files": [".ssh/authorized_keys", str(elsewhere)]})
    assert same(gate, alice, "touch ~/proof") == (0, b"1\n")
    elsewhere.unlink()
    assert not alice.has("proof")


@pytest.mark.parametrize("unsafe", [".ssh/authorized_keys", ".ssh"])
def test_a_file_that_others_can_write_to_frees_no_key(gate: Gate, unsafe: str) -> None:
    """sshd passes over such a file (StrictModes), and with it over the line that somebody else may have put there."""
    elsewhere = Path("/etc/ssh/keys-of-alice")
    gate.more_settings = f"AuthorizedKeysFile .ssh/authorized_keys {elsewhere}\n"
    gate.configure(sshd={"authorized_keys_files": [".ssh/authorized_keys", str(elsewhere)]})
    alice = gate.user("alice", secsign_id="alice")
    elsewhere.write_text(f'command="echo 1" {alice.client.public_key}\n')
    (alice.home / unsafe).chmod(0o777)
    assert alice.ssh("touch ~/proof", at="ungated").outcome().stdout == b"1\n"
    assert alice.ssh("touch ~/proof").refused(Reason.KEY_OPTIONS_UNREADABLE)
    keys(alice, 'command="echo 1" KEY')
    (alice.home / unsafe).chmod(0o777)
    assert same(gate, alice, "touch ~/proof") == (0, b"1\n")
    elsewhere.unlink()
    assert not alice.has("proof")


def test_a_line_that_is_taken_away_during_the_connection(gate: Gate) -> None:
    alice = gate.user("alice", secsign_id="alice", key_options='command="echo 1"')
    options = ["-o", f"ControlPath={alice.client.folder}/mux"]
    gated = alice.at("gated")
    shared = ["ssh", "-F", str(alice.client.configuration), *options]
    subprocess.run([*shared, "-M", "-N", "-f", gated], check=True, stdin=subprocess.DEVNULL)
    keys(alice, "")
    assert alice.ssh("touch ~/proof", options=options).refused(Reason.KEY_NOT_FOUND)
    subprocess.run([*shared, "-O", "exit", gated], check=True, capture_output=True)
    assert not alice.has("proof")


# --- certificates -----------------------------------------------------------------------------------------------------


def certify(person: Person, authority: Path, *options: str, principals: str = "alice") -> None:
    """Have the authority certify the person's key; ssh offers the certificate beside the key by itself."""
    command = ["ssh-keygen", "-q", "-s", str(authority), "-I", "alice's laptop", "-n", principals, *options]
    subprocess.run([*command, person.client.key.with_suffix(".pub")], check=True)


@pytest.fixture
def authority(gate: Gate) -> Path:
    """The key of a certificate authority; its public half is where everybody can read it."""
    path = gate.folder / "authority"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    Path("/etc/ssh/authority.pub").write_text(path.with_suffix(".pub").read_text())
    return path


def trusting(gate: Gate, settings: str = "", **sshd: object) -> Person:
    """Return alice, whose key is in no file, at servers that trust the authority."""
    gate.more_settings = f"TrustedUserCAKeys /etc/ssh/authority.pub\n{settings}"
    gate.configure(sshd={"trusted_user_ca_keys": ["/etc/ssh/authority.pub"], **sshd})
    gate.configure(policy={"exempt_accounts": "alice"})
    alice = gate.user("alice", secsign_id="alice")
    keys(alice, "")
    return alice


def test_a_certificate_of_a_trusted_authority(gate: Gate, authority: Path) -> None:
    alice = trusting(gate)
    certify(alice, authority)
    assert same_unasked(alice, "echo free")[:2] == (0, b"free\n")
    (record,) = gate.records
    assert (record["certificate_key_id"], record["certificate_serial"]) == ("alice's laptop", "0")
    certify(
        alice, authority, "-O", "force-command=echo forced: $SSH_ORIGINAL_COMMAND", "-O", "source-address=127.0.0.0/8"
    )
    assert same_unasked(alice, "echo free")[:2] == (0, b"forced: echo free\n")
    certify(alice, authority, "-O", "force-command=internal-sftp", "-O", "no-user-rc")
    assert same_unasked(alice, "echo free")[:2] == (1, b"This service allows sftp connections only.\n")


def test_an_authority_in_the_users_own_file(gate: Gate, authority: Path) -> None:
    gate.configure(policy={"exempt_accounts": "alice"})
    alice = gate.user("alice")
    key = authority.with_suffix(".pub").read_text()
    keys(
        alice,
        f'cert-authority,principals="operators",command="echo 1" {key}',
        f'cert-authority,principals="on-call,alice",command="echo 2" {key}',
        f"cert-authority {key}",
    )
    certify(alice, authority)
    assert same_unasked(alice, "touch ~/proof")[:2] == (0, b"2\n")
    certify(alice, authority, "-O", "force-command=echo 2", principals="on-call")
    assert same_unasked(alice, "touch ~/proof")[:2] == (0, b"2\n")
    assert not alice.has("proof")


def test_principals_with_commands_of_their_own(gate: Gate, authority: Path) -> None:
    principals = Path("/etc/ssh/principals-of-alice")
    principals.write_text('# who may be alice\nauditor\ncommand="echo 1" backup\ncommand="echo 2",no-user-rc on-call\n')
    pattern = "/etc/ssh/principals-of-%u"
    alice = trusting(gate, f"AuthorizedPrincipalsFile {pattern}\n", authorized_principals_files=[pattern])
    certify(alice, authority, principals="on-call,alice")
    assert same_unasked(alice, "touch ~/proof")[:2] == (0, b"2\n")
    certify(alice, authority, principals="auditor")
    assert same_unasked(alice, "echo free")[:2] == (0, b"free\n")
    assert not alice.has("proof")


# --- without root -----------------------------------------------------------------------------------------------------

DOOR = "/opt/secsign-gate/bin/python3 -I -S /opt/secsign-gate/bin/secsign-gate-force-command"


def own_gate(gate: Gate, person: Person, options: str = "") -> None:
    """Set up the gate as a user without root can: configuration below ~/.config, a command="…" before her own key."""
    folder = person.home / ".config/secsign-gate"
    server = gate.simulator
    person.write(
        ".config/secsign-gate/secsign-gate.toml",
        f'[id_server]\ndialect = "form"\nurl = "{server.url}"\nca_file = "ca.pem"\n'
        f'[audit]\nsyslog = false\nfile = "{folder}/audit.jsonl"\n',
    )
    person.write(".config/secsign-gate/users", f"{person.account} {gate.id_of(person.account)}\n")
    person.write(".config/secsign-gate/ca.pem", Path(server.ca_file).read_bytes())
    line = f"exec {DOOR} --started-by-key --config {folder}/secsign-gate.toml{options}"
    keys(person, f'command="{line}" KEY')


def test_a_gate_of_ones_own_needs_no_root(gate: Gate) -> None:
    for path in CONFIGURATION.iterdir():
        path.unlink()
    alice = gate.user("alice")
    own_gate(gate, alice)
    accepted = alice.ssh("env | grep -c ^SSH_ORIGINAL_COMMAND=; pwd", at="ungated")
    gate.phone("alice").accept()
    assert accepted.outcome()[:2] == (0, b"0\n/home/alice\n")
    denied = alice.ssh("touch ~/proof", at="ungated")
    gate.phone("alice").deny()
    assert denied.outcome()[:2] == (77, b"")
    assert not alice.has("proof")
    audit = (alice.home / ".config/secsign-gate/audit.jsonl").read_text()
    assert audit.count('"verdict":"allow"') == audit.count('"verdict":"refuse"') == 1
    assert gate.records == []


def test_a_gate_of_ones_own_restricts_too(gate: Gate) -> None:
    alice = gate.user("alice")
    own_gate(gate, alice, r" --restricted-to 'echo \"only this: $SSH_ORIGINAL_COMMAND\"'")
    login = alice.ssh("touch ~/proof", at="ungated")
    gate.phone("alice").accept()
    assert login.outcome()[:2] == (0, b"only this: touch ~/proof\n")
    assert not alice.has("proof")


def test_a_gate_of_ones_own_below_the_administrators_asks_twice(gate: Gate) -> None:
    """An administrator's ForceCommand replaces the key's command, which then runs as the key's restriction."""
    alice = gate.user("alice", secsign_id="alice")
    own_gate(gate, alice)
    login = alice.ssh("echo twice")
    gate.phone("alice").accept()
    gate.phone("alice").accept()
    assert login.outcome()[:2] == (0, b"twice\n")
    assert len(gate.phone("alice").auth_sessions()) == 2

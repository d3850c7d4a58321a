"""Several people, one account: sshd asks our AuthorizedKeysCommand, and each person's own phone is asked.

Twice where it matters: with the drop-in's ForceCommand before the key's command, and with the key's command alone.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import drop_in
import pytest
from gate import CONFIGURATION, Person
from running_broker import SOCKET, RunningBroker
from ssh_keygen import SshKeygen

from secsign_gate.core.verdict import Reason

if TYPE_CHECKING:
    from gate import Gate
    from pam_stack import PamStack

REGISTRY = CONFIGURATION / "registry"
EXAMPLE = (drop_in.FOLDER / "01-secsign-gate-keys.conf.example").read_text()
EMBEDDED = EXAMPLE.replace("--broker /run/secsign-gate/broker.sock", "--config /etc/secsign-gate/secsign-gate.toml")
FOR_EVERYBODY = EMBEDDED.replace("Match User deploy", "Match all")
YESTERDAY = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y%m%d%H%MZ")
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y%m%d%H%MZ")
DENIED = b"Permission denied (publickey"


@pytest.fixture(params=["forced", "by the key"])
def shared(gate: Gate, request: pytest.FixtureRequest) -> Gate:
    """A host where deploy's keys come from the registry, in both ways to have the gate in front of them."""
    with_registry(gate)
    gate.drop_in = (drop_in.gated() if request.param == "forced" else drop_in.gated(ForceCommand="none")) + EMBEDDED
    return gate


@pytest.fixture
def by_the_key(gate: Gate) -> Gate:
    """A host where the key's line is all that starts the gate, for every account."""
    with_registry(gate)
    gate.drop_in = drop_in.gated(ForceCommand="none") + FOR_EVERYBODY
    return gate


def with_registry(gate: Gate) -> None:
    gate.above_tables = 'registry_file = "registry"\n'
    gate.configure()
    registry("# nobody yet")


def registry(*lines: str) -> None:
    """Write the registry, as an administrator should: beside it, then into its place."""
    new = REGISTRY.with_name("registry.new")
    new.write_text("".join(f"{line}\n" for line in lines))
    new.chmod(0o644)
    new.rename(REGISTRY)


def person(gate: Gate, account: str = "deploy") -> Person:
    """Return somebody with a key that no file of the account's holds."""
    made = gate.user(account)
    made.write(".ssh/authorized_keys", "")
    return made


def line(gate: Gate, who: Person, secsign_id: str, options: str = "", accounts: str = "deploy") -> str:
    holder = gate.id_of(secsign_id) if secsign_id != "-" else "-"
    return f"{accounts}  {holder}  {options} {who.client.public_key}"


def grounds(gate: Gate) -> list[str]:
    return [record.get("ground") or record.get("reason") for record in gate.records]


def is_denied(who: Person, *command: str) -> bool:
    """Tell whether sshd refuses the key."""
    outcome = who.ssh(*command).outcome()
    return outcome.status == 255 and DENIED in outcome.stderr


def test_two_people_share_an_account_and_each_is_asked_on_a_phone_of_ones_own(shared: Gate) -> None:
    alice, bob = person(shared), person(shared)
    command = "printf '%s|' restricted \\\"$SSH_ORIGINAL_COMMAND\\\""
    registry(line(shared, alice, "alice"), line(shared, bob, "bob", f'restrict,command="{command}"'))
    hers = alice.ssh("touch ~/hers; id -un")
    shared.phone("alice").accept()
    assert hers.outcome()[:2] == (0, b"deploy\n")
    his = bob.ssh("touch ~/his")
    shared.phone("bob").accept()
    assert his.outcome()[:2] == (0, b"restricted|touch ~/his|")
    assert alice.has("hers")
    assert not bob.has("his")
    assert [record["secsign_id"] for record in shared.records] == [shared.id_of("alice"), shared.id_of("bob")]
    denied = alice.ssh("touch ~/denied")
    shared.phone("alice").deny()
    assert denied.refused(Reason.DENIED_ON_PHONE)
    assert not alice.has("denied")


def test_files_go_through_as_without_a_gate(shared: Gate) -> None:
    alice = person(shared)
    registry(line(shared, alice, "alice"))
    notes = shared.folder / "notes"
    notes.write_bytes(bytes(range(256)) * 1000)
    for begin in (
        lambda: alice.scp(notes, ":by-scp"),
        lambda: alice.rsync(notes, ":by-rsync"),
        lambda: alice.sftp(f"put {notes} by-sftp\n"),
    ):
        login = begin()
        shared.phone("alice").accept()
        assert login.outcome().status == 0
    assert {(alice.home / name).read_bytes() for name in ("by-scp", "by-rsync", "by-sftp")} == {notes.read_bytes()}


def test_a_change_of_the_registry_counts_at_the_next_login(shared: Gate) -> None:
    shared.configure(policy={"exempt_accounts": "deploy"})
    alice, bob = person(shared), person(shared)
    registry(line(shared, alice, "alice"))
    assert alice.ssh("echo in").outcome()[:2] == (0, b"in\n")
    assert is_denied(bob, "echo in")
    registry(line(shared, alice, "alice", f'expiry-time="{YESTERDAY}"'), line(shared, bob, "bob"))
    assert is_denied(alice, "echo in")
    assert bob.ssh("echo in").outcome()[:2] == (0, b"in\n")
    registry(line(shared, alice, "alice", f'expiry-time="{TOMORROW}"'), line(shared, bob, "bob", accounts="root,alice"))
    assert alice.ssh("echo in").outcome()[:2] == (0, b"in\n")
    assert is_denied(bob, "echo in")
    assert [text for text in shared.system_log.lines() if "its expiry-time has passed" in text]


def test_a_key_changes_hands_at_its_time(shared: Gate) -> None:
    """The line that has expired is neither what sshd goes by nor whose phone is asked."""
    who = person(shared)
    registry(
        line(shared, who, "alice", f'command="echo old",expiry-time="{YESTERDAY}"'),
        line(shared, who, "bob", 'command="echo new"'),
    )
    login = who.ssh("id")
    shared.phone("bob").accept()
    assert login.outcome()[:2] == (0, b"new\n")


def test_nobody_is_asked_if_nobody_can_tell_whose_key_it_is(shared: Gate) -> None:
    who = person(shared)
    registry(line(shared, who, "alice"), line(shared, who, "bob"))
    assert who.ssh("touch ~/proof").refused(Reason.NO_SECSIGN_ID)
    registry(line(shared, who, "-"))
    assert who.ssh("touch ~/proof").refused(Reason.NO_SECSIGN_ID)
    shared.add_to_users_file(f"deploy {shared.id_of('carol')}")
    login = who.ssh("touch ~/proof")
    shared.phone("carol").deny()
    assert login.refused(Reason.DENIED_ON_PHONE)
    assert not who.has("proof")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ('comand="id"', "'comand', which sshd does not know so"),
        ('command="id', "has a quote that is not closed"),
        ('command="id",command="date"', "has the option command twice"),
        ('from="127.0.0.1",expiry-time="soon"', "expiry-time has a value that sshd does not take"),
    ],
)
def test_a_line_that_is_none_lets_nobody_in_and_is_told_of(shared: Gate, options: str, says: str) -> None:
    shared.configure(policy={"exempt_accounts": "deploy"})
    alice, bob = person(shared), person(shared)
    registry(line(shared, alice, "alice", options), line(shared, bob, "bob"))
    assert is_denied(alice, "touch ~/proof")
    assert bob.ssh("echo in").outcome()[:2] == (0, b"in\n")
    (*_, told) = [text for text in shared.system_log.lines() if "secsign-gate-authorized-keys" in text]
    assert f"{REGISTRY} line 1: " in told
    assert says in told
    assert told.startswith("<84>"), "authpriv.warning"
    checked = check()
    assert checked.returncode == 78
    assert f"{REGISTRY} line 1: " in checked.stderr
    assert not alice.has("proof")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda: REGISTRY.chmod(0o664), "can be written by its group"),
        (lambda: REGISTRY.chmod(0o600), "may not be read by secsign-gate-keys"),
        (REGISTRY.unlink, "does not exist"),
        (lambda: REGISTRY.write_bytes(REGISTRY.read_bytes()[:-5]), "may be cut off"),
        (lambda: REGISTRY.write_bytes(b""), "is empty"),
        (lambda: CONFIGURATION.chmod(0o777), "can be written by everybody"),
    ],
)
def test_a_registry_that_cannot_be_vouched_for_lets_nobody_in(shared: Gate, damage: object, says: str) -> None:
    alice = person(shared)
    registry(line(shared, alice, "alice"))
    assert callable(damage)
    damage()
    assert is_denied(alice, "touch ~/proof")
    told = [text for text in shared.system_log.lines() if "secsign-gate-authorized-keys" in text]
    assert told
    assert all(says in text for text in told)
    shared.sshd.wait_for_log(r"AuthorizedKeysCommand .*failed, status 78")
    assert not alice.has("proof")


def test_a_broker_that_cannot_read_the_registry_refuses(gate: Gate) -> None:
    """Keys from another place: the registry is the broker's only."""
    with_registry(gate)
    alice = gate.user("alice", secsign_id="alice")
    REGISTRY.chmod(0o666)
    assert alice.ssh("touch ~/proof").refused(Reason.CONFIGURATION_ERROR)
    registry("# nobody")
    login = alice.ssh("touch ~/proof")
    gate.phone("alice").accept()
    assert login.outcome().status == 0


def check(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/opt/secsign-gate/bin/secsign-gate", "check", *options], capture_output=True, text=True, check=False
    )


def test_offered_keys_ask_nobody(shared: Gate) -> None:
    """Whoever knows public keys, from wherever they are published, can have sshd ask about all of them."""
    shared.more_settings = "MaxAuthTries 100\n"
    stranger = person(shared)
    keys = SshKeygen(shared.folder)
    public = [b" ".join(keys.public(f"published{number}")) for number in range(50)]
    registry(*(f"deploy {shared.id_of('alice')} {key.decode()}" for key in public))
    before = len(shared.simulator.auth_sessions())
    with agent_that_never_signs([shared.folder / f"published{number}" for number in range(50)]) as socket:
        identities = [word for number in range(50) for word in ("-i", str(shared.folder / f"published{number}.pub"))]
        options = [*identities, "-v", "-o", "LogLevel=DEBUG1"]
        outcome = stranger.ssh("id", options=options, environment={"SSH_AUTH_SOCK": str(socket)}).outcome()
    assert outcome.status == 255
    assert outcome.stderr.count(b"Server accepts key") == 50
    assert len(shared.simulator.auth_sessions()) == before
    assert grounds(shared) == []


@contextmanager
def agent_that_never_signs(keys: list[Path]) -> Iterator[Path]:
    """Hold the keys in an agent that asks before it signs, and is always told no."""
    socket = keys[0].with_name("agent")
    environment = os.environ | {"SSH_ASKPASS": "/bin/false", "DISPLAY": "none", "SSH_AUTH_SOCK": str(socket)}
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", socket], env=environment, stdout=subprocess.PIPE)
    try:
        assert agent.stdout is not None
        agent.stdout.readline()  # it says where it listens once it does
        subprocess.run(["ssh-add", "-q", "-c", *keys], env=environment, check=True)
        yield socket
    finally:
        agent.kill()
        agent.communicate()


def test_one_authority_for_several_people(shared: Gate) -> None:
    keys = SshKeygen(shared.folder)
    authority = b" ".join(keys.public("authority")).decode()
    hers, his, nobodys, forced = (person(shared) for _ in range(4))
    for who, principals, options in (
        (hers, "alice", ()),
        (his, "bob", ()),
        (nobodys, "eve", ()),
        (forced, "alice", ("-O", "force-command=id")),
    ):
        certify(keys, who, principals, *options)
    registry(
        f'deploy {shared.id_of("alice")} cert-authority,principals="alice" {authority}',
        f'deploy {shared.id_of("bob")} cert-authority,principals="bob,robert",command="echo bob" {authority}',
    )
    login = hers.ssh("echo in")
    shared.phone("alice").accept()
    assert login.outcome()[:2] == (0, b"in\n")
    login = his.ssh("touch ~/proof")
    shared.phone("bob").accept()
    assert login.outcome()[:2] == (0, b"bob\n")
    assert is_denied(nobodys, "touch ~/proof")
    assert is_denied(forced, "touch ~/proof")
    assert [text for text in shared.system_log.lines() if "leaves no place for the gate" in text]
    assert not his.has("proof")


def certify(keys: SshKeygen, who: Person, principals: str, *options: str) -> None:
    """Give somebody a certificate of the authority's."""
    name = f"{who.client.folder.name}-certified"
    word, text = who.client.public_key.split()[:2]
    keys.put_public(name, word.encode(), text.encode())
    signed = keys.certificate("authority", name, *options, principals=principals)
    who.client.key.with_name("id_ed25519-cert.pub").write_bytes(b" ".join(signed) + b"\n")


def test_a_person_with_a_key_of_two_accounts(shared: Gate) -> None:
    """One key, one phone, and what the line names: no other account."""
    alice = person(shared)
    registry(line(shared, alice, "alice", accounts="deploy,backup-robot"))
    login = alice.ssh("id -un")
    shared.phone("alice").accept()
    assert login.outcome()[:2] == (0, b"deploy\n")


COMMANDS = (
    "echo plain",
    "echo 'single  quotes'",
    r"printf '%s|' \"double  quotes\" a\\\\b \$HOME '!x' 'a!b'",
    r"printf '%s|' it\\'s",
    "echo \u00f6\u00e4 \u2713",
    "echo $((6*7)); echo %u %h '%k'",
    "",
)


@pytest.mark.parametrize("account", ["alice", "zoe", "felix", "tina", "dora", "kim", "sam"])
def test_every_shell_hands_on_what_a_key_may_do(by_the_key: Gate, account: str) -> None:
    by_the_key.configure(policy={"exempt_accounts": account})
    who = person(by_the_key, account)
    for command in COMMANDS:
        options = f'command="{command}"'
        registry(line(by_the_key, who, "-", options, accounts=account))
        gated = who.ssh("touch ~/proof").outcome()
        who.write(".ssh/authorized_keys", f"{options} {who.client.public_key}\n")
        assert gated == who.ssh("touch ~/proof", at="ungated").outcome(), command
    assert not who.has("proof")


def test_the_users_rc_file_runs_after_the_approval(by_the_key: Gate) -> None:
    alice = person(by_the_key, "alice")
    alice.write(".ssh/rc", "touch ~/rc-ran\n")
    registry(line(by_the_key, alice, "alice", accounts="alice"))
    denied = alice.ssh("touch ~/proof")
    by_the_key.phone("alice").deny()
    assert denied.refused(Reason.DENIED_ON_PHONE)
    assert not alice.has("rc-ran")
    by_the_key.configure(limits={"pause_seconds": 0})
    accepted = alice.ssh("ls rc-ran")
    by_the_key.phone("alice").accept()
    assert accepted.outcome()[:2] == (0, b"rc-ran\n")
    (alice.home / "rc-ran").unlink()
    registry(line(by_the_key, alice, "alice", "no-user-rc", accounts="alice"))
    accepted = alice.ssh("true")
    by_the_key.phone("alice").accept()
    assert accepted.outcome().status == 0
    assert not alice.has("rc-ran")


def test_without_exposed_keys_nobody_is_let_in(by_the_key: Gate) -> None:
    by_the_key.drop_in = drop_in.gated(ForceCommand="none", ExposeAuthInfo="no") + FOR_EVERYBODY.replace(
        "ExposeAuthInfo yes", ""
    )
    alice = person(by_the_key, "alice")
    by_the_key.add_to_users_file(f"alice {by_the_key.id_of('bob')}")
    registry(line(by_the_key, alice, "alice", accounts="alice"))
    assert alice.ssh("touch ~/proof").refused(Reason.AUTH_INFO_UNUSABLE)


def test_forwarding_waits_for_nobody_so_it_is_closed_unless_the_administrator_opens_it(by_the_key: Gate) -> None:
    """sshd's own settings are open here: what closes it is the line that sshd is told."""
    by_the_key.drop_in = FOR_EVERYBODY
    alice = person(by_the_key, "alice")
    port = str(by_the_key.ungated.port)

    def banner() -> bytes:
        """Return what comes through to another sshd, before any approval."""
        return alice.ssh(options=["-W", f"127.0.0.1:{port}"], stdin=b"").outcome().stdout

    registry(line(by_the_key, alice, "alice", accounts="alice"))
    assert banner() == b""
    registry(line(by_the_key, alice, "alice", "port-forwarding", accounts="alice"))
    assert banner().startswith(b"SSH-2.0-")
    registry(
        line(by_the_key, alice, "alice", f'restrict,port-forwarding,permitopen="127.0.0.1:{port}"', accounts="alice")
    )
    assert banner().startswith(b"SSH-2.0-")
    registry(line(by_the_key, alice, "alice", 'port-forwarding,permitopen="127.0.0.1:1"', accounts="alice"))
    assert banner() == b""
    assert grounds(by_the_key) == []


def test_a_terminal_only_where_the_line_allows_one(by_the_key: Gate) -> None:
    by_the_key.configure(policy={"exempt_accounts": "alice"})
    alice = person(by_the_key, "alice")
    refused = b"PTY allocation request failed on channel 0\r\n"
    for options, allowed in (("", True), ("restrict", False), ("restrict,pty", True), ("no-pty", False)):
        registry(line(by_the_key, alice, "alice", options, accounts="alice"))
        outcome = alice.ssh("true", options=["-tt"]).outcome()
        assert (refused not in outcome.stderr) is allowed, options


FILES = Path("/etc/ssh/authorized_keys")


@pytest.fixture
def key_files() -> Iterator[Path]:
    """A folder of root's with a key file for each account."""
    FILES.mkdir(exist_ok=True)
    yield FILES
    for path in FILES.iterdir():
        path.unlink()
    FILES.rmdir()


def test_keys_in_files_are_behind_the_gate_too(by_the_key: Gate, key_files: Path) -> None:
    by_the_key.drop_in = drop_in.gated(ForceCommand="none") + FOR_EVERYBODY.replace(
        " %u %t", f" --authorized-keys {key_files}/%%u --authorized-keys %h/.ssh/authorized_keys %u %t"
    ).replace("%h/", "%%h/")
    alice, bob = person(by_the_key, "alice"), person(by_the_key, "bob")
    by_the_key.add_to_users_file(f"alice {by_the_key.id_of('alice')}")
    (key_files / "alice").write_text(f'command="echo hers" {alice.client.public_key}\n')
    login = alice.ssh("touch ~/proof")
    by_the_key.phone("alice").accept()
    assert login.outcome()[:2] == (0, b"hers\n")
    (key_files / "alice").chmod(0o666)
    assert is_denied(alice, "touch ~/proof")
    assert [text for text in by_the_key.system_log.lines() if "could be changed by others" in text]
    bob.write(".ssh/authorized_keys", f"{bob.client.public_key}\n")
    assert is_denied(bob, "touch ~/proof"), "secsign-gate-keys may not look into homes"
    assert [text for text in by_the_key.system_log.lines() if "AuthorizedKeysCommandUser" in text]
    assert not alice.has("proof")


# Lines that are odd, as sshd reads them out of a file, and what it makes of them there.
ODD = (
    "KEY",
    "\t  KEY",
    ",pty,, KEY",
    'restrict,, KEY comment "with quotes',
    'COMMAND="echo forced" KEY',
    'command="echo forced",no-pty, KEY',
    'command="echo forced"pty KEY',
    'command="echo forced KEY',
    'command = "echo forced" KEY',
    'command="echo \\"forced\\"" KEY',
    'command="echo forced\\" KEY',
    'from="127.0.0.1" KEY',
    'from="!127.0.0.1,*" KEY',
    'from="" KEY',
    'from="127.0.0.1",from="127.0.0.1" KEY',
    'expiry-time="20990101" KEY',
    'expiry-time="20990229" KEY',
    'expiry-time=" 2099011" KEY',
    'expiry-time="209901" KEY',
    'expiry-time="20990101",expiry-time="19990101" KEY',
    'expiry-time="20200101Z" KEY',
    'permitopen="localhost:80" KEY',
    'permitopen="localhost" KEY',
    'permitlisten="8080" KEY',
    'permitlisten="x:y:z" KEY',
    'tunnel="1" KEY',
    'tunnel="one" KEY',
    'environment="A=b" KEY',
    'environment="A" KEY',
    'principals="alice" KEY',
    "cert-authority KEY",
    "no-restrict KEY",
    "verify-required KEY",
    "no-touch-required,no-verify-required KEY",
    "nonsense KEY",
    "ssh-rsa TEXT",
    "KEY\r",
    "# KEY",
)  # fmt: skip


def test_odd_lines_are_what_sshd_makes_of_them(by_the_key: Gate) -> None:
    by_the_key.configure(policy={"exempt_accounts": "alice"})
    alice = person(by_the_key, "alice")
    text = alice.client.public_key.split()[1]
    different = []
    for odd in ODD:
        key_line = odd.replace("KEY", alice.client.public_key).replace("TEXT", text)
        alice.write(".ssh/authorized_keys", f"{key_line}\n")
        registry(f"alice - {key_line}")
        outcomes = [alice.ssh("echo asked", at=at).outcome() for at in ("gated", "ungated")]
        if [one[:2] for one in outcomes[:1]] != [one[:2] for one in outcomes[1:]]:
            different.append((odd, outcomes))
    assert different == []


@pytest.fixture
def broker(gate: Gate) -> Iterator[RunningBroker]:
    with_registry(gate)
    gate.drop_in = drop_in.gated(ForceCommand="none")
    gate.drop_in += EXAMPLE
    with RunningBroker() as running:
        yield running


def test_the_daemon_needs_no_reload_for_the_registry(gate: Gate, broker: RunningBroker) -> None:
    alice, bob = person(gate), person(gate)
    registry(line(gate, alice, "alice"))
    login = alice.ssh("echo in")
    gate.phone("alice").accept()
    assert login.outcome()[:2] == (0, b"in\n")
    registry(line(gate, alice, "alice"), line(gate, bob, "bob"))
    login = bob.ssh("echo in")
    gate.phone("bob").accept()
    assert login.outcome()[:2] == (0, b"in\n")
    assert grounds(gate) == ["approved", "approved"]
    REGISTRY.chmod(0o666)
    assert is_denied(bob)
    assert broker.process is not None


def test_a_key_by_the_registry_and_the_phone_by_pam(gate: Gate, pam: PamStack) -> None:
    """Both doors know whose key it is, and one tap is for both."""
    with_registry(gate)
    pam.use("sshd-publickey-then-push")
    gate.more_settings = (
        "KbdInteractiveAuthentication yes\nPasswordAuthentication no\n"
        "AuthenticationMethods publickey,keyboard-interactive:pam\n"
    )
    gate.drop_in = drop_in.asking(str(SOCKET)) + EXAMPLE
    alice, bob = person(gate), person(gate)
    registry(line(gate, alice, "alice"), line(gate, bob, "bob", 'command="echo bob"'))
    with RunningBroker():
        for who, name, says in ((alice, "alice", b"alice\n"), (bob, "bob", b"bob\n")):
            login = who.ssh("echo alice", options=["-o", "BatchMode=no"])
            gate.phone(name).accept()
            assert login.outcome()[:2] == (0, says)
            assert len(gate.phone(name).auth_sessions()) == 1
    assert grounds(gate) == ["approved", "granted"] * 2


def test_pam_asks_nobody_where_only_the_key_could_tell_whom(gate: Gate, pam: PamStack) -> None:
    """After a key alone, PAM's account phase is not told which key it was."""
    with_registry(gate)
    pam.use("sshd-account")
    gate.drop_in = EXAMPLE
    alice = person(gate)
    gate.add_to_users_file(f"deploy {gate.id_of('bob')}")
    registry(line(gate, alice, "alice"))
    with RunningBroker():
        assert alice.ssh("touch ~/proof").outcome().status == 255
    assert grounds(gate) == ["key_not_told"]
    assert gate.phone("bob").auth_sessions() == []
    assert not alice.has("proof")

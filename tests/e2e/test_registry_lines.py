"""What a line lets through where it alone starts the gate, compared with what sshd makes of the line in a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import drop_in
import pytest
from gate import grounds
from registered import FOR_EVERYBODY, is_denied, line, person, registry, told

from secsign_gate.core.verdict import Reason

if TYPE_CHECKING:
    from gate import Gate


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


def test_a_line_that_the_account_itself_could_have_written_widens_nothing(shared: Gate) -> None:
    """Whoever may only put files there could put one to `~/.ssh/authorized_keys`, where sshd does not look."""
    shared.configure(policy={"exempt_accounts": "deploy"})
    alice = person(shared)
    registry(line(shared, alice, "alice", 'restrict,command="echo forced"'))
    alice.write(".ssh/authorized_keys", f"{alice.client.public_key}\n")
    outcome = alice.ssh("touch ~/proof").outcome()
    assert outcome.stdout == b"forced\n" or b"authorized_keys line 1 and /etc/secsign-gate/registry" in outcome.stderr
    assert not alice.has("proof")
    alice.write(".ssh/authorized_keys", "")
    assert alice.ssh("touch ~/proof").outcome()[:2] == (0, b"forced\n")


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
    assert "could be changed by others" in told(by_the_key)[-1]
    bob.write(".ssh/authorized_keys", f"{bob.client.public_key}\n")
    assert is_denied(bob, "touch ~/proof"), "secsign-gate-keys may not look into homes"
    assert "AuthorizedKeysCommandUser" in told(by_the_key)[-1]
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

"""~/.ssh/rc: sshd leaves it out under an administrator's ForceCommand, so the gate runs it, where sshd would have."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from gate import Gate, Person
from session_facts import let_everybody_in
from ssh_client import make_key

from secsign_gate.core.verdict import Reason

SERVERS = ("ungated", "gated")
# All that a script can notice, less what is drawn anew for every login.
NOTICE = r"""
echo "it says"; echo "it complains" >&2
for one in $PPID $$; do tr '\0' '|' </proc/$one/cmdline; done; echo
tr '\0' '\n' </proc/self/environ | grep -v SSH_C | sort
grep -E 'Sig(Ign|Blk)' /proc/self/status; pwd; umask
for one in 0 1 2; do readlink /proc/self/fd/$one; done | tr -d '[0-9]'
cat; read line || echo "no input"; exit 5
"""
MARK = "touch rc-ran\n"


@pytest.mark.parametrize("account", ["alice", "tina"])
def test_it_runs_as_sshd_would_run_it(gate: Gate, account: str) -> None:
    let_everybody_in(gate)
    person = gate.user(account)
    person.write(".ssh/rc", NOTICE)
    for words, terminal in ((["echo command; exit 3"], "-T"), (["echo command"], "-tt"), ([], "-T")):
        # One after the other: pam_motd of two logins at once writes one /run/motd.dynamic.
        without, with_gate = (person.ssh(*words, at=at, options=[terminal]).outcome() for at in SERVERS)
        assert b"it says" in without.stdout
        assert with_gate == without


def test_it_comes_after_the_greeting_in_a_terminal(gate: Gate) -> None:
    let_everybody_in(gate)
    dora = gate.user("dora")
    dora.write(".ssh/rc", "echo rc; exec sleep 0")
    shown = {}
    gate.configure(sshd={"last_login": False})
    gate.more_settings = "PrintLastLog no"
    for at in SERVERS:
        terminal = dora.terminal(at=at)
        terminal.expect(r"\$ $")
        terminal.type("exit\r")
        assert terminal.wait() == 0
        shown[at] = terminal.output
    assert b"\r\nrc\r\n$ " in shown["ungated"]
    assert shown["gated"] == shown["ungated"]


def test_it_waits_for_the_phone_and_does_not_run_after_a_denial(gate: Gate) -> None:
    alice, bob = gate.user("alice", secsign_id="alice"), gate.user("bob", secsign_id="bob")
    logins = []
    for person in (alice, bob):
        person.write(".ssh/rc", MARK)
        logins.append(person.ssh("test -e rc-ran"))
    gate.phone("alice").wait()
    gate.phone("bob").wait()
    assert not alice.has("rc-ran")
    gate.phone("alice").accept()
    gate.phone("bob").deny()
    assert [login.outcome().status for login in logins] == [0, 77]
    assert not bob.has("rc-ran")


KEYS = {
    "": True,
    "no-user-rc": False,
    "restrict": False,
    "restrict,user-rc": True,
    'command="true"': True,
    'command="true",no-user-rc': False,
    'command="internal-sftp"': False,  # a subsystem to sshd, also where it says that it serves sftp only
}
ACCOUNTS = ("alice", "bob", "zoe", "tina", "dora", "kim", "deploy")


@pytest.mark.parametrize("at", SERVERS)
def test_the_key_says_whether_it_may_run(gate: Gate, at: str) -> None:
    let_everybody_in(gate)
    people = [gate.user(account, key_options=options) for account, options in zip(ACCOUNTS, KEYS, strict=True)]
    for person in people:
        person.write(".ssh/rc", MARK)
    for login in [person.ssh("true", at=at) for person in people]:
        assert login.outcome().status in (0, 1)
    assert [person.has("rc-ran") for person in people] == list(KEYS.values())


def test_the_certificate_says_whether_it_may_run(gate: Gate, tmp_path: Path) -> None:
    make_key(tmp_path / "ca")
    Path("/etc/ssh/ca.pub").write_bytes((tmp_path / "ca.pub").read_bytes())
    let_everybody_in(gate)
    gate.configure(sshd={"trusted_user_ca_keys": ["/etc/ssh/ca.pub"]})
    gate.more_settings = "TrustedUserCAKeys /etc/ssh/ca.pub"
    may = []
    for extensions in ([], ["-O", "no-user-rc"]):
        alice = gate.user("alice")
        certify = ["ssh-keygen", "-q", "-s", str(tmp_path / "ca"), "-I", "alice", "-n", "alice", *extensions]
        subprocess.run([*certify, alice.client.key.with_suffix(".pub")], check=True)
        alice.write(".ssh/authorized_keys", "")
        may += [ran(alice, at) for at in SERVERS]
    assert may == [True, True, False, False]


def test_subsystems_do_without(gate: Gate) -> None:
    let_everybody_in(gate)
    alice = gate.user("alice")
    alice.write(".ssh/rc", MARK)
    assert alice.sftp("pwd\n").outcome().status == 0
    assert not alice.has("rc-ran")


def test_sshd_says_whether_it_may_run(gate: Gate) -> None:
    let_everybody_in(gate)
    gate.configure(sshd={"permit_user_rc": False})
    gate.more_settings = "PermitUserRC no"
    alice = gate.user("alice")
    assert [ran(alice, at) for at in SERVERS] == [False, False]


def test_the_hosts_own_script_is_sshds_and_runs_before_the_gate(gate: Gate) -> None:
    """A limit that the README names: it is root's, and sshd starts it for everybody, also if there is a ~/.ssh/rc."""
    script = Path("/etc/ssh/sshrc")
    script.write_text("cd /home/alice; touch sshrc-ran\n")
    try:
        assert gate.user("alice").ssh("true").refused(Reason.NO_SECSIGN_ID)
        assert gate.user("alice").has("sshrc-ran")
    finally:
        script.unlink()


def ran(person: Person, at: str) -> bool:
    """Log in, and tell whether ~/.ssh/rc ran."""
    person.write(".ssh/rc", MARK)
    (person.home / "rc-ran").unlink(missing_ok=True)
    assert person.ssh("true", at=at).outcome().status == 0
    return person.has("rc-ran")

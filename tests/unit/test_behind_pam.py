"""Orders that cannot hold for accounts that PAM asks for, and taps that come twice."""

from __future__ import annotations

from secsign_gate.config.reader import parse_settings
from secsign_gate.core.login import Account
from secsign_gate.doctor.at_sshd import AtSshd
from secsign_gate.doctor.finding import Finding, Status
from secsign_gate.doctor.pam.lines import parse_pam
from secsign_gate.doctor.pam.our_orders import examine_behind_pam
from secsign_gate.doctor.sshd.session import Connection, Host, Session
from secsign_gate.sshd.effective import Effective
from secsign_gate.sshd.version import Version

SERVER = '[id_server]\ndialect = "form"\nurl = "https://id.example.org"\n'
DOOR = "/opt/secsign-gate/bin/python3 -I -S /opt/secsign-gate/bin/secsign-gate-pam"
SOCKET = "/run/secsign-gate/broker.sock"
FORCED = "exec /opt/secsign-gate/bin/python3 -I -S /opt/secsign-gate/bin/secsign-gate-force-command"
KEY_THEN_PUSH = {"authenticationmethods": "publickey,keyboard-interactive:pam", "kbdinteractiveauthentication": "yes"}
HERE = Connection("192.0.2.7", "192.0.2.7", "192.0.2.1", 22)


def behind(name: str = "deploy", phase: str = "account", forced: str = "none", **changed: str) -> AtSshd:
    settings = {"usepam": "yes", "pubkeyauthentication": "yes", "authenticationmethods": "publickey"} | changed
    printed: dict[str, tuple[str, ...]] = {setting: (value,) for setting, value in settings.items()}
    effective = Effective(printed | {"forcecommand": (forced,)})
    lines = tuple(parse_pam("/etc/pam.d/sshd", f"{phase} requisite pam_exec.so seteuid quiet stdout {DOOR}"))
    account = Account(name, 1000, f"/home/{name}", "/bin/bash", (name,))
    return AtSshd(Session(account, HERE, effective, Host(Version(9, 2, "OpenSSH"), pam=lines)))


def told(*accounts: AtSshd, orders: str = "", shared: tuple[str, ...] = ()) -> tuple[Finding, ...]:
    settings = parse_settings("/etc/secsign-gate/secsign-gate.toml", SERVER + orders)
    return examine_behind_pam(settings, accounts, lambda name: name in shared)


def test_nothing_is_said_of_what_is_in_order() -> None:
    assert told(behind(), behind("alice", forced=f"{FORCED} --broker {SOCKET}")) == ()


def test_an_account_whose_phone_depends_on_the_key_is_locked_out_by_an_account_line() -> None:
    (finding,) = told(behind(), behind("alice"), shared=("deploy",))
    assert (finding.status, finding.account) == (Status.BROKEN, "deploy")
    assert "auth lines" in finding.mend
    assert told(behind(phase="auth", **KEY_THEN_PUSH), shared=("deploy",)) == ()
    assert told(behind(**KEY_THEN_PUSH), shared=("deploy",)) == ()
    assert told(behind(), shared=("deploy",), orders='[policy]\nexempt_accounts = "deploy"\n') == ()


def test_a_command_that_needs_no_approval_is_asked_for_by_pam() -> None:
    orders = '[[policy.exempt_commands]]\naccounts = "backup"\ncommand = "rsync --server"\n'
    (finding,) = told(behind("backup"), behind("alice"), orders=orders)
    assert (finding.status, finding.account) == (Status.BROKEN, "backup")
    assert "`rsync --server`" in finding.what


def test_two_taps_are_told() -> None:
    both = behind(forced=f"{FORCED} --broker {SOCKET}")
    assert [one.status for one in told(both, orders='[grants]\nper = "channel"\n')] == [Status.NOTE]
    named = told(both, behind(), orders='[grants]\nper_channel_accounts = "deploy"\n')
    assert [(one.status, one.account) for one in named] == [(Status.NOTE, "deploy")]
    assert told(behind(), orders='[grants]\nper = "channel"\n') == ()
    commands = told(both, orders='[grants]\nper_channel_commands = ["rm *"]\n')
    assert [one.status for one in commands] == [Status.NOTE]


def test_doors_that_ask_two_brokers_are_told() -> None:
    for forced in (f"{FORCED} --config /etc/secsign-gate/secsign-gate.toml", f"{FORCED} --broker /run/other.sock"):
        (finding,) = told(behind(forced=forced))
        assert finding.status is Status.WEAK
        assert finding.line == f"--broker {SOCKET}"

"""The doctor's rules about sshd, by value: what is open, what is closed, for whom."""

import ast
from pathlib import Path

import pytest

import secsign_gate
from secsign_gate.core.bypass import BYPASSES
from secsign_gate.core.login import Account
from secsign_gate.doctor.finding import Status
from secsign_gate.doctor.pam.lines import parse_pam
from secsign_gate.doctor.sshd.judge import judge, left_out_by, may_log_in
from secsign_gate.doctor.sshd.rules import RULES
from secsign_gate.doctor.sshd.rules.variables import VARIABLES, set_env_line
from secsign_gate.doctor.sshd.session import Connection, Host, Session
from secsign_gate.sshd.config_lines import parse_criteria, parse_line
from secsign_gate.sshd.effective import AppliedLine, Effective
from secsign_gate.sshd.version import Version

PACKAGE = Path(secsign_gate.__file__).parent
DROP_IN = Path(__file__).parents[2] / "sshd_config.d/00-secsign-gate.conf"
DOOR = "exec /opt/secsign-gate/bin/python3 -I -S /opt/secsign-gate/bin/secsign-gate-force-command"
ROOTS = frozenset({"/nonexistent", "/etc", "/usr/share", "/usr/share/fish/functions"})
SET_ENV = tuple(f"{variable.name}={variable.value}" for variable in VARIABLES)
HERE = Connection("192.0.2.7", "192.0.2.7", "192.0.2.1", 22)
HOST = Host(Version(9, 2, "OpenSSH"), roots_alone=ROOTS, ptrace_scope=1)

Settings = dict[str, str | tuple[str, ...]]

SAFE: Settings = {
    "forcecommand": f"{DOOR} --broker /run/secsign-gate/broker.sock",
    "exposeauthinfo": "yes",
    "disableforwarding": "yes",
    "allowtcpforwarding": "no",
    "allowstreamlocalforwarding": "no",
    "permittunnel": "no",
    "x11forwarding": "no",
    "allowagentforwarding": "no",
    "gatewayports": "no",
    "permitopen": "none",
    "permitlisten": "none",
    "acceptenv": ("LANG", "LC_*"),
    "setenv": SET_ENV,
    "permituserenvironment": "no",
    "permituserrc": "yes",
    "pubkeyauthentication": "yes",
    "passwordauthentication": "no",
    "authenticationmethods": "publickey",
    "usepam": "yes",
    "strictmodes": "yes",
    "clientaliveinterval": "20",
    "clientalivecountmax": "3",
    "unusedconnectiontimeout": "600",
    "subsystem": "sftp /usr/lib/openssh/sftp-server",
    "permitrootlogin": "without-password",
    "chrootdirectory": "none",
    "logingracetime": "120",
}


def person(name: str, shell: str = "/bin/bash", *groups: str) -> Account:
    return Account(name, 0 if name == "root" else 1000, f"/home/{name}", shell, (name, *groups))


ALICE = person("alice")


def printed(changed: Settings, applied: tuple[AppliedLine, ...] = ()) -> Effective:
    settings = SAFE | changed
    values = {name: (value,) if isinstance(value, str) else value for name, value in settings.items()}
    return Effective(values, applied)


def session(account: Account = ALICE, host: Host = HOST, /, **changed: str | tuple[str, ...]) -> Session:
    return Session(account, HERE, printed(changed), host)


def found(*sessions: Session) -> set[tuple[Status, str]]:
    return {(one.status, one.bypass) for one in judge(sessions) if one.status not in (Status.CLOSED, Status.NOTE)}


def test_every_bypass_is_judged_by_a_rule() -> None:
    assert {rule.bypass for rule in RULES} - {""} == {bypass.name for bypass in BYPASSES}


def test_the_rules_are_pure() -> None:
    impure = {"os", "pathlib", "pwd", "subprocess", "time", "socket", "sys", "glob"}
    for path in (PACKAGE / "doctor/sshd/rules").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            assert not {name.partition(".")[0] for name in names} & impure, path


def test_what_is_safe_is_closed_by_name_and_nothing_else_is_said() -> None:
    findings = judge([session()])
    assert {one.status for one in findings} == {Status.CLOSED}
    assert [one.bypass for one in findings] == [bypass.name for bypass in BYPASSES]


def test_an_sshd_that_prints_nothing_is_open() -> None:
    bare = Session(ALICE, HERE, Effective({"forcecommand": (DOOR,)}), HOST)
    still = {bypass.name for bypass in BYPASSES} - {bypass for status, bypass in found(bare) if status == Status.OPEN}
    assert {"local-forwarding", "tunnel", "x11-forwarding", "agent-forwarding", "idle-connection"}.isdisjoint(still)


@pytest.mark.parametrize(
    ("changed", "opened"),
    [
        ({"disableforwarding": "no", "allowtcpforwarding": "yes", "permitopen": "any"},
         {"local-forwarding", "stdio-forwarding", "dynamic-forwarding"}),
        ({"disableforwarding": "no", "allowtcpforwarding": "local", "permitopen": "host:22"},
         {"local-forwarding", "stdio-forwarding", "dynamic-forwarding"}),
        ({"disableforwarding": "no", "allowtcpforwarding": "remote", "permitlisten": "any"}, {"remote-forwarding"}),
        ({"disableforwarding": "no", "allowtcpforwarding": "yes"}, set()),
        ({"allowtcpforwarding": "yes", "permitopen": "any", "permitlisten": "any"}, set()),
        ({"disableforwarding": "no"}, set()),
        ({"disableforwarding": "no", "allowtcpforwarding": "remote", "allowstreamlocalforwarding": "local"}, set()),
        ({"disableforwarding": "no", "allowtcpforwarding": "local", "allowstreamlocalforwarding": "remote"}, set()),
        ({"disableforwarding": "no", "allowtcpforwarding": "local", "allowstreamlocalforwarding": "local",
          "permitopen": "host:22"},
         {"local-forwarding", "stdio-forwarding", "dynamic-forwarding", "local-socket-forwarding"}),
        ({"disableforwarding": "no", "allowtcpforwarding": "local", "allowstreamlocalforwarding": "local"}, set()),
        ({"disableforwarding": "no", "allowtcpforwarding": "remote", "allowstreamlocalforwarding": "remote"},
         {"remote-socket-forwarding"}),
        ({"disableforwarding": "no", "x11forwarding": "yes"}, {"x11-forwarding"}),
        ({"disableforwarding": "no", "allowagentforwarding": "yes"}, {"agent-forwarding"}),
        ({"disableforwarding": "no", "permittunnel": "ethernet"}, {"tunnel"}),
        ({"permittunnel": "yes"}, {"tunnel", "disable-forwarding-alone"}),
        ({"x11forwarding": "yes"}, {"disable-forwarding-alone"}),
        ({"allowagentforwarding": "yes"}, {"disable-forwarding-alone"}),
        ({"unusedconnectiontimeout": "none"}, {"idle-connection"}),
        ({"permituserenvironment": "yes"}, {"user-environment"}),
        ({"permituserenvironment": "LANG,PA*"}, {"user-environment"}),
        ({"permituserenvironment": "LANG,LC_*"}, set()),
        ({"acceptenv": ("LANG", "SSH_*")}, {"forged-variables"}),
        ({"acceptenv": ("SSH_USER_AUTH",)}, set()),
        ({"acceptenv": ("SSH_USER_AUTH",), "exposeauthinfo": "no"},
         {"forged-variables", "restricted-key", "restricted-certificate"}),
        ({"acceptenv": ("LD_PRELOA?",), "setenv": "HOME=/nonexistent"}, {"client-environment"}),
        ({"acceptenv": ("BASH_*",), "setenv": "HOME=/nonexistent"}, {"client-environment"}),
        ({"acceptenv": ("PYTHONPATH",), "forcecommand": DOOR.replace("-I ", "")}, {"client-environment"}),
        ({"setenv": "HOME=/home/alice"}, {"shell-startup-files"}),
        ({"setenv": "HOME="}, {"shell-startup-files"}),
        ({"setenv": "LD_PRELOAD="}, {"shell-startup-files"}),
        ({"permitemptypasswords": "yes", "passwordauthentication": "yes", "authenticationmethods": "any"},
         {"other-authentication-method"}),
        ({"hostbasedauthentication": "yes", "authenticationmethods": "publickey hostbased"},
         {"other-authentication-method"}),
        ({"hostbasedauthentication": "yes", "authenticationmethods": "publickey,hostbased"}, set()),
        ({"forcecommand": DOOR.removeprefix("exec ")}, {"gate-tampering"}),
        ({"forcecommand": f"{DOOR} || exec $SHELL"}, {"ungated-account", "subsystem"}),
        ({"forcecommand": f"{DOOR} --started-by-key"}, {"restricted-key", "restricted-certificate"}),
        ({"setenv": (*SET_ENV, "HOME=1")}, {"shell-startup-files"}),
        ({"permitemptypasswords": "yes", "passwordauthentication": "yes", "authenticationmethods": "none"},
         {"other-authentication-method"}),
    ],
)  # fmt: skip
def test_what_is_open_is_open_by_name(changed: Settings, opened: set[str]) -> None:
    assert {bypass for status, bypass in found(session(**changed)) if status == Status.OPEN} == opened


@pytest.mark.parametrize(
    ("changed", "weak"),
    [
        ({"disableforwarding": "no", "allowstreamlocalforwarding": "yes"},
         {"local-socket-forwarding", "remote-socket-forwarding"}),
        ({"acceptenv": ("LANG", "FOO")}, {"client-environment"}),
        ({"acceptenv": ("LANG", "GIT_PROTOCOL", "LC_X?")}, set()),
        ({"passwordauthentication": "yes", "authenticationmethods": "any"}, {"other-authentication-method"}),
        ({"kbdinteractiveauthentication": "yes", "authenticationmethods": "publickey keyboard-interactive:pam"},
         {"other-authentication-method"}),
        ({"authenticationmethods": "publickey password"}, set()),
        ({"clientaliveinterval": "0"}, {""}),
        ({"strictmodes": "no"}, {""}),
        ({"usepam": "no"}, {""}),
        ({"forcecommand": f"{DOOR} --config /etc/secsign-gate/secsign-gate.toml"}, set()),
    ],
)  # fmt: skip
def test_what_is_weak_is_weak(changed: Settings, weak: set[str]) -> None:
    assert {bypass for status, bypass in found(session(**changed)) if status == Status.WEAK} == weak


def test_a_broker_as_the_user_is_weak_where_processes_may_trace_each_other() -> None:
    embedded = {"forcecommand": f"{DOOR} --config /c"}
    assert found(session(ALICE, HOST._replace(ptrace_scope=0), **embedded)) == {(Status.WEAK, "gate-tampering")}
    assert found(session(ALICE, HOST._replace(ptrace_scope=None), **embedded)) == {(Status.WEAK, "gate-tampering")}
    assert found(session(ALICE, HOST._replace(ptrace_scope=0))) == set()


@pytest.mark.parametrize(
    ("version", "x11", "tunnel"), [((9, 9), True, True), ((10, 0), False, True), ((10, 4), False, False)]
)
def test_what_disable_forwarding_forgets_depends_on_the_version(
    version: tuple[int, int], x11: bool, tunnel: bool
) -> None:
    host = HOST._replace(version=Version(*version, "OpenSSH"))

    def alone(**changed: str) -> bool:
        return (Status.OPEN, "disable-forwarding-alone") in found(session(ALICE, host, **changed))

    assert (alone(x11forwarding="yes"), alone(permittunnel="yes")) == (x11, tunnel)


@pytest.mark.parametrize(
    ("shell", "setenv", "status"),
    [
        ("/bin/bash", "HOME=/nonexistent", None),
        ("/bin/bash", "SHLVL=1", Status.OPEN),
        ("/usr/bin/zsh", "HOME=/nonexistent", None),
        ("/usr/bin/zsh", "ZDOTDIR=/nonexistent", None),
        ("/usr/bin/zsh", "ZDOTDIR=/tmp/x", Status.OPEN),
        ("/usr/bin/tcsh", "HOME=/nonexistent", None),
        ("/usr/bin/tcsh", "ZDOTDIR=/nonexistent", Status.OPEN),
        ("/usr/bin/fish", ("XDG_CONFIG_HOME=/etc", "XDG_DATA_HOME=/usr/share"), None),
        ("/usr/bin/fish", "XDG_CONFIG_HOME=/etc", Status.OPEN),
        ("/bin/dash", "FOO=1", None),
        ("", "FOO=1", None),
        ("/usr/bin/ksh93", "FOO=1", None),
        ("/opt/odd/shell", "FOO=1", Status.UNKNOWN),
        ("/opt/odd/shell", "HOME=/nonexistent", None),
    ],
)
def test_each_shell_needs_its_own_variables(shell: str, setenv: str | tuple[str, ...], status: Status | None) -> None:
    said = {
        one for one, bypass in found(session(person("alice", shell), setenv=setenv)) if bypass == "shell-startup-files"
    }
    assert said == ({status} if status else set())


UNISOLATED = DOOR.replace("/opt/secsign-gate/bin/python3 -I -S", "/usr/bin/python3")
WHOLE_PYTHON = HOST._replace(reads_homes=frozenset({"/usr/bin/python3"}))


@pytest.mark.parametrize(
    ("options", "host", "setenv", "status"),
    [
        ("", WHOLE_PYTHON, "FOO=1", Status.OPEN),
        (" -E", WHOLE_PYTHON, "FOO=1", Status.OPEN),
        (" -I", WHOLE_PYTHON, "FOO=1", Status.CLOSED),
        (" -S", WHOLE_PYTHON, "FOO=1", Status.CLOSED),
        (" -s", WHOLE_PYTHON, "FOO=1", Status.CLOSED),
        ("", WHOLE_PYTHON, "HOME=/nonexistent", Status.CLOSED),
        ("", HOST, "FOO=1", Status.CLOSED),
    ],
)
def test_a_python_that_runs_files_of_the_users_is_a_hole(options: str, host: Host, setenv: str, status: Status) -> None:
    command = UNISOLATED.replace("python3", f"python3{options}", 1)
    findings = judge([session(person("alice", "/bin/dash"), host, forcecommand=command, setenv=setenv)])
    (one,) = (finding for finding in findings if finding.bypass == "interpreter-files")
    assert one.status is status
    assert one.line in ("", f"ForceCommand {command.replace(options, '').replace('python3', 'python3 -I -S', 1)}")


def test_a_shell_that_others_may_change_is_open() -> None:
    host = HOST._replace(foreign_shells=frozenset({"/home/alice/bin/bash"}))
    assert found(session(ALICE, host)) == set()
    assert found(session(person("alice", "/home/alice/bin/bash"), host)) == {(Status.OPEN, "shell-startup-files")}


def test_the_line_to_write_is_the_shipped_one() -> None:
    shipped = next(line.strip() for line in DROP_IN.read_text().splitlines() if line.strip().startswith("SetEnv"))
    assert set_env_line(session()) == shipped
    own = session(setenv=("FOO=a b", 'BAR=say "x"', "HOME=/home"))
    assert set_env_line(own) == shipped + r' "FOO=a b" "BAR=say \"x\""'


@pytest.mark.parametrize("text", ["session required pam_env.so user_readenv=1"])
def test_pams_user_file_is_a_hole_unless_everything_in_it_is_overruled(text: str) -> None:
    host = HOST._replace(pam=tuple(parse_pam("/etc/pam.d/sshd", text)))
    assert found(session(ALICE, host)) == set()
    assert found(session(ALICE, host, setenv="HOME=/nonexistent")) == {(Status.OPEN, "pam-environment")}
    without_bash = tuple(one for one in SET_ENV if not one.startswith("BASH_ENV"))
    assert found(session(ALICE, host, setenv=without_bash)) == {(Status.OPEN, "pam-environment")}
    assert found(session(person("alice", "/bin/dash"), host, setenv=without_bash)) == set()
    assert (Status.OPEN, "pam-environment") not in found(session(ALICE, host, setenv="HOME=/nonexistent", usepam="no"))


def test_where_pams_user_file_reaches_python_alone_the_line_to_write_is_the_gates() -> None:
    host = HOST._replace(pam=tuple(parse_pam("/etc/pam.d/sshd", "session required pam_env.so user_readenv=1")))
    for start in ("/opt/secsign-gate/bin/python3 ", "/opt/secsign-gate/bin/python3 -E -s ", ""):
        command = DOOR.replace("/opt/secsign-gate/bin/python3 -I -S ", start)
        findings = judge([session(ALICE, host, forcecommand=command)])
        (one,) = (finding for finding in findings if finding.bypass == "pam-environment")
        assert (one.status, one.line) == (Status.OPEN, f"ForceCommand {DOOR}")


def test_sshrc_is_a_hole_if_it_has_the_users_home_or_others_write_it() -> None:
    assert found(session(ALICE, HOST._replace(sshrc=""))) == set()
    assert found(session(ALICE, HOST._replace(sshrc="it belongs to alice"))) == {(Status.OPEN, "system-rc")}
    assert (Status.OPEN, "system-rc") in found(session(ALICE, HOST._replace(sshrc=""), setenv="FOO=1"))


UNGATED: Settings = {"forcecommand": "none"}


def test_who_is_without_the_gate_is_named_and_nothing_else_is_said_of_him() -> None:
    bob = session(person("bob"), disableforwarding="no", allowtcpforwarding="yes", permitopen="any", **UNGATED)
    findings = [one for one in judge([session(), bob]) if one.status != Status.CLOSED]
    assert [(one.status, one.bypass, one.account) for one in findings] == [(Status.OPEN, "ungated-account", "bob")]


def test_where_nobody_has_the_gate_everything_is_said() -> None:
    opened = found(session(**UNGATED, disableforwarding="no", allowtcpforwarding="yes", permitopen="any"))
    assert opened >= {(Status.OPEN, name) for name in ("ungated-account", "subsystem", "user-rc", "local-forwarding")}


def test_another_command_is_not_the_gate() -> None:
    (finding,) = [one for one in judge([session(forcecommand="internal-sftp")]) if one.bypass == "ungated-account"]
    assert finding.status == Status.OPEN
    assert "internal-sftp" in finding.what


def test_root_is_a_case_of_its_own() -> None:
    assert found(session(), session(person("root"), **UNGATED)) == {(Status.OPEN, "root-login")}
    assert found(session(), session(person("root"), permitrootlogin="no", **UNGATED)) == set()
    assert found(session(person("root"), permitrootlogin="forced-commands-only")) == {(Status.BROKEN, "root-login")}


def test_an_account_that_is_gated_elsewhere_is_exempt_by_a_match() -> None:
    elsewhere = Connection("10.1.0.1", "10.1.0.1", "192.0.2.1", 22)
    findings = judge([session(), session(**UNGATED)._replace(connection=elsewhere)])
    (finding,) = [one for one in findings if one.status == Status.OPEN]
    assert (finding.bypass, finding.account) == ("match-exemption", "alice")
    assert finding.what.endswith(", for logins from 10.1.0.1")


def test_a_gate_that_comes_too_late_is_shadowed() -> None:
    applied = (
        AppliedLine("/etc/ssh/a.conf", 4, "forcecommand", "none", matched=True),
        AppliedLine("/etc/ssh/b.conf", 9, "forcecommand", DOOR, matched=True),
    )
    ungated = session()._replace(effective=printed(UNGATED, applied))
    (finding,) = [one for one in judge([ungated]) if one.bypass == "shadowed-match"]
    assert finding.status == Status.OPEN
    assert "/etc/ssh/a.conf line 4" in finding.what
    assert "/etc/ssh/b.conf line 9" in finding.what


def test_who_is_left_out_by_name_is_left_out_on_purpose() -> None:
    line = parse_line("/d", 2, parse_criteria("User *,!rescue Group *,!exempt,!svc-*"), f"ForceCommand {DOOR}")
    assert line is not None
    assert left_out_by(person("rescue"), [line]) == "/d"
    assert left_out_by(person("bob", "/bin/sh", "exempt"), [line]) == "/d"
    assert left_out_by(ALICE, [line]) == ""
    host = HOST._replace(lines=(line,))
    assert found(session(ALICE, host), session(person("rescue")._replace(uid=1001), host, **UNGATED)) == {
        (Status.WEAK, "ungated-account")
    }


def test_a_chroot_is_open_without_the_gate_and_shut_with_it() -> None:
    assert found(session(), session(person("bob"), chrootdirectory="/srv", forcecommand="internal-sftp")) == {
        (Status.OPEN, "chroot")
    }
    assert found(session(chrootdirectory="/srv")) == {(Status.BROKEN, "chroot")}


def test_a_missing_key_on_record_locks_everybody_out() -> None:
    assert found(session(exposeauthinfo="no")) == {
        (Status.BROKEN, "restricted-key"),
        (Status.BROKEN, "restricted-certificate"),
    }


PAM_DOOR = "pam_exec.so quiet /opt/secsign-gate/bin/python3 -I -S /opt/secsign-gate/bin/secsign-gate-pam"
WIDE: Settings = {"forcecommand": "none", "disableforwarding": "no", "allowtcpforwarding": "yes", "permitopen": "any",
                  "setenv": "FOO=1", "exposeauthinfo": "no"}  # fmt: skip


def pam(text: str) -> Host:
    return HOST._replace(pam=tuple(parse_pam("/etc/pam.d/sshd", text)))


def test_the_pam_door_stands_before_all_of_the_connection() -> None:
    host = pam(f"account required {PAM_DOOR}")
    assert found(session(ALICE, host, **WIDE)) == set()
    assert (Status.OPEN, "ungated-account") in found(session(ALICE, host, **WIDE, usepam="no"))
    assert (Status.BROKEN, "") in found(session(ALICE, host, **WIDE, logingracetime="90"))
    brief = pam(f"account required {PAM_DOOR} --seconds 25")
    assert found(session(ALICE, brief, **WIDE, logingracetime="30")) == set()


def test_the_pam_door_in_auth_counts_if_no_way_in_is_without_it() -> None:
    host = pam(f"auth requisite {PAM_DOOR}")
    both = {"kbdinteractiveauthentication": "yes", "authenticationmethods": "publickey,keyboard-interactive:pam"}
    assert found(session(ALICE, host, **WIDE | both)) == set()
    either = both | {"authenticationmethods": "publickey,keyboard-interactive publickey"}
    assert (Status.OPEN, "ungated-account") in found(session(ALICE, host, **WIDE | either))


def test_what_the_pam_door_means_for_sshds_limits_is_told() -> None:
    account = pam(f"account required {PAM_DOOR}")
    notes = [one.what for one in judge([session(ALICE, account, **WIDE, maxstartups="10:30:100")])]
    assert any("MaxStartups 10:30:100" in what for what in notes)
    auth = {"kbdinteractiveauthentication": "yes", "authenticationmethods": "publickey,keyboard-interactive"}
    notes = [one.what for one in judge([session(ALICE, pam(f"auth requisite {PAM_DOOR}"), **WIDE | auth)])]
    assert any("BatchMode" in what for what in notes)
    penalties = session(ALICE, account, **WIDE, persourcepenalties="crash:90 authfail:5")
    assert found(penalties) == {(Status.WEAK, "")}


@pytest.mark.parametrize(
    ("before", "skips"),
    [
        ("account sufficient pam_x.so", True),
        ("account [success=done default=ignore] pam_x.so", True),
        ("account [success=1 new_authtok_reqd=done default=ignore] pam_unix.so\naccount requisite pam_deny.so", True),
        ("account [success=1 default=ignore] pam_unix.so\naccount requisite pam_deny.so", False),
        ("account [success=1 default=ignore] pam_x.so", True),
        ("account required pam_nologin.so", False),
        ("auth sufficient pam_x.so", False),
    ],
)
def test_a_line_that_may_keep_pam_from_asking_the_gate_is_told(before: str, skips: bool) -> None:
    host = pam(f"{before}\naccount required {PAM_DOOR}")
    assert found(session(ALICE, host, **WIDE)) == ({(Status.WEAK, "")} if skips else set())


@pytest.mark.parametrize(
    ("before", "is_open"),
    [
        ("account sufficient pam_permit.so", True),
        ("account sufficient pam_unix.so", True),
        ("account sufficient pam_localuser.so", True),
        ("account sufficient pam_rootok.so", True),  # sshd is root
        ("account [success=1 default=ignore] pam_access.so", True),
        ("account [default=done] pam_sss.so", True),
        ("account required pam_permit.so", False),
        ("account [success=1 default=ignore] pam_unix.so\naccount requisite pam_deny.so", False),
        ("auth sufficient pam_permit.so", False),
    ],
)
@pytest.mark.parametrize("force_command", [DOOR, "none"])
def test_a_line_that_keeps_pam_from_asking_of_anybody_is_a_hole(before: str, is_open: bool, force_command: str) -> None:
    host = pam(f"{before}\naccount required {PAM_DOOR}")
    judged = judge([session(ALICE, host, **WIDE | {"forcecommand": force_command})])
    said = [one for one in judged if "never asks" in one.what]
    assert [one.status for one in said] == ([Status.OPEN] if is_open else [])
    forwarding = {one.bypass for one in judged if one.status is Status.OPEN}
    assert ("local-forwarding" in forwarding) is is_open  # nothing waits for a door that is never asked
    assert ("ungated-account" in forwarding) is (is_open and force_command == "none")


def test_a_password_that_ends_the_auth_lines_before_the_gate_is_a_way_without_it() -> None:
    both = {"kbdinteractiveauthentication": "yes", "authenticationmethods": "publickey,keyboard-interactive:pam"}
    host = pam(f"auth sufficient pam_unix.so\nauth requisite {PAM_DOOR}")
    assert (Status.OPEN, "ungated-account") in found(session(ALICE, host, **WIDE | both))


@pytest.mark.parametrize(
    ("before", "methods", "status"),
    [
        ("auth requisite pam_unix.so\n", "keyboard-interactive:pam", None),
        ("auth required pam_unix.so\n", "keyboard-interactive:pam", Status.WEAK),
        ("", "keyboard-interactive:pam", Status.OPEN),
        ("", "publickey,keyboard-interactive:pam", None),
        ("", "publickey,keyboard-interactive:pam keyboard-interactive:pam", Status.OPEN),
    ],
)
def test_after_password_must_be_true(before: str, methods: str, status: Status | None) -> None:
    host = pam(f"{before}auth requisite {PAM_DOOR} --after-password")
    ways = {"kbdinteractiveauthentication": "yes", "authenticationmethods": methods}
    said = {one.status for one in judge([session(ALICE, host, **WIDE | ways)]) if "--after-password" in one.what}
    assert said == ({status} if status else set())


def test_keys_that_only_the_gate_hands_out_are_gated() -> None:
    keys = {"forcecommand": "none", "authorizedkeysfile": "none", "trustedusercakeys": "none",
            "authorizedkeyscommand": "/opt/secsign-gate/bin/secsign-gate-authorized-keys %u %t %k %f"}  # fmt: skip
    assert found(session(**keys)) == set()
    forwarding = {"disableforwarding": "no", "allowtcpforwarding": "yes", "permitopen": "any"}
    assert {status for status, _ in found(session(**keys, **forwarding))} == {Status.WEAK}  # `restrict` forbids it
    assert {status for status, _ in found(session(**keys, exposeauthinfo="no"))} == {Status.BROKEN}
    own_file = keys | {"authorizedkeysfile": ".ssh/authorized_keys"}
    assert (Status.OPEN, "ungated-account") in found(session(**own_file))
    (past,) = [one.what for one in judge([session(**own_file)]) if one.bypass == "ungated-account"]
    assert "sshd takes keys from .ssh/authorized_keys" in past
    password = keys | {"passwordauthentication": "yes", "authenticationmethods": "any"}
    assert (Status.OPEN, "ungated-account") in found(session(**password))


@pytest.mark.parametrize("shell", ["/usr/bin/git-shell", "/bin/rbash", "/usr/bin/rksh93"])
def test_a_shell_that_does_not_start_the_gate_is_told(shell: str) -> None:
    notes = [one for one in judge([session(person("gil", shell))]) if one.status == Status.NOTE]
    assert [one.what for one in notes] == [f"the login shell {shell} does not start the gate, so the account is shut"]


def test_who_has_no_shell_has_forwarding_all_the_same() -> None:
    carol = person("carol", "/usr/sbin/nologin")
    assert found(session(), session(carol, **WIDE | {"acceptenv": ("*",)})) == {(Status.OPEN, "ungated-account")}
    assert found(session(), session(carol, forcecommand="none", setenv="FOO=1")) == set()
    host = pam(f"account required {PAM_DOOR}")
    assert found(session(ALICE, host), session(carol, host, **WIDE)) == set()
    alone = found(session(carol, **WIDE))
    assert alone >= {(Status.OPEN, "ungated-account"), (Status.OPEN, "local-forwarding")}


@pytest.mark.parametrize(
    ("changed", "may"),
    [
        ({}, True),
        ({"allowusers": ("bob", "ali*")}, True),
        ({"allowusers": ("bob",)}, False),
        ({"allowusers": ("alice@10.0.0.1",)}, True),
        ({"denyusers": ("alice@10.0.0.1",)}, True),
        ({"denyusers": ("al?ce",)}, False),
        ({"allowgroups": ("wheel",)}, True),
        ({"allowgroups": ("staff",)}, False),
        ({"denygroups": ("whee?",)}, False),
    ],
)
def test_who_may_not_log_in_is_known(changed: Settings, may: bool) -> None:
    assert may_log_in(session(person("alice", "/bin/bash", "wheel"), **changed)) is may


def test_where_nobody_may_log_in_nothing_is_called_closed() -> None:
    findings = judge([session(denyusers=("*",))])
    assert [one.status for one in findings] == [Status.NOTE]


def test_what_is_the_same_for_all_is_said_once_and_without_names() -> None:
    findings = judge([session(person(name), permittunnel="yes") for name in ("alice", "bob")])
    assert [one.account for one in findings if (one.bypass, one.status) == ("tunnel", Status.OPEN)] == [""]
    findings = judge([session(), *(session(person(name), permittunnel="yes") for name in ("bob", "carol"))])
    assert [one.account for one in findings if (one.bypass, one.status) == ("tunnel", Status.OPEN)] == ["bob, carol"]


def test_every_finding_says_what_and_why_and_how() -> None:
    wide = session(ALICE, pam("session required pam_env.so user_readenv=1"), **WIDE, acceptenv=("*",),
                   permituserenvironment="yes", unusedconnectiontimeout="none", permittunnel="yes")  # fmt: skip
    for finding in judge([wide]):
        if finding.status == Status.OPEN:
            assert finding.what
            assert finding.why
            assert finding.mend or finding.line
            assert not finding.what.endswith(".")

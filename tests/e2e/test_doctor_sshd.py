"""The doctor's sshd part with a real sshd and Debian's sshd_config: each way around the gate opened, found, closed."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
from pathlib import Path
from typing import IO, TYPE_CHECKING

import drop_in
import pytest
import sshd as running_sshd
from gate import fresh_homes
from open_ways import CARELESS, GATE, KEYS_ONLY, OPENED, TCP

from secsign_gate.core.bypass import BYPASSES, Bypass
from secsign_gate.core.orders import SshdSettings
from secsign_gate.doctor.finding import Finding, Status
from secsign_gate.doctor.sshd.part import sshd_findings
from secsign_gate.sshd.program import Sshd, find_sshd, listeners

if TYPE_CHECKING:
    from collections.abc import Iterator

SSHRC = Path("/etc/ssh/sshrc")


@pytest.fixture(autouse=True)
def no_sshrc() -> Iterator[None]:
    Path("/run/sshd").mkdir(exist_ok=True)
    yield
    SSHRC.unlink(missing_ok=True)


def configured(folder: Path, drop_ins: dict[str, str], settings: str = "") -> Path:
    """Return the path of Debian's sshd_config with these drop-ins."""
    server = running_sshd.Sshd(folder, drop_ins, settings)
    server.settings_for("alice")
    return server.configuration


def examine(configuration: Path, *accounts: str, settings: SshdSettings | None = None) -> tuple[Finding, ...]:
    sshd = find_sshd(running_sshd.SSHD, str(configuration))
    return sshd_findings(sshd, accounts=accounts, settings=settings, running=False)


def statuses(findings: tuple[Finding, ...], bypass: str) -> set[Status]:
    return {finding.status for finding in findings if finding.bypass == bypass}


def test_every_way_is_opened_here() -> None:
    assert set(OPENED) == {bypass.name for bypass in BYPASSES}


@pytest.mark.parametrize("bypass", BYPASSES, ids=lambda bypass: bypass.name)
def test_a_way_that_is_open_is_found_and_closed(tmp_path: Path, bypass: Bypass) -> None:
    opened = OPENED[bypass.name]
    if opened.sshrc:
        SSHRC.write_text(". ~/.profile\n")
    found = examine(configured(tmp_path / "open", opened.drop_ins(), opened.settings), opened.account)
    open_ones = [finding for finding in found if (finding.status, finding.bypass) == (Status.OPEN, bypass.name)]
    assert open_ones, found
    assert all(one.what and one.why for one in open_ones)
    found = examine(configured(tmp_path / "closed", {GATE: KEYS_ONLY}), opened.account)
    assert statuses(found, bypass.name) - {Status.NOTE} == {Status.CLOSED}, found
    assert Status.OPEN not in {finding.status for finding in found}


@pytest.mark.parametrize("path", [drop_in.FOR_ALL, drop_in.FOR_A_GROUP, drop_in.FOR_A_USER], ids=lambda path: path.name)
def test_the_shipped_drop_ins_leave_nothing_open(tmp_path: Path, path: Path) -> None:
    found = examine(configured(tmp_path, {GATE: path.read_text()}), "alice")
    assert {finding.bypass for finding in found} >= {bypass.name for bypass in BYPASSES}
    weak = {finding.bypass for finding in found if finding.status not in (Status.CLOSED, Status.NOTE)}
    assert weak <= {"other-authentication-method", "gate-tampering"}, found


def test_debian_as_it_comes_is_wide_open(tmp_path: Path) -> None:
    found = examine(configured(tmp_path, {}))
    still_closed = {bypass.name for bypass in BYPASSES if Status.OPEN not in statuses(found, bypass.name)}
    assert "local-forwarding" not in still_closed
    assert {"ungated-account", "root-login", "shell-startup-files", "pam-environment"}.isdisjoint(still_closed)


def test_the_line_that_shadows_the_gate_is_named(tmp_path: Path) -> None:
    others = {"00-a.conf": "# a comment\n\nMatch User alice\n    ForceCommand none\n"}
    found = examine(configured(tmp_path, {GATE: drop_in.gated(), **others}), "alice", "bob")
    shadowed = next(
        finding for finding in found if finding.bypass == "shadowed-match" and finding.status == Status.OPEN
    )
    assert shadowed.account == "alice"
    assert f"{tmp_path}/sshd_config.d/00-a.conf line 4" in shadowed.what


def test_an_address_that_is_exempt_is_named(tmp_path: Path) -> None:
    text = drop_in.gated().replace("\nMatch all\n", "\nMatch Address *,!10.1.0.0/16\n")
    found = examine(configured(tmp_path, {GATE: text}), "alice")
    exempt = next(finding for finding in found if finding.bypass == "match-exemption")
    assert (exempt.status, exempt.account) == (Status.OPEN, "alice")
    assert "10.1.0.1" in exempt.what


def test_an_account_left_out_by_name_is_weak_and_not_open(tmp_path: Path) -> None:
    text = drop_in.gated().replace("\nMatch all\n", "\nMatch User *,!bob\n")
    found = examine(configured(tmp_path, {GATE: text}), "alice", "bob")
    assert statuses(found, "ungated-account") == {Status.WEAK}


def test_who_may_not_log_in_is_no_way_in(tmp_path: Path) -> None:
    text = drop_in.gated().replace("\nMatch all\n", "\nMatch User alice\n")
    found = examine(configured(tmp_path, {GATE: text}, "AllowUsers alice\nPermitRootLogin no"))
    assert statuses(found, "ungated-account") == {Status.CLOSED}
    assert statuses(found, "root-login") == {Status.CLOSED}


def test_forwarding_without_a_shell_is_found(tmp_path: Path) -> None:
    """carol's login shell is nologin; with a password or a key, `ssh -N -L` works all the same."""
    text = drop_in.gated().replace("\nMatch all\n", "\nMatch User alice\n")
    found = examine(configured(tmp_path / "open", {GATE: text}, "AllowUsers alice carol"))
    ungated = [one for one in found if one.bypass == "ungated-account"]
    assert [(one.status, one.account) for one in ungated] == [(Status.OPEN, "carol")]
    found = examine(configured(tmp_path / "closed", {GATE: drop_in.gated()}, "AllowUsers alice carol"))
    assert statuses(found, "local-forwarding") == {Status.CLOSED}


@pytest.fixture
def pam_service() -> Iterator[Path]:
    """sshd's PAM service, put back afterwards."""
    path = Path("/etc/pam.d/sshd")
    before = path.read_text()
    yield path
    path.write_text(before)


def test_the_pam_door_closes_what_a_forced_command_leaves_open(tmp_path: Path, pam_service: Path) -> None:
    example = Path(__file__).parents[2] / "examples/pam.d/sshd-account"
    service = pam_service.read_text()
    assert "\n@include common-account\n" in service
    pam_service.write_text(service.replace("\n@include common-account\n", f"\n{example.read_text()}"))
    configuration = configured(tmp_path, {}, "UsePAM yes")
    found = examine(configuration, "alice", "root")
    assert Status.OPEN not in {one.status for one in found}
    assert {statuses(found, name) == {Status.CLOSED} for name in ("local-forwarding", "ungated-account")} == {True}
    optional, times = re.subn(r"(?m)^account +\S+ +pam_exec", "account optional pam_exec", pam_service.read_text())
    assert times == 1
    pam_service.write_text(optional)
    assert Status.OPEN in statuses(examine(configuration, "alice"), "ungated-account")


def test_accounts_of_a_directory_that_lists_nobody_are_thought_of(tmp_path: Path) -> None:
    switch = Path("/etc/nsswitch.conf")
    before = switch.read_text()
    some = configured(tmp_path / "some", {GATE: drop_in.gated().replace("\nMatch all\n", "\nMatch User alice\n")})
    everybody = configured(tmp_path / "all", {GATE: drop_in.gated()})
    try:
        switch.write_text(re.sub("(?m)^passwd:.*$", "passwd: files sss [NOTFOUND=return] # why", before))
        told = [one for one in examine(some) if "sss" in one.what]
        assert [(one.status, one.bypass) for one in told] == [(Status.UNKNOWN, "ungated-account")]
        assert not [one for one in examine(everybody) if "sss" in one.what]
    finally:
        switch.write_text(before)
    assert not [one for one in examine(some) if "sss" in one.what]


def test_the_lines_to_write_close_what_they_are_for(tmp_path: Path) -> None:
    """Whoever writes down what the doctor says is done: all lines of all findings, once, into one Match block."""
    fresh_homes()  # for what lies ready in one the line is no setting, but a command to look at it
    careless = drop_in.gated(**TCP, **CARELESS, X11Forwarding="yes", AllowAgentForwarding="yes", PermitTunnel="yes",
                             AllowStreamLocalForwarding="yes", ExposeAuthInfo="no", UnusedConnectionTimeout="none",
                             ClientAliveInterval="0")  # fmt: skip
    found = examine(configured(tmp_path / "open", {GATE: careless}), "alice")
    lines = {line for finding in found for line in finding.line.split("\n") if not line.startswith("sysctl")}
    gate = re.search("(?m)^ *(ForceCommand .*)$", careless)
    assert gate
    block = "\n".join(["PermitUserEnvironment no", "Match all", gate[1], *sorted(line for line in lines if line)])
    found = examine(configured(tmp_path / "closed", {GATE: block + "\n"}), "alice")
    assert {finding.status for finding in found} <= {Status.CLOSED, Status.NOTE, Status.WEAK}, found
    assert {one.bypass for one in found if one.status == Status.WEAK} <= {"gate-tampering"}, found


def test_a_broken_configuration_is_one_clear_finding(tmp_path: Path) -> None:
    configuration = configured(tmp_path, {GATE: drop_in.gated()})
    (tmp_path / "sshd_config.d" / "50-broken.conf").write_text("Nonsense\x1b[31m yes\n")
    (finding,) = examine(configuration, "alice")
    assert finding.status == Status.BROKEN
    assert "50-broken.conf" in finding.what
    assert finding.mend.startswith("correct it")
    assert finding.what.isprintable()


def test_a_configuration_that_is_not_there_is_one_clear_finding(tmp_path: Path) -> None:
    (finding,) = examine(tmp_path / "nothing", "alice")
    assert finding.status == Status.BROKEN
    assert "nothing" in finding.what


def test_drop_ins_that_no_include_reads_are_told(tmp_path: Path) -> None:
    configuration = configured(tmp_path, {GATE: drop_in.gated()})
    configuration.write_text(re.sub("(?m)^Include .*$", "", configuration.read_text()))
    found = examine(configuration, "alice")
    unread = [finding for finding in found if GATE in finding.what and finding.status == Status.BROKEN]
    assert [finding.line for finding in unread] == [f"Include {tmp_path}/sshd_config.d/*.conf"]
    assert Status.OPEN in statuses(found, "ungated-account")


def test_an_include_below_a_match_is_told_even_where_sshd_refuses_it(tmp_path: Path) -> None:
    configuration = configured(tmp_path, {GATE: drop_in.gated()})
    include = re.search("(?m)^Include .*$", configuration.read_text())
    assert include is not None
    text = configuration.read_text().replace(include[0], "")
    configuration.write_text(f"{text}\nMatch Address 10.0.0.0/8\n{include[0]}\n")
    found = examine(configuration, "alice")
    assert [one.status for one in found] == [Status.BROKEN, Status.WEAK]  # for PermitUserEnvironment is in no Match
    assert "PermitUserEnvironment" in found[0].what
    assert "Include" in found[1].what


def test_an_account_that_does_not_exist_is_told(tmp_path: Path) -> None:
    found = examine(configured(tmp_path, {GATE: drop_in.gated()}), "no-one", "alice")
    assert [finding.account for finding in found if finding.status == Status.BROKEN] == ["no-one"]


OURS = SshdSettings(
    authorized_keys_files=(".ssh/authorized_keys",),
    authorized_keys_elsewhere="unrestricted",
    trusted_user_ca_keys=(),
    authorized_principals_files=(),
    permit_user_rc=True,
    expose_auth_info=False,
    subsystems=(b"/usr/lib/openssh/sftp-server",),
    sftp_server="/usr/lib/openssh/sftp-server",
    executables=("/usr/sbin/sshd",),
    motd_files=(),
    mail_notice=True,
    last_login=True,
)


def test_our_own_settings_are_held_against_sshds(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pub"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "ca"], check=True)
    found = examine(configured(tmp_path, {GATE: KEYS_ONLY}, f"TrustedUserCAKeys {ca}"), "alice", settings=OURS)
    key = [finding for finding in found if finding.bypass == "restricted-key"]
    assert [(one.status, one.line) for one in key] == [
        (Status.OPEN, 'authorized_keys_files = [".ssh/authorized_keys", ".ssh/authorized_keys2"]')
    ]
    certificate = [finding for finding in found if finding.bypass == "restricted-certificate"]
    assert [(one.status, one.line) for one in certificate] == [(Status.BROKEN, f'trusted_user_ca_keys = ["{ca}"]')]


@pytest.mark.parametrize("daemon", [True, False])
def test_a_program_for_connections_that_the_daemon_would_not_know_is_told(tmp_path: Path, daemon: bool) -> None:
    """By it the daemon proves whose connection it is; a broker for one login proves nothing."""
    gate = drop_in.for_the_daemon(drop_in.gated()) if daemon else drop_in.gated()
    found = examine(configured(tmp_path, {GATE: gate}), "alice", settings=OURS)
    told = [(one.status, one.line) for one in found if "executables" in one.line]
    is_another = daemon and running_sshd.CONNECTIONS_PROGRAM != running_sshd.SSHD
    line = f'executables = ["/usr/sbin/sshd", "{running_sshd.CONNECTIONS_PROGRAM}"]'
    assert told == [(Status.BROKEN, line)] * is_another


def test_a_running_sshd_that_has_not_read_its_files_is_told_to(tmp_path: Path) -> None:
    with running_sshd.Sshd(tmp_path, {GATE: KEYS_ONLY}) as server:
        sshd = find_sshd(running_sshd.SSHD, str(server.configuration))
        assert unread(sshd) == []
        (running,) = [one for one in listeners() if ("127.0.0.1", server.port) in one.listens_on]
        changed = tmp_path / "sshd_config.d" / GATE
        while changed.stat().st_ctime <= running.started:  # that is rounded up to a tick
            changed.touch()
        assert [(one.status, one.line) for one in unread(sshd)] == [(Status.WEAK, "sshd -t && systemctl reload ssh")]


def test_a_reload_is_known_by_the_pid_file(tmp_path: Path) -> None:
    """After SIGHUP sshd has the same pid and the same start time; only its PidFile tells that it has read its files."""
    configuration, pid_file = configured(tmp_path, {GATE: KEYS_ONLY}), tmp_path / "pid"
    text = configuration.read_text().replace("PidFile none", f"PidFile {pid_file}")
    configuration.write_text(text.replace("Port 22\n", "Port 2200\n"))
    sshd = find_sshd(running_sshd.SSHD, str(configuration))
    command = [running_sshd.SSHD, "-D", "-e", "-f", str(configuration)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            until_it_serves(process.stderr)
            changed = tmp_path / "sshd_config.d" / GATE
            while changed.stat().st_ctime <= pid_file.stat().st_mtime:  # the kernel's clock for files has ticks
                changed.touch()
            assert [one.status for one in unread(sshd)] == [Status.WEAK]
            process.send_signal(signal.SIGHUP)
            until_it_serves(process.stderr)
            assert unread(sshd) == []
        finally:
            process.kill()


def until_it_serves(log: IO[str]) -> None:
    """Wait for the first greeting: by then the PidFile is written."""
    port = next(int(found[1]) for line in log if (found := running_sshd.READY.search(line)))
    with socket.create_connection(("127.0.0.1", port)) as client:
        assert client.recv(4) == b"SSH-"


def unread(sshd: Sshd) -> list[Finding]:
    return [one for one in sshd_findings(sshd, accounts=("alice",)) if "had read" in one.what]


def test_another_sshd_without_the_gate_is_told(tmp_path: Path) -> None:
    with (
        running_sshd.Sshd(tmp_path / "gated", {GATE: KEYS_ONLY}) as gated,
        running_sshd.Sshd(tmp_path / "open", {}) as other,
    ):
        sshd = find_sshd(running_sshd.SSHD, str(gated.configuration))
        told = [one for one in sshd_findings(sshd) if f"port {other.port}" in one.what]
        assert [one.status for one in told] == [Status.OPEN]
        assert "there is no ForceCommand" in told[0].what


def test_nothing_is_changed(tmp_path: Path) -> None:
    configuration = configured(tmp_path, {GATE: drop_in.gated()})
    before = {
        path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in [*Path("/etc").rglob("*")] if path.exists()
    }
    examine(configuration)
    assert before == {
        path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in [*Path("/etc").rglob("*")] if path.exists()
    }

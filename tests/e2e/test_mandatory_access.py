"""What a broker does in a real run is within its AppArmor profile and its SELinux domain; hidepid; containers."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import drop_in
import pytest
from accounts import BROKER, GROUPS
from apparmor_profile import Profile
from running_broker import SOCKET, RunningBroker
from selinux_policy import DEBIANS, Access, allowed, debians_with_ours, labels
from traced_broker import TracedBroker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate import Gate
    from pam_stack import PamStack

PROFILE = Path(__file__).parents[2] / "apparmor/secsign-gate"
RECORD = Path("/var/log/secsign-gate/verdicts.jsonl")
METRICS = "/run/secsign-gate/metrics.sock"
NOTIFIED = "/run/systemd/notify"
PROCESS = re.compile(r"/proc/(\d+)/(\S*)")
TABLES = {"fd/", "net/tcp"}
BROKERS_DOMAIN = "system_u:system_r:secsign_gate_t:s0"
OTHERS_DOMAINS = ["system_u:system_r:sshd_t:s0", "user_u:user_r:user_t:s0", "system_u:system_r:init_t:s0"]
# What a mode of AppArmor's takes in SELinux.
PERMISSIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "file": {"r": ("open", "read"), "w": ("append", "write"), "m": ("execute", "map")},
    "dir": {"r": ("open", "read"), "w": ("create",)},
    "sock_file": {"w": ("write",)},
    "chr_file": {"r": ("open", "read"), "w": ("open", "write")},
}
# AppArmor and SELinux say no to the copy of another process's descriptor with EPERM, whoever asks (pidfd_getfd(2)).
UNTRACEABLE = "-e inject=pidfd_getfd:error=EPERM"

needs_the_tools = pytest.mark.skipif(
    not all(map(shutil.which, ("strace", "apparmor_parser", "checkpolicy"))) or not DEBIANS.exists(),
    reason="what judges is not here; `make test` brings it",
)


@pytest.fixture
def log_folder() -> Iterator[None]:
    RECORD.parent.mkdir()
    os.chown(RECORD.parent, BROKER, GROUPS["secsign-gate"])
    yield
    shutil.rmtree(RECORD.parent)


@pytest.fixture
def hidden_processes() -> Iterator[None]:
    """/proc shows everybody their own processes only."""
    subprocess.run(["mount", "-o", "remount,hidepid=invisible", "/proc"], check=True)
    yield
    subprocess.run(["mount", "-o", "remount,hidepid=off", "/proc"], check=True)


@contextmanager
def service_manager() -> Iterator[None]:
    """Somebody listens where systemd does."""
    Path(NOTIFIED).parent.mkdir(exist_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(NOTIFIED)
        Path(NOTIFIED).chmod(0o777)
        yield
    Path(NOTIFIED).unlink()


@pytest.fixture(params=[False, True], ids=["as it comes", "where nobody may trace"])
def run(
    request: pytest.FixtureRequest,
    gate: Gate,
    log_folder: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> TracedBroker:
    """A broker's whole life: a start, a reload, a login at both doors with one tap, metrics and a record, an end.

    A service manager is told of it.
    """
    del log_folder
    monkeypatch.setenv("NOTIFY_SOCKET", NOTIFIED)
    gate.speak_rest()
    os.chown("/etc/secsign-gate/pin-account", 0, GROUPS["secsign-gate"])
    gate.configure(audit={"file": str(RECORD)}, broker={"metrics": METRICS})
    gate.drop_in = drop_in.asking(str(SOCKET))
    pam: PamStack = request.getfixturevalue("pam")
    pam.use("sshd-account")
    with service_manager(), TracedBroker(tmp_path, monkeypatch, UNTRACEABLE if request.param else "") as broker:
        alice = gate.user("alice", secsign_id="alice")
        monitor = broker.monitor
        broker.reload()
        login = alice.ssh("echo inside")
        gate.phone("alice").accept()
        assert login.outcome()[:2] == (0, b"inside\n")
    assert [record["ground"] for record in gate.records] == ["approved", "granted"]
    assert not any("unproven" in record for record in gate.records)
    # That much has been seen:
    opened = {use.path for use in broker.uses}
    assert {str(SOCKET), METRICS, NOTIFIED, str(RECORD), "/dev/log", "/etc/secsign-gate/pin-account"} <= opened
    assert {use.path for use in broker.uses if use.mode == "x"} == set()
    of_others = {found[2] for use in broker.uses if use.pid == monitor and (found := PROCESS.fullmatch(use.path))}
    assert {"stat", "status"} <= of_others
    assert of_others.issuperset(TABLES) == request.param
    return broker


@needs_the_tools
def test_all_that_it_opens_is_allowed_by_its_profile(run: TracedBroker) -> None:
    profile = Profile(PROFILE)
    assert {use for use in run.uses if not all(profile.allows(use.path, one) for one in use.mode)} == set()
    assert run.families - {"unix"} <= profile.families


@needs_the_tools
def test_all_that_it_opens_is_allowed_to_its_domain(run: TracedBroker, tmp_path: Path) -> None:
    policy, contexts = debians_with_ours(tmp_path)
    wanted: dict[Access, set[str]] = defaultdict(set)
    for kind, permissions in PERMISSIONS.items():
        uses = [use for use in run.uses if kind_of(use.path) == kind]
        found = labels(contexts, sorted({use.path for use in uses}), kind)
        for use in uses:
            for what in labels_in_proc(use.path, run) or [found[use.path]]:
                wanted[Access(BROKERS_DOMAIN, what, kind)].update(*(permissions[one] for one in use.mode))
    given = zip(wanted.items(), allowed(policy, list(wanted)), strict=True)
    assert [(asked, needed - answer) for (asked, needed), answer in given if needed - answer] == []


def kind_of(path: str) -> str:
    """Return the class of a file by its name."""
    if path.endswith("/"):
        return "dir"
    if path.endswith(".sock") or path in ("/dev/log", NOTIFIED):
        return "sock_file"
    return "chr_file" if path.startswith("/dev/") else "file"


def labels_in_proc(path: str, run: TracedBroker) -> list[str]:
    """Return the contexts that a file in /proc may have: that of its process, whichever may be looked at."""
    process = PROCESS.fullmatch(path)
    if process is None:
        kind = "sysctl_kernel_t" if path.startswith("/proc/sys/") else "proc_t"
        return [f"system_u:object_r:{kind}:s0"] if path.startswith("/proc/") else []
    if process[2].startswith("net/"):
        return ["system_u:object_r:proc_net_t:s0"]
    return [BROKERS_DOMAIN] if int(process[1]) in run.pids else OTHERS_DOMAINS


@needs_the_tools
@pytest.mark.usefixtures("log_folder")
def test_a_profile_that_lacks_a_rule_would_be_found(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del gate
    with TracedBroker(tmp_path, monkeypatch) as broker:
        pass
    shorter = tmp_path / "secsign-gate"
    shorter.write_text(PROFILE.read_text().replace("  /etc/subuid r,\n", ""))
    profile = Profile(shorter)
    lacking = {use.path for use in broker.uses if not all(profile.allows(use.path, one) for one in use.mode)}
    assert lacking == {"/etc/subuid"}


class Denial(NamedTuple):
    """A system call that fails as if it were denied, whether the phone is asked all the same, and what comes of it."""

    strace: str
    asks: bool
    status: int
    said: bytes


DENIED = {
    "the record": Denial(f"-P {RECORD} -e inject=openat:error=EACCES", True, 75, b"could not be recorded"),
    "the ID server": Denial("-e inject=connect:error=EACCES", False, 75, b"(Permission denied)"),
    "what a process runs": Denial("-e inject=readlink:error=EACCES", True, 0, b""),
}


@needs_the_tools
@pytest.mark.usefixtures("log_folder")
@pytest.mark.parametrize("denial", DENIED.values(), ids=DENIED)
def test_what_is_denied_wrongly_lets_nobody_in_unasked(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, denial: Denial
) -> None:
    gate.configure(audit={"file": str(RECORD), "syslog": False})
    gate.drop_in = drop_in.asking(str(SOCKET))
    with TracedBroker(tmp_path, monkeypatch, denial.strace) as broker:
        alice = gate.user("alice", secsign_id="alice")
        broker.reload()
        login = alice.ssh("touch proof")
        if denial.asks:
            gate.phone("alice").accept()
        status, _, stderr = login.outcome()
    assert status == denial.status
    assert denial.said in stderr
    assert alice.has("proof") == (status == 0)
    if status == 0:
        assert "unproven" in RECORD.read_text()


@pytest.mark.usefixtures("hidden_processes")
def test_where_processes_are_hidden_one_tap_is_for_a_connection_and_until_its_end(gate: Gate) -> None:
    gate.drop_in = drop_in.asking(str(SOCKET))
    with RunningBroker() as broker:
        alice = gate.user("alice", secsign_id="alice")
        broker.reload()
        mux = ["-o", "ControlMaster=auto", "-o", f"ControlPath={alice.client.folder}/mux", "-o", "ControlPersist=yes"]
        login = alice.ssh(f"ls -d /proc/{broker.pid} 2>/dev/null; echo hidden", options=mux)
        gate.phone("alice").accept()
        assert login.outcome()[:2] == (0, b"hidden\n")
        assert alice.ssh("true", options=mux).outcome().status == 0
        assert [one["account"] for one in broker.status()["grants"]] == ["alice"]
        alice.ssh(options=[*mux, "-O", "exit"]).outcome()
        while broker.status()["grants"]:
            pass
    assert [record["ground"] for record in gate.records] == ["approved", "granted"]
    assert not any("unproven" in record for record in gate.records)


def test_a_container_that_lacks_the_capability_has_no_broker(gate: Gate) -> None:
    """Docker's containers lack CAP_SYS_PTRACE unless they are given it. CAP_DAC_READ_SEARCH may be missing."""
    del gate  # which has written a configuration
    started = subprocess.run(
        ["setpriv", "--bounding-set=-sys_ptrace", "/opt/secsign-gate/bin/secsign-gate", "broker"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert started.returncode == 75
    assert "the broker's monitor did not start (cannot keep the capabilities [19]" in started.stderr

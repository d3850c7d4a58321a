"""What a broker does in a real run is within its AppArmor profile, also where a host lets nobody trace anybody."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import drop_in
import pytest
from accounts import BROKER, GROUPS
from apparmor_profile import Profile
from running_broker import SOCKET, RunningBroker
from traced_broker import TracedBroker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gate import Gate

PROFILE = Path(__file__).parents[2] / "apparmor/secsign-gate"
RECORD = Path("/var/log/secsign-gate/verdicts.jsonl")
METRICS = "/run/secsign-gate/metrics.sock"
OTHERS = re.compile(r"/proc/(\d+)/(\S*)")
# AppArmor and SELinux say no to the copy of another process's descriptor with EPERM, whoever asks (pidfd_getfd(2)).
UNTRACEABLE = "-e inject=pidfd_getfd:error=EPERM"

needs_the_tools = pytest.mark.skipif(
    shutil.which("strace") is None or shutil.which("apparmor_parser") is None,
    reason="strace and apparmor are not here; `make test` brings them",
)


@pytest.fixture
def log_folder() -> Iterator[None]:
    RECORD.parent.mkdir()
    os.chown(RECORD.parent, BROKER, GROUPS["secsign-gate"])
    yield
    shutil.rmtree(RECORD.parent)


@pytest.fixture
def hidden_processes(request: pytest.FixtureRequest) -> Iterator[None]:
    """/proc shows everybody their own processes only, and a group, if the test names one, all."""
    subprocess.run(["mount", "-o", f"remount,hidepid=invisible,gid={request.param}", "/proc"], check=True)
    yield
    subprocess.run(["mount", "-o", "remount,hidepid=off,gid=0", "/proc"], check=True)


@needs_the_tools
@pytest.mark.usefixtures("log_folder")
@pytest.mark.parametrize("untraceable", [False, True], ids=["as it comes", "where nobody may trace"])
def test_all_that_it_opens_is_allowed_by_its_profile(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, untraceable: bool
) -> None:
    gate.speak_rest()
    os.chown("/etc/secsign-gate/pin-account", 0, GROUPS["secsign-gate"])
    gate.configure(audit={"file": str(RECORD)}, broker={"metrics": METRICS})
    gate.drop_in = drop_in.asking(str(SOCKET))
    with TracedBroker(tmp_path, monkeypatch, UNTRACEABLE if untraceable else "") as broker:
        alice = gate.user("alice", secsign_id="alice")
        monitor = broker.monitor
        broker.reload()
        login = alice.ssh("echo inside")
        gate.phone("alice").accept()
        assert login.outcome()[:2] == (0, b"inside\n")
    (record,) = gate.records
    assert "unproven" not in record

    profile = Profile(PROFILE)
    uses = broker.uses
    assert {use for use in uses if not all(profile.allows(use.path, one) for one in use.mode)} == set()
    assert broker.families - {"unix"} <= profile.families
    # That much has been seen:
    opened = {use.path for use in uses}
    assert {str(SOCKET), METRICS, str(RECORD), "/dev/log", "/etc/secsign-gate/pin-account", "/etc/passwd"} <= opened
    assert {use.path for use in uses if use.mode == "x"} == set()
    of_others = {found[2] for use in uses if use.pid == monitor and (found := OTHERS.fullmatch(use.path))}
    tables = {"fd/", "net/tcp"}
    assert {"stat", "status"} | (tables if untraceable else set()) <= of_others
    assert untraceable or not of_others & tables


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


@pytest.mark.usefixtures("hidden_processes")
@pytest.mark.parametrize(
    ("hidden_processes", "second"),
    [(GROUPS["secsign-gate"], "granted"), (0, "approved")],
    ids=["but not from the broker", "from all"],
    indirect=["hidden_processes"],
)
def test_where_processes_are_hidden_one_tap_is_for_a_connection_if_the_broker_sees_them(
    gate: Gate, second: str
) -> None:
    """In any case each login is proven: the monitor sees them."""
    gate.drop_in = drop_in.asking(str(SOCKET))
    with RunningBroker() as broker:
        alice = gate.user("alice", secsign_id="alice")
        broker.reload()
        mux = ["-o", "ControlMaster=auto", "-o", f"ControlPath={alice.client.folder}/mux", "-o", "ControlPersist=yes"]
        login = alice.ssh(f"ls -d /proc/{broker.pid} 2>/dev/null; echo hidden", options=mux)
        gate.phone("alice").accept()
        assert login.outcome()[:2] == (0, b"hidden\n")
        again = alice.ssh("true", options=mux)
        if second == "approved":
            gate.phone("alice").accept()
        assert again.outcome().status == 0
        alice.ssh(options=[*mux, "-O", "exit"]).outcome()
    assert [record["ground"] for record in gate.records] == ["approved", second]
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

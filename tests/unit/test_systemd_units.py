"""The shipped units: systemd takes them without a word, and they are as closed as they say."""

import configparser
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from secsign_gate.broker.listening import BACKLOG
from secsign_gate.broker.start import SOCKET_NAME
from secsign_gate.config.reader import DEFAULT_PATH, DEFAULT_SOCKET

SYSTEMD = Path(__file__).parents[2] / "systemd"
SERVICE = SYSTEMD / "secsign-gate.service"
SOCKET = SYSTEMD / SOCKET_NAME
STATED = re.compile(r"`systemd-analyze security --offline=true` of systemd (\d+) says: exposure level (\d+\.\d)")

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here; `make test` brings it"
)
on_the_private_host = pytest.mark.skipif(
    socket.gethostname() != "private-host", reason="what the units start is at its place on the private host only"
)


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={"PATH": "/usr/bin"},
    )


def setting(unit: Path, section: str, name: str) -> str:
    reader = configparser.ConfigParser(interpolation=None, strict=False, delimiters="=", comment_prefixes="#")
    reader.optionxform = str  # type: ignore[assignment] # systemd's names have capitals
    reader.read(unit)
    return reader[section][name]


@needs_systemd
@on_the_private_host
def test_systemd_finds_nothing_to_complain_about() -> None:
    found = analyze("verify", SERVICE, SOCKET)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


@needs_systemd
def test_the_units_are_as_closed_as_they_say() -> None:
    stated = STATED.search(SERVICE.read_text())
    assert stated
    version, level = stated.groups()
    found = analyze("security", "--offline=true", f"--threshold={level.replace('.', '')}", SERVICE)
    assert found.returncode == 0, found.stdout
    if analyze("--version").stdout.startswith(
        f"systemd {version} "
    ):  # another one may ask for more, or count it otherwise
        assert f"Overall exposure level for {SERVICE.name}: {level} " in found.stdout


@needs_systemd
def test_what_cap_sys_ptrace_would_open_is_filtered() -> None:
    """The monitor reads. With this capability it could also write into other processes."""
    service = SERVICE.read_text()
    listed = analyze("syscall-filter", "@system-service", "@ipc", "@process", "@file-system", "@default").stdout.split()
    for call in ("ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "process_madvise"):
        assert call not in listed or re.search(rf"^SystemCallFilter=~.*\b{call}\b", service, re.MULTILINE)
    assert setting(SERVICE, "Service", "ReadOnlyPaths") == "/proc"
    # The one other capability that matters reads; with this one it would write what is root's after all.
    assert "CAP_DAC_OVERRIDE" not in setting(SERVICE, "Service", "CapabilityBoundingSet")


def test_the_monitor_may_ask_sockets() -> None:
    """Without pidfd_getfd it would read the kernel's tables, and each proof would take many times as long."""
    assert re.search(r"^SystemCallFilter=[^~\n]*\bpidfd_getfd\b", SERVICE.read_text(), re.MULTILINE)


def test_units_and_program_agree_on_where_things_are() -> None:
    path = setting(SOCKET, "Socket", "ListenStream")
    assert path == DEFAULT_SOCKET
    assert setting(SOCKET, "Socket", "Backlog") == str(BACKLOG)
    assert setting(SERVICE, "Unit", "Requires") == SOCKET_NAME
    assert setting(SERVICE, "Service", "ExecStart").endswith(f" broker --config {DEFAULT_PATH}")
    assert f"d {Path(path).parent} 0755 root root -" in (SYSTEMD / "tmpfiles.d/secsign-gate.conf").read_text()


def test_every_line_has_its_reason() -> None:
    """A blank line, a heading or a line of the same kind may stand between; nothing comes without a comment above."""
    for unit in (SERVICE, SOCKET):
        explained = False
        section = ""
        for line in unit.read_text().splitlines():
            if not line:
                explained = False
            elif line.startswith("#"):
                explained = True
            elif line.startswith("["):
                section = line
            elif section != "[Unit]" or not line.startswith("Description="):
                assert explained, f"{unit.name}: {line}"

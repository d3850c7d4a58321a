"""The drop-ins that put the service into a domain or a profile: systemd takes both without a word."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
DROP_INS = ("apparmor/secsign-gate.service.d/apparmor.conf", "selinux/secsign-gate.service.d/selinux.conf")

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None or socket.gethostname() != "private-host",
    reason="systemd, and what the unit starts, are at their place on the private host only",
)


def verified(folder: Path) -> str:
    """Return what systemd says of the service in this folder, with its drop-ins."""
    done = subprocess.run(
        ["systemd-analyze", "verify", folder / "secsign-gate.service"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={"PATH": "/usr/bin"},
    )
    return done.stdout + done.stderr


@pytest.fixture
def units(tmp_path: Path) -> Path:
    for unit in (CHECKOUT / "systemd").glob("secsign-gate.*"):
        shutil.copy(unit, tmp_path)
    (tmp_path / "secsign-gate.service.d").mkdir()
    for drop_in in DROP_INS:
        shutil.copy(CHECKOUT / drop_in, tmp_path / "secsign-gate.service.d")
    return tmp_path


def test_systemd_takes_them(units: Path) -> None:
    assert verified(units) == ""


@pytest.mark.parametrize("drop_in", DROP_INS)
def test_a_mistake_in_one_is_told(units: Path, drop_in: str) -> None:
    path = units / "secsign-gate.service.d" / Path(drop_in).name
    path.write_text(path.read_text().replace("Profile=", "Profil=").replace("Context=", "Contex="))
    assert "Unknown key" in verified(units)

"""Whether a Python takes files of the user's for code, held against what such a Python says itself."""

import subprocess
import sys
import venv
from pathlib import Path

import pytest

from secsign_gate.doctor.sshd.host import reads_homes

SAYS = "import site; print(bool(site.ENABLE_USER_SITE))"


@pytest.mark.parametrize("with_the_systems", [True, False])
def test_a_virtual_environment_says_so_in_its_settings(tmp_path: Path, with_the_systems: bool) -> None:
    venv.create(tmp_path, system_site_packages=with_the_systems, symlinks=True)
    interpreter = str(tmp_path / "bin/python3")
    said = subprocess.run([interpreter, "-c", SAYS], capture_output=True, text=True, check=True, env={}).stdout
    assert reads_homes(interpreter) is with_the_systems is (said == "True\n")


def test_any_other_does(tmp_path: Path) -> None:
    interpreter = tmp_path / "bin/python3"
    interpreter.parent.mkdir()
    interpreter.symlink_to(sys.executable)
    assert reads_homes(str(interpreter))

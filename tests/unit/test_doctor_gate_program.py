"""The gate's own code: an installation made for the test, and each thing that can be wrong with one."""

import os
import shutil
import sys
from pathlib import Path

import pytest

import secsign_gate
from secsign_gate.doctor.finding import Finding, Status
from secsign_gate.doctor.force_command import GateProgram
from secsign_gate.doctor.gate_program import examine_program

VERSION = f"python{sys.version_info[0]}.{sys.version_info[1]}"
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="an installation is root's")


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A virtual environment like /opt/secsign-gate, which everybody may enter."""
    for folder in (tmp_path, *tmp_path.parents):
        if not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)
    root = tmp_path / "gate"
    packages = root / "lib" / VERSION / "site-packages" / "secsign_gate"
    packages.mkdir(parents=True)
    (root / "bin").mkdir()
    shutil.copy(Path(secsign_gate.__file__), packages)
    shutil.copy(Path(secsign_gate.__file__).parent / "doors/bin/secsign-gate-force-command", root / "bin")
    (root / "bin/secsign-gate-force-command").chmod(0o755)
    (root / "bin/python3").symlink_to("/usr/bin/python3")
    (root / "pyvenv.cfg").write_text("home = /usr/bin\n")
    return root


def program(root: Path, *options: str) -> GateProgram:
    bin_folder = root / "bin"
    script = str(bin_folder / "secsign-gate-force-command")
    return GateProgram(str(bin_folder / "python3"), options or ("-I", "-S"), script, "/etc/x.toml", "")


def findings(root: Path) -> list[Finding]:
    return [one for one in examine_program(program(root)) if one.status is not Status.CLOSED]


def the_one(root: Path) -> Finding:
    [one] = findings(root)
    return one


def test_in_order(installed: Path) -> None:
    [one] = examine_program(program(installed))
    assert one.status is Status.CLOSED


@pytest.mark.parametrize(
    "name",
    [
        "bin",
        "bin/secsign-gate-force-command",
        "lib",
        f"lib/{VERSION}/site-packages/secsign_gate",
        f"lib/{VERSION}/site-packages/secsign_gate/__init__.py",
        "pyvenv.cfg",
    ],
)
def test_what_others_could_change_is_a_hole(installed: Path, name: str) -> None:
    (installed / name).chmod(0o777)
    one = the_one(installed)
    assert one.status is Status.OPEN
    assert one.line == f"chmod go-w {installed / name}"


def test_an_interpreter_that_is_not_roots_is_not_run(installed: Path, tmp_path: Path) -> None:
    python = installed / "bin/python3"
    python.unlink()
    python.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    python.chmod(0o755)
    os.chown(python, 4242, -1)
    assert the_one(installed).status is Status.OPEN
    assert not (tmp_path / "ran").exists()


def test_an_interpreter_that_says_nothing(installed: Path) -> None:
    python = installed / "bin/python3"
    python.unlink()
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    assert the_one(installed).status is Status.UNKNOWN


def test_many_faults_of_one_kind_are_summed_up(installed: Path) -> None:
    packages = installed / "lib" / VERSION / "site-packages/other"
    packages.mkdir()
    for number in range(20):
        (packages / f"m{number}.py").write_text("")
        (packages / f"m{number}.py").chmod(0o666)
    found = findings(installed)
    assert len(found) == 6
    assert found[-1].what.startswith("15 more files or folders")
    assert found[-1].line == f"chmod -R go-w {packages}"


@pytest.mark.parametrize("name", ["bin/python3", "bin/secsign-gate-force-command"])
def test_what_is_missing_locks_out(installed: Path, name: str) -> None:
    (installed / name).unlink()
    one = the_one(installed)
    assert (one.status, f"{installed / name}, which" in one.what) == (Status.BROKEN, True)


def test_a_package_that_is_missing(installed: Path) -> None:
    shutil.rmtree(installed / "lib")
    assert the_one(installed).status is Status.BROKEN


def test_a_folder_that_users_may_not_enter(installed: Path) -> None:
    (installed / "bin").chmod(0o750)
    found = findings(installed)
    assert {one.status for one in found} == {Status.BROKEN}
    assert {one.line for one in found} == {f"chmod o+x {installed}/bin"}


def test_a_script_that_users_may_not_read(installed: Path) -> None:
    (installed / "bin/secsign-gate-force-command").chmod(0o750)
    assert the_one(installed).line == f"chmod o+r {installed}/bin/secsign-gate-force-command"


def test_without_isolation(installed: Path) -> None:
    [one] = [one for one in examine_program(program(installed, "-E")) if one.status is Status.BROKEN]
    assert "-I -S" in one.line


def test_another_version(installed: Path) -> None:
    (installed / "lib" / VERSION / "site-packages/secsign_gate/__init__.py").write_text('__version__ = "9.9"\n')
    assert "is of version 9.9" in the_one(installed).what


def test_a_link_to_what_others_could_change(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.py").write_text("")
    (tmp_path / "elsewhere.py").chmod(0o666)
    (installed / "lib" / VERSION / "site-packages/m.py").symlink_to(tmp_path / "elsewhere.py")
    assert the_one(installed).line == f"chmod go-w {tmp_path}/elsewhere.py"


def test_a_program_that_has_only_the_name_of_the_door_is_a_hole(installed: Path) -> None:
    (installed / "bin/secsign-gate-force-command").write_text('#!/bin/sh\nexec sh -c "$SSH_ORIGINAL_COMMAND"\n')
    one = the_one(installed)
    assert one.status is Status.OPEN
    assert one.line.startswith("install -m 755 ")


def test_a_fake_without_an_interpreter_is_one_too(installed: Path) -> None:
    script = installed / "bin/secsign-gate-force-command"
    script.write_text("#!/bin/sh\nexec sh\n")
    found = examine_program(GateProgram("", (), str(script), "/etc/x.toml", ""))
    assert Status.OPEN in {one.status for one in found}


def test_an_installer_may_write_the_first_line_anew(installed: Path) -> None:
    script = installed / "bin/secsign-gate-force-command"
    script.write_text(script.read_text().replace("#!python\n", f"#!{installed}/bin/python3\n", 1))
    assert findings(installed) == []

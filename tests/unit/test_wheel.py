"""What an administrator gets with the program: every example and drop-in, and nothing that needs this folder.

The tests run in a virtual environment into which the project was installed as a wheel, so its files lie there.
"""

import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
SHARED = Path(sys.prefix, "share/secsign-gate")


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("folder", ["examples", "sshd_config.d"])
def test_the_wheel_brings_the_files_of_the_folder_and_no_subfolder(folder: str) -> None:
    assert files_below(SHARED / folder) == {path.name for path in (CHECKOUT / folder).iterdir() if path.is_file()}


@pytest.mark.parametrize("folder", ["apparmor", "selinux", "systemd"])
def test_the_wheel_brings_all_that_the_system_reads(folder: str) -> None:
    assert files_below(SHARED / folder) == files_below(CHECKOUT / folder)


def test_the_wheel_brings_pams_examples() -> None:
    assert files_below(SHARED / "pam.d") == files_below(CHECKOUT / "examples/pam.d")


def test_the_demo_stays_here() -> None:
    assert (CHECKOUT / "examples/demo").is_dir()  # it needs tests/, so it cannot run from a wheel
    assert not (SHARED / "examples/demo").exists()

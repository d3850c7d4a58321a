"""`secsign-gate pam`: lines for this host, for people; and nothing but the door where pam_exec has started it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from secsign_gate.activation.shipped import shipped_pam
from secsign_gate.admin.pam import SETUPS
from secsign_gate.doctor.pam.door_line import examine_service
from secsign_gate.doctor.pam.lines import parse_pam

EXAMPLES = Path(__file__).parents[2] / "examples/pam.d"
PROGRAM = (sys.executable, "-m", "secsign_gate", "pam")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*PROGRAM, *arguments],
        check=False,
        text=True,
        capture_output=True,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C", **environment},
        timeout=60,
    )
    assert "Traceback" not in done.stderr
    return done


def test_every_example_is_a_setup() -> None:
    assert sorted(SETUPS) == sorted(path.name for path in EXAMPLES.iterdir())


@pytest.mark.parametrize("setup", SETUPS)
def test_every_example_is_in_order_by_the_doctors_own_rules(setup: str) -> None:
    """Behind what Debian's common-auth and common-account hold."""
    text = (EXAMPLES / setup).read_text()
    assert text.count("take the place of the line") == 1
    unix = "auth [success=1 default=ignore] pam_unix.so nullok\nauth requisite pam_deny.so\nauth required pam_permit.so"
    lines = parse_pam(f"/etc/pam.d/{setup}", text.replace("@include common-auth\n", f"{unix}\n"))
    assert sum(line.is_gate for line in lines) == 1
    assert list(examine_service(setup, lines, of_sshd=False)) == []


@pytest.mark.parametrize("setup", SETUPS)
def test_the_lines_are_those_of_the_example_with_this_hosts_program(setup: str) -> None:
    done = run(setup, "--broker", "/run/secsign-gate/broker.sock")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == shipped_pam(setup).replace(" /opt/secsign-gate/", f" {sys.prefix}/")


def test_another_socket_is_named_on_the_line_also_if_the_configuration_says_it(tmp_path: Path) -> None:
    given = run("sudo", "--broker", "/run/x.sock").stdout
    assert [line for line in given.splitlines() if line.endswith(" --broker /run/x.sock")] == [
        line for line in given.splitlines() if "/secsign-gate-pam" in line
    ]
    tmp_path.chmod(0o755)
    config = tmp_path / "gate.toml"
    config.write_text(
        '[id_server]\ndialect = "form"\nurl = "https://id.example.org"\n[broker]\nsocket = "/run/x.sock"\n'
    )
    config.chmod(0o644)
    if tmp_path.stat().st_uid == 0:  # else nobody has to trust it
        assert run("sudo", "--config", str(config)).stdout == given


def test_what_is_wrong_is_a_sentence(tmp_path: Path) -> None:
    assert run("sshd").returncode == 2
    assert run("sudo", "--broker", "x.sock").returncode == 2
    done = run("sudo", "--config", str(tmp_path / "no.toml"))
    assert done.returncode == 78
    assert str(tmp_path) in done.stderr


def test_without_a_setup_it_teaches_them() -> None:
    for done in (run(), run("--help")):
        assert all(setup in done.stdout + done.stderr for setup in SETUPS)


@pytest.mark.parametrize(
    "arguments", [(), ("--help",), ("-h",), ("sudo",), ("--broker", "/run/x.sock"), ("sudo", "--broker", "/run/x")]
)
def test_started_by_pam_exec_it_is_the_door_and_never_ends_with_a_yes(arguments: tuple[str, ...]) -> None:
    """Exit status 0 would let somebody in, so not even the help may have it."""
    done = run(*arguments, PAM_TYPE="auth", PAM_SERVICE="sudo", PAM_USER="alice")
    assert done.returncode in (75, 77, 78)
    assert done.stdout == ""
    assert done.stderr.startswith("secsign-gate: ")

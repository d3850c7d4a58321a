"""Which door a line of sshd's or PAM's starts, and whom that would ask."""

import re
import shlex
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from secsign_gate.doctor.force_command import GateProgram, parse_door, parse_force_command

ROOT = Path(__file__).parents[2]
PYTHON, BIN = "/opt/secsign-gate/bin/python3", "/opt/secsign-gate/bin"
OURS = GateProgram(PYTHON, ("-I", "-S"), f"{BIN}/secsign-gate-force-command", "/etc/secsign-gate/secsign-gate.toml", "")
SOCKET = "/run/secsign-gate/broker.sock"


def test_the_lines_of_the_shipped_drop_in() -> None:
    text = (ROOT / "sshd_config.d/00-secsign-gate.conf").read_text()
    embedded, daemon = re.findall(r"^ *#?ForceCommand (.*)$", text, re.MULTILINE)
    assert parse_force_command(embedded) == OURS
    assert parse_force_command(daemon) == OURS._replace(config="", broker=SOCKET)


def test_without_options_it_is_the_default() -> None:
    assert parse_force_command(f"exec {PYTHON} -I -S {OURS.script}") == OURS


def test_without_exec_and_without_options_of_python() -> None:
    assert parse_force_command(f"{PYTHON} {OURS.script}") == OURS._replace(options=())


def test_the_script_by_itself() -> None:
    assert parse_force_command(f"exec {OURS.script}") == OURS._replace(interpreter="", options=())


def test_a_path_with_a_blank() -> None:
    program = parse_force_command("exec '/opt/my gate/python3' -I -S '/opt/my gate/secsign-gate-force-command'")
    assert program is not None
    assert program.interpreter == "/opt/my gate/python3"


def test_what_is_not_this_gate() -> None:
    for line in (
        "",
        "none",
        "internal-sftp",
        "/usr/bin/login_duo",
        "exec /bin/sh",
        "exec 'unclosed",
        f"exec {BIN}/python3",
    ):
        assert parse_force_command(line) is None


def test_the_other_doors_are_no_force_command() -> None:
    for door in ("secsign-gate-pam", "secsign-gate-authorized-keys"):
        assert parse_force_command(f"exec {PYTHON} -I -S {BIN}/{door}") is None


def test_whom_the_other_doors_ask() -> None:
    pam = parse_door(["stdout", PYTHON, "-I", "-S", f"{BIN}/secsign-gate-pam", "--after-password"])
    keys = parse_door([PYTHON, "-I", "-S", f"{BIN}/secsign-gate-authorized-keys", "%u", "%t", "%k", "%f"])
    assert pam is not None
    assert keys is not None
    assert (pam.config, pam.broker) == ("", SOCKET)
    assert (keys.config, keys.broker) == ("", "")


@given(st.text())
def test_any_line_is_read_or_is_not_ours(text: str) -> None:
    program = parse_force_command(text)
    assert program is None or program.script.endswith("secsign-gate-force-command")


@given(st.lists(st.text(min_size=1), max_size=4))
def test_what_stands_behind_the_script_never_makes_it_another(words: list[str]) -> None:
    program = parse_force_command(shlex.join(["exec", PYTHON, "-I", "-S", OURS.script, *words]))
    assert program is not None
    assert (program.interpreter, program.script) == (PYTHON, OURS.script)

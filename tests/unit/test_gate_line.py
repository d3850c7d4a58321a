"""A ForceCommand that is the gate and nothing else, told from one that a shell makes more of."""

import pytest

from secsign_gate.doctor.gate_line import gate_on_line, is_for_keys

PYTHON, SCRIPT = "/opt/secsign-gate/bin/python3", "/opt/secsign-gate/bin/secsign-gate-force-command"
DOOR = f"exec {PYTHON} -I -S {SCRIPT}"


@pytest.mark.parametrize(
    "text",
    [
        DOOR,
        f"{DOOR} --config /etc/secsign-gate/secsign-gate.toml",
        f"{DOOR} --broker /run/secsign-gate/broker.sock",
        f"exec /usr/bin/python3.11 -I -S -B {SCRIPT}",
        DOOR.removeprefix("exec "),
        f"exec {SCRIPT}",
        f"exec '/opt/my gate/python3' -I -S \"{SCRIPT}\"",
    ],
)
def test_the_gate_is_known(text: str) -> None:
    assert gate_on_line(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "none",
        "internal-sftp",
        f"{DOOR} || exec $SHELL",
        f"{DOOR}; sh",
        f"{DOOR} & exec sh",
        f"sh {SCRIPT}",
        f"exec echo {SCRIPT}",
        f"true # {SCRIPT}",
        f"exec env -i {PYTHON} -I -S {SCRIPT}",
        f"LD_PRELOAD=/tmp/x.so exec {PYTHON} -I -S {SCRIPT}",
        f"exec python3 -I -S {SCRIPT}",
        f"exec {PYTHON} -I -S secsign-gate-force-command",
        f"exec {PYTHON} -I -S /opt/../tmp/secsign-gate-force-command",
        f"exec {PYTHON} -c pass {SCRIPT}",
        f"exec {PYTHON} -I -S /tmp/mine.py {SCRIPT}",
        f"exec {PYTHON} -I -S {SCRIPT} --unknown",
        f"exec {PYTHON} -I -S {SCRIPT} --config",
        f"exec {PYTHON} -I -S {SCRIPT} `id`",
        f"exec {PYTHON} -I -S $HOME/secsign-gate-force-command",
        f"exec ~alice/python3 -I -S {SCRIPT}",
        f"exec '{PYTHON} -I -S {SCRIPT}",
        f"{DOOR}-not",
    ],
)
def test_what_may_be_something_else_is_not_the_gate(text: str) -> None:
    assert gate_on_line(text) is None


def test_a_line_for_keys_is_known() -> None:
    assert is_for_keys(f"{DOOR} --started-by-key")
    assert not is_for_keys(DOOR)
    assert not is_for_keys("sh --started-by-key")

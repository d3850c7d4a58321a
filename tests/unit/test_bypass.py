"""The ways around the gate: every one is named once, and the shipped drop-ins close it."""

from pathlib import Path

import pytest

from secsign_gate.core.bypass import BYPASSES, Bypass

DROP_INS = Path(__file__).parents[2] / "sshd_config.d"
FOR_ALL = DROP_INS / "00-secsign-gate.conf"
SELECTS = "Match all"  # the other two select a group or an account instead


def lines(path: Path) -> list[str]:
    return [line.strip() for line in path.read_text().splitlines()]


def test_each_has_a_name_of_its_own() -> None:
    names = [bypass.name for bypass in BYPASSES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("bypass", BYPASSES, ids=lambda bypass: bypass.name)
@pytest.mark.parametrize("path", sorted(DROP_INS.glob("00-*")), ids=lambda path: path.name)
def test_the_drop_ins_close_it(bypass: Bypass, path: Path) -> None:
    for directive in bypass.closed_by:
        wanted = "Match " if directive == SELECTS and path != FOR_ALL else directive
        assert any(line.startswith(wanted) for line in lines(path)), directive

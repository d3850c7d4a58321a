"""A Match line that `enable` writes holds for the names that were meant and for no others, by sshd's own word."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sshd import Sshd

from secsign_gate.activation.plan import Gated, PlanError, match_line

ODD = [
    "EXAMPLE\\alice", "bob@example.org", "build$", "\u00fcn\u00efcode", "a.b-c_d", "x+y", "(a)", "a&b", "a;b", "a|b",
    "~a", "a[b]c", "{a}", "<a>", "a:b", "7", "a\\b\\c", "root", "all", "none",
]  # fmt: skip


def gated_by(folder: Path, line: str, name: str) -> bool:
    sshd = Sshd(folder, {"00-secsign-gate.conf": f"{line}\n    ForceCommand the-gate\n"})
    return sshd.settings_for(name)["forcecommand"] == ["the-gate"]


@pytest.mark.parametrize("name", ODD)
def test_odd_names(tmp_path: Path, name: str) -> None:
    line = match_line(Gated("user", ("somebody", name)), ())
    assert gated_by(tmp_path, line, name)
    assert not gated_by(tmp_path, line, f"{name}x")
    all_but = match_line(Gated("all"), ("somebody", name))
    assert not gated_by(tmp_path, all_but, name)
    assert gated_by(tmp_path, all_but, f"{name}x")


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\n,"), min_size=1, max_size=12))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_name_is_refused_or_read_as_it_is(tmp_path: Path, name: str) -> None:
    try:
        line = match_line(Gated("user", (name,)), ())
    except PlanError:
        return
    assert gated_by(tmp_path, line, name)
    assert not gated_by(tmp_path, line, f"{name}x")

"""docs/bypasses.md is what the code says."""

from __future__ import annotations

import re

from bypasses_document import CHECKOUT, DOCUMENT, document
from open_ways import OPENED

from secsign_gate.core.bypass import BYPASSES
from secsign_gate.doctor.sshd.rules import RULES
from secsign_gate.probe.registry import ATTEMPTS

NAMES = {bypass.name for bypass in BYPASSES}


def test_it_is_what_the_code_says() -> None:
    assert DOCUMENT.read_text() == document(), "run `make documents`"


def test_every_way_is_opened_found_and_proven() -> None:
    assert set(OPENED) == NAMES
    assert {rule.bypass for rule in RULES} - {""} == NAMES
    assert set(ATTEMPTS) >= NAMES


def test_every_row_is_whole() -> None:
    rows = [line for line in document().splitlines() if line.startswith("| **")]
    assert len(rows) == len(NAMES)
    for row in rows:
        way, found, proven, closed = re.split(r"(?<!\\) \| ", row.removeprefix("| ").removesuffix(" |"))
        assert all((way, found, proven, closed)), row
        assert "[" in found


def test_who_is_proven_elsewhere_says_why() -> None:
    assert [name for name, opened in OPENED.items() if bool(opened.proof) != bool(opened.because)] == []


def test_its_test_has_a_run_for_each() -> None:
    assert "BYPASSES, ids=lambda bypass: bypass.name" in (CHECKOUT / "tests/e2e/test_every_bypass.py").read_text()

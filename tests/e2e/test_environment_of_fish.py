"""fish, as the login shell before the gate, reads and writes the environment in its own way without a UTF-8 locale."""

import pytest
from gate import Gate


@pytest.mark.parametrize("locale", ["C", "C.UTF-8", "de_DE.UTF-8"])
def test_bytes_that_are_not_ascii_pass_through_fish(gate: Gate, locale: str) -> None:
    felix = gate.user("felix", secsign_id="felix")
    command = "printf %s café-\udcff | od -An -tx1"
    options = ["-o", f"SetEnv=LC_ALL={locale}"]
    ungated = felix.ssh(command, at="ungated", options=options)
    gated = felix.ssh(command, options=options)
    gate.phone("felix").accept()
    assert gated.outcome()[:2] == ungated.outcome()[:2]
    assert b"63 61 66 c3 a9 2d" in gated.outcome().stdout

"""What the doctor says of an account before it looks at sshd."""

from pathlib import Path

import pytest

from secsign_gate.core.login import Account
from secsign_gate.doctor.finding import Status, worst
from secsign_gate.doctor.one_login import examine_account


@pytest.mark.parametrize(
    ("name", "status"),
    [("bash", Status.CLOSED), ("rbash", Status.BROKEN), ("rksh", Status.BROKEN), ("scponly", Status.BROKEN)],
)
def test_a_shell_that_does_not_start_the_gate_locks_its_account_out(tmp_path: Path, name: str, status: Status) -> None:
    shell = tmp_path / name
    shell.write_text("")
    shell.chmod(0o755)
    findings = examine_account(Account("carol", 2001, str(tmp_path), str(shell), ()))
    assert worst(findings) is status

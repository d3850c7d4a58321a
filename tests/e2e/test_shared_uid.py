"""Two names for one uid: the process cannot be told apart, so nobody passes under either unless it is the first."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from gate import Gate

from secsign_gate.core.verdict import Reason


@pytest.fixture
def second_name_of_alice(gate: Gate) -> Iterator[Path]:
    """An account `aliased` with alice's uid and a home of its own; gone afterwards."""
    del gate  # the homes are fresh from here on
    passwd, shadow = Path("/etc/passwd"), Path("/etc/shadow")
    before = passwd.read_bytes(), shadow.read_bytes()
    alice = next(line for line in before[0].decode().splitlines() if line.startswith("alice:"))
    uid = alice.split(":")[2]
    home = Path("/home/aliased")
    (home / ".ssh").mkdir(parents=True, exist_ok=True)
    passwd.write_bytes(before[0] + f"aliased:x:{uid}:{uid}::{home}:/bin/sh\n".encode())
    shadow.write_bytes(before[1] + b"aliased:*:19000:0:99999:7:::\n")
    yield home
    passwd.write_bytes(before[0])
    shadow.write_bytes(before[1])


def test_the_second_name_of_a_uid_is_refused_and_its_restricted_key_stays_restricted(
    gate: Gate, second_name_of_alice: Path
) -> None:
    alice = gate.user("alice", secsign_id="alice")
    keys = second_name_of_alice / ".ssh" / "authorized_keys"
    keys.write_text(f'command="echo RESTRICTED" {alice.client.public_key}\n')
    keys.chmod(0o644)
    target = alice.at("gated").replace("alice@", "aliased@")
    login = alice.run("ssh", target, "touch proof")
    assert login.refused(Reason.UNKNOWN_ACCOUNT)
    assert b"share the uid" in login.outcome().stderr
    assert not alice.has("proof")
    assert not (second_name_of_alice / "proof").exists()

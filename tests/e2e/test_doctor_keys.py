"""`secsign-gate doctor` where sshd asks the AuthorizedKeysCommand door, and somebody has made an ordinary mistake."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import drop_in
import pytest
from registered import EMBEDDED, REGISTRY, line, person, registry, with_registry
from running_broker import PROGRAM

if TYPE_CHECKING:
    from gate import Gate

ELSEWHERE = REGISTRY.with_name("registry.elsewhere")


@pytest.fixture
def host(gate: Gate) -> Gate:
    """A host on which deploy's keys come from the registry, and all is well."""
    with_registry(gate)
    gate.drop_in = drop_in.gated() + EMBEDDED
    registry(line(gate, person(gate), "alice"))
    return gate


def found(gate: Gate) -> list[tuple[str, str]]:
    """Return how it stands and what was found, of all that is about keys from the registry."""
    configuration = str(gate.server("gated").configuration)
    done = subprocess.run(
        [PROGRAM, "doctor", "--sshd-config", configuration, "--json"],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.stderr == ""
    findings = [finding for station in json.loads(done.stdout)["stations"] for finding in station["findings"]]
    about = [
        (one["status"], one["what"])
        for one in findings
        if any(word in one["what"] for word in ("registry", "AuthorizedKeysCommand", "secsign-gate-keys"))
        and not one["what"].endswith("is root's alone")
    ]
    return [one for one in about if one[0] != "closed"]


def test_nothing_is_wrong_where_nothing_is(host: Gate) -> None:
    assert found(host) == []


def test_a_registry_that_the_broker_does_not_know(host: Gate) -> None:
    host.above_tables = ""
    host.configure()
    [(status, what)] = found(host)
    assert status == "broken"
    assert what.endswith("names none")
    host.configure(sshd={"authorized_keys_elsewhere": "unrestricted"})
    assert [status for status, _ in found(host)] == ["open"]


def test_another_registry_than_the_brokers(host: Gate) -> None:
    ELSEWHERE.write_bytes(REGISTRY.read_bytes())
    host.drop_in = host.drop_in.replace(" %u %t", f" --registry {ELSEWHERE} %u %t")
    [(status, what)] = found(host)
    assert status == "open"
    assert (
        what
        == f"sshd takes keys from the registry {ELSEWHERE}, and /etc/secsign-gate/secsign-gate.toml names {REGISTRY}"
    )
    ELSEWHERE.unlink()
    ELSEWHERE.symlink_to(REGISTRY)
    assert found(host) == []
    ELSEWHERE.unlink()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (" %u %t %k %f", " %u", "1 words stand behind the options, and not four"),
        (" %u %t %k %f", " %u %t %k %f %C", "%C is for other sshds"),
        (" %u %t", " --broker /run/a.sock %u %t", "--broker and --config exclude each other"),
        ("CommandUser secsign-gate-keys", "CommandUser nobody-of-here", "no account nobody-of-here"),
        ("CommandUser secsign-gate-keys", "CommandUser root", "User is root"),
    ],
)
def test_a_line_that_sshd_cannot_be_answered_by(host: Gate, old: str, new: str, says: str) -> None:
    assert old in host.drop_in
    host.drop_in = host.drop_in.replace(old, new)
    assert [status for status, what in found(host) if says in what] in (["broken"], ["weak"])


def test_a_registry_that_the_door_may_not_read(host: Gate) -> None:
    REGISTRY.chmod(0o600)
    [(status, what)] = found(host)
    assert status == "broken"
    assert "may not be read by secsign-gate-keys" in what


def test_an_account_that_no_line_is_about(host: Gate) -> None:
    registry(line(host, person(host), "alice", accounts="alice"))
    [(status, what)] = found(host)
    assert status == "broken"
    assert "no line of it is about" in what

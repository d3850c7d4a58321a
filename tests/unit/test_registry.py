"""The registry as the broker reads it for a login, and as `check` judges it."""

from __future__ import annotations

import os
from base64 import b64encode
from ipaddress import ip_address
from pathlib import Path

import pytest
from ssh_samples import ED25519, OTHER_ED25519, RSA, certificate, words

from secsign_gate.core.key_holder import HeldLine, holders, registered_keys
from secsign_gate.core.key_search import FoundLine
from secsign_gate.core.line_judgement import Circumstances
from secsign_gate.core.login import OtherMethod, PublicKey
from secsign_gate.core.public_key import fingerprint
from secsign_gate.core.secsign_id import parse_secsign_id
from secsign_gate.directory.registry import check_registry, held_lines, is_registered
from secsign_gate.errors import ConfigError

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a registry is root's")
ALICES, BOBS, AUTHORITYS = (words(blob).decode() for blob in (ED25519, RSA, OTHER_ED25519))
ALICE = PublicKey("ssh-ed25519", ED25519)
HERE = Circumstances("deploy", ip_address("192.0.2.7"), 1_750_000_000)
EXAMPLE = Path(__file__).parents[2] / "examples/registry"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "registry"
    made.touch(0o644)
    return made


def problems(path: Path, *lines: str) -> list[str]:
    path.write_text("".join(f"{line}\n" for line in lines))
    found = []
    try:
        check_registry(str(path))
    except ConfigError as error:
        found = error.problems
    assert all(problem.line and problem.remedy for problem in found)
    return [f"{problem.line}: {problem.what}" for problem in found]


def test_a_registry_in_order(path: Path) -> None:
    path.write_text(f"# who\n\ndeploy,root alice {ALICES}\r\ndeploy bob,\n".replace("bob,", f"bob@x.org {BOBS} his"))
    registry = check_registry(str(path))
    assert registry.accounts == {"deploy", "root"}
    assert registry.holders("deploy", (fingerprint(ED25519),)) == {"alice"}
    assert registry.holders("root", (fingerprint(RSA),)) == frozenset()
    assert registry.secsign_ids("deploy") == {"alice", "bob@x.org"}
    assert registry.secsign_ids("nobody") == frozenset()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (ALICES, "has not the form"),
        (f"deploy alice command {ALICES}", "'command'"),
        (f'deploy alice command="x {ALICES}', "quote that is not closed"),
        (f'deploy alice expiry-time="x" {ALICES}', "expiry-time has a value"),
        ("deploy alice ssh-ed25519", "no key that can be read"),
        (f"deploy alice {ALICES[:-3]}", "no key that can be read"),
        (f"deploy alice ssh-dss {ALICES.split()[1]}", "no key that can be read"),
        (f"deploy alice {words(certificate()).decode()}", "certificate; write"),
        ("deploy alice # later", "holds no key, but a comment"),
        (f"deploy alice {'x' * 40000} {ALICES}", "no key|option|longer"),
        (f'deploy alice command="{"x" * 40000}" {ALICES}', "longer than"),
    ],
)
def test_a_line_that_is_none_is_named_and_so_are_all(path: Path, line: str, says: str) -> None:
    good = f"deploy bob {BOBS}"
    found = problems(path, good, line, "x y z", good.replace("deploy", "root"))
    assert [text.partition(":")[0] for text in found] == ["2", "3"]
    assert any(word in found[0] for word in says.split("|"))


def test_a_key_in_another_spelling_would_not_be_found(path: Path) -> None:
    odd = b64encode(ED25519.replace(b"ssh-ed25519", b"ED25519").replace(b"\0\0\0\x0b", b"\0\0\0\x07", 1)).decode()
    (found,) = problems(path, f"deploy alice ssh-ed25519 {odd}")
    assert "as ssh-keygen writes it" in found


def test_one_key_one_account_one_line(path: Path) -> None:
    twice = [f"deploy,root alice {ALICES}", f"root bob {ALICES} again"]
    (found,) = problems(path, *twice)
    assert found.startswith("2: is a second line for root and the key of line 1")
    until = 'expiry-time="20300101"'
    assert problems(path, f"root alice {until} {ALICES}", f"root bob {ALICES}") == []
    assert problems(path, f"root alice {ALICES}", f"root bob {until} {ALICES}") == []
    people = [f'deploy {name} cert-authority,principals="{name}" {AUTHORITYS}' for name in ("alice", "bob")]
    assert problems(path, *people) == []


def test_the_example_is_in_order(path: Path) -> None:
    path.write_bytes(EXAMPLE.read_bytes())
    assert check_registry(str(path)).lines == (), "as it is, it lets nobody in"
    path.write_bytes(EXAMPLE.read_bytes().replace(b"\n#deploy", b"\ndeploy"))
    registry = check_registry(str(path))
    assert registry.accounts == {"deploy", "root"}
    assert registry.secsign_ids("root") == {"bob@example.org"}


def test_the_lines_of_a_login(path: Path) -> None:
    fields = ("deploy alice", "root bob", "deploy x/y", "# deploy bob", "deploy - no-pty")
    path.write_text("".join(f"{before} {ALICES}\n" for before in fields))
    found = held_lines(str(path), "deploy", frozenset((ED25519, RSA)))
    assert [(held.secsign_id, held.found.number) for held in found] == [("alice", 1), (None, 5)]
    assert found[1].found.line == f"no-pty {ALICES}".encode()
    assert held_lines(str(path), "deploy", frozenset()) == ()
    assert [is_registered(str(path), name) for name in ("deploy", "root", "alice", "dep", "x")] == [
        True,
        True,
        False,
        False,
        False,
    ]


def held(secsign_id: str | None, line: str) -> HeldLine:
    name = None if secsign_id is None else parse_secsign_id(secsign_id)
    return HeldLine(name, FoundLine(b"/registry", 1, line.encode()))


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], set()),
        ([held("alice", ALICES)], {"alice"}),
        ([held(None, ALICES)], set()),
        ([held("alice", f"restrict {ALICES}"), held("alice", ALICES)], {"alice"}),
        ([held("alice", ALICES), held("bob", ALICES)], {"alice", "bob"}),
        ([held("alice", f'expiry-time="20200101Z" {ALICES}'), held("bob", ALICES)], {"bob"}),
        ([held("alice", f'from="192.0.2.0/24" {ALICES}'), held("bob", f'from="10.0.0.0/8" {ALICES}')], {"alice"}),
        ([held("alice", f"cert-authority {ALICES}")], set()),
        ([held("alice", f'principals="deploy" {ALICES}')], set()),
        ([held("alice", BOBS)], set()),
        ([held("alice", f"nonsense {ALICES}")], set()),
        ([held("alice", "# comment")], set()),
    ],
)
def test_whose_a_key_is(lines: list[HeldLine], expected: set[str]) -> None:
    assert holders((OtherMethod("password"), ALICE), lines, HERE) == expected


def test_whose_a_certificate_is() -> None:
    signed = PublicKey("ssh-ed25519-cert-v01@openssh.com", certificate(principals=(b"alice", b"ops")))
    assert registered_keys((signed, ALICE)) == {OTHER_ED25519, ED25519}
    lines = [
        held("alice", f'cert-authority,principals="alice" {AUTHORITYS}'),
        held("bob", f'cert-authority,principals="bob" {AUTHORITYS}'),
        held("carol", f"cert-authority {AUTHORITYS}"),
        held("dora", AUTHORITYS),
    ]
    assert holders((signed,), lines, HERE) == {"alice"}
    assert holders((signed,), lines, HERE._replace(account_name="ops")) == {"alice", "carol"}

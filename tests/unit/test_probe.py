"""What probe makes of what it saw: proof by arithmetic, the report, the number of pushes, and the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from secsign_gate.admin import probe as command
from secsign_gate.core.bypass import BYPASSES
from secsign_gate.probe.foreign_text import printable
from secsign_gate.probe.host_keys import HostKeys
from secsign_gate.probe.marker import Marker, new_marker
from secsign_gate.probe.outcome import Outcome, Status, held, through, unknown, worst
from secsign_gate.probe.place import Place
from secsign_gate.probe.registry import ATTEMPTS
from secsign_gate.probe.report import Whole, as_json, lines
from secsign_gate.probe.run import Result, chosen, pushes_to_expect
from secsign_gate.probe.situation import Wishes

if TYPE_CHECKING:
    from pathlib import Path

WISHES = Wishes(Place("alice", "web1"), [], HostKeys())


def test_every_bypass_has_its_attempt() -> None:
    assert {bypass.name for bypass in BYPASSES} <= set(ATTEMPTS)
    for bypass in BYPASSES:
        assert ATTEMPTS[bypass.name].bypass is bypass


def test_an_echo_of_our_words_is_no_proof() -> None:
    for _ in range(100):
        marker = new_marker()
        assert not marker.is_in(marker.command.encode() + marker.arithmetic.encode())
        assert marker.is_in(b"Welcome!\r\n" + marker.product.encode() + b"\r\n")


@given(st.integers(100_000, 999_999), st.integers(100_000, 999_999), st.text("0123456789", min_size=1, max_size=5))
def test_part_of_another_number_is_no_proof(first: int, second: int, digits: str) -> None:
    marker = Marker(first, second)
    assert not marker.is_in(f"{digits}{marker.product}".encode())
    assert not marker.is_in(f"{marker.product}{digits}".encode())


@given(st.one_of(st.text(), st.binary()))
def test_foreign_words_are_fit_to_be_shown(words: str | bytes) -> None:
    shown = printable(words, 50)
    assert shown.isascii()
    assert shown == "" or shown.isprintable()
    assert len(shown) <= 50


def test_the_worst_counts() -> None:
    assert worst([held("a"), through("b"), unknown("c")], held("")) == through("b")
    assert worst([held("a"), unknown("c")], through("")) == held("a")
    assert worst([], unknown("nothing")) == unknown("nothing")


def whole(**outcomes: Outcome) -> Whole:
    results = [Result(ATTEMPTS[name.replace("_", "-")], outcome) for name, outcome in outcomes.items()]
    return Whole("alice@web1", "SHA256:x", "OpenSSH_9.2p1", "id_ed25519", results)


def test_the_report_says_what_got_through_first_and_how_to_close_it() -> None:
    report = whole(tunnel=held("refused"), subsystem=unknown("why"), x11_forwarding=through("it came"))
    text = [line.text for line in lines(report)]
    assert text[0] == "GOT THROUGH"
    assert text[1].strip().startswith("x11-forwarding: ")
    assert "      closed by: X11Forwarding no; DisableForwarding yes" in text
    assert text.index("held") < text.index("unknown")
    assert text[-1] == "1 got through, 0 agreed to, 1 held, 1 unknown"
    assert not report.is_tight


def test_a_line_that_is_there_in_a_comment_is_told_without_the_mark_of_one() -> None:
    text = [line.text for line in lines(whole(other_authentication_method=through("a password was enough")))]
    assert "      closed by: AuthenticationMethods publickey (in the drop-in in a comment: yours to decide)" in text


def test_what_is_agreed_to_is_not_tight() -> None:
    assert not whole(tunnel=Outcome(Status.AGREED, "it said yes")).is_tight
    assert whole(tunnel=held("refused"), subsystem=unknown("why")).is_tight


def test_scripts_get_names() -> None:
    report = json.loads(json.dumps(as_json(whole(tunnel=held("refused")))))
    assert report["tight"] is True
    assert report["counts"] == {"got_through": 0, "agreed": 0, "held": 1, "unknown": 0}
    assert report["attempts"][0]["name"] == "tunnel"
    assert report["attempts"][0]["status"] == "held"
    assert report["attempts"][0]["closed_by"] == ["PermitTunnel no"]


@pytest.mark.parametrize(
    ("names", "wishes", "pushes"),
    [
        (["tunnel", "local-forwarding"], WISHES, 0),
        (["shadowed-match", "shell", "subsystem"], WISHES, 3),
        (["shadowed-match", "shell", "subsystem"], WISHES._replace(at_once=True), 1),
        (["shadowed-match", "shell", "subsystem"], WISHES._replace(sessions=False), 0),
        (["several-channels"], WISHES, 0),
        (["user-rc", "pam-environment"], WISHES, 0),
        (["user-rc", "pam-environment"], WISHES._replace(plant=True), 2),
        (["ungated-account"], WISHES._replace(also_users=("bob", "carol")), 2),
    ],
)
def test_how_often_the_phone_is_asked(names: list[str], wishes: Wishes, pushes: int) -> None:
    assert pushes_to_expect(chosen(names), wishes) == pushes


def test_what_asks_the_phone_comes_after_what_does_not() -> None:
    asking = [attempt.pushes for attempt in chosen() if attempt.bypass.name != "idle-connection"]
    first = next(at for at, pushes in enumerate(asking) if pushes is not None)
    assert None not in asking[first:]
    assert chosen()[-1].bypass.name == "idle-connection"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Missing argument"),
        (["web1:x"], "names no port"),
        (["web1:22", "--port", "23"], "names port 22"),
        (["alice@web1", "--user", "bob"], "HOST says alice, and --user bob"),
        (["web1", "--only", "nonsense"], "is no attempt; --list shows their names"),
        (["web1", "--target", "db"], "names no port; write --target HOST:PORT"),
        (["web1", "--identity", "/nonexistent/key"], "cannot be read"),
        (["web1", "--host-key", "md5:x"], "is no fingerprint"),
        (["web1", "--certificate", "x"], "belongs to one --identity"),
        (["web1", "--also-user", "a b"], "is no account"),
        (["web1", "--known-hosts", "/nonexistent"], "cannot be read"),
    ],
)
def test_a_wrong_command_line(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    environment = {"HOME": str(tmp_path), "SSH_AUTH_SOCK": None}
    run = CliRunner(env=environment).invoke(command.probe, arguments)
    assert run.exit_code == 2
    assert sentence in run.output


def test_a_file_that_is_no_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    for content in (
        b"",
        b"nonsense",
        b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
    ):
        path.write_bytes(content)
        run = CliRunner().invoke(command.probe, ["web1", "--identity", str(path)])
        assert run.exit_code == 2
        assert "is no private key that can be used" in run.output


def test_the_attempts_are_listed() -> None:
    run = CliRunner().invoke(command.probe, ["--list"])
    assert run.exit_code == 0
    assert [line.partition(":")[0] for line in run.output.splitlines()] == list(ATTEMPTS)

"""What is read from shadow(5), whatever stands there."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secsign_gate.doctor import shadow
from secsign_gate.doctor.shadow import ShadowEntry, parse_shadow, with_password

DAY = 86400


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        ("alice:$6$salt$hash:19000:0:99999:7:::", ShadowEntry("$6$salt$hash", None)),
        ("alice:!$6$salt$hash:19000:0:99999:7:::", ShadowEntry("!$6$salt$hash", None)),
        ("alice:*:19000:0:99999:7::19500:", ShadowEntry("*", 19500 * DAY)),
        ("alice::19000:0:99999:7::0:", ShadowEntry("", 0)),
        ("alice:x:19000:0:99999:7::-1:", ShadowEntry("x", None)),
        ("alice:x:19000:0:99999:7::99999999999999999:", ShadowEntry("x", None)),
    ],
)
def test_a_line(line: str, entry: ShadowEntry) -> None:
    assert parse_shadow(f"{line}\n") == {"alice": entry}


@pytest.mark.parametrize(
    ("text", "takes", "locked"),
    [
        ("$6$x", True, False),
        ("xA9fKq2lYdYxo", True, False),  # crypt(5), DES: it begins with its salt
        ("!$6$x", False, True),
        ("*", False, False),
        ("x", False, False),
        ("", True, False),
    ],
)
def test_what_a_hash_means(text: str, takes: bool, locked: bool) -> None:
    entry = ShadowEntry(text, None)
    assert (entry.takes_a_password, entry.is_locked) == (takes, locked)


def test_the_first_line_of_an_account_counts() -> None:
    assert parse_shadow("a:1:::::::\na:2:::::::\n") == {"a": ShadowEntry("1", None)}


def test_who_takes_a_password_is_told_by_any_line_that_has_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "shadow"
    monkeypatch.setattr(shadow, "_FILE", file)
    assert with_password() == frozenset()
    file.write_text("games:xA9fKq2lYdYxo:19000:0:99999:7:::\nbin:*:19000::::::\nold:$6$x:19000:0:99999\nsys:!\n")
    assert with_password() == {"games", "old"}


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    parse_shadow(text)

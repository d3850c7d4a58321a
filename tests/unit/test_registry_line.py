import pytest
from ssh_samples import ED25519, words

from secsign_gate.core.registry_line import lines_that_hold, parse_registry_line
from secsign_gate.core.scanned_line import UnusableLineError

KEY = words(ED25519)


@pytest.mark.parametrize("line", [b"", b"  \t", b"#", b"# deploy alice " + KEY, b"  #x", b"\r"])
def test_blank_lines_and_comments_say_nothing(line: bytes) -> None:
    assert parse_registry_line(line) is None


@pytest.mark.parametrize(
    ("line", "accounts", "secsign_id", "key_line"),
    [
        (b"deploy alice " + KEY, ("deploy",), "alice", KEY),
        (b"deploy,root\t \tAlice@Example.org\t" + KEY + b" her laptop", ("deploy", "root"), "alice@example.org", KEY),
        (b"  deploy - restrict,pty " + KEY, ("deploy",), None, b"restrict,pty " + KEY),
        (b"DOM\\b\xc3\xb6b bob " + KEY + b"\r", ("DOM\\b\u00f6b",), "bob", KEY),
    ],
)
def test_a_line_says_who_whose_and_how(
    line: bytes, accounts: tuple[str, ...], secsign_id: str | None, key_line: bytes
) -> None:
    parsed = parse_registry_line(line)
    assert parsed is not None
    assert (parsed.accounts, parsed.secsign_id) == (accounts, secsign_id)
    assert parsed.key_line.startswith(key_line)
    assert not parsed.key_line.endswith(b"\r")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (KEY, "no blank|SecSign ID consists|has not the form"),
        (b"deploy", "has not the form"),
        (b"deploy alice", "has not the form"),
        (b"deploy alice  ", "has not the form"),
        (b"deploy,,root alice " + KEY, "1 to 256 characters"),
        (b"deploy, alice " + KEY, "1 to 256 characters"),
        (b"-deploy alice " + KEY, "begins with neither"),
        (b"../deploy alice " + KEY, "no slash"),
        (b"dep\x00loy alice " + KEY, "no control character"),
        (b"dep\xffloy alice " + KEY, "no control character"),
        (b"a" * 257 + b" alice " + KEY, "1 to 256 characters"),
        (b"deploy al/ice " + KEY, "a SecSign ID consists"),
        (b"deploy b\xc3\xb6b " + KEY, "a SecSign ID consists"),
        (b"deploy restrict,pty " + KEY, "a SecSign ID consists"),
        (b'deploy command="x" ' + KEY, "a SecSign ID consists"),
    ],
)
def test_anything_else_is_no_line(line: bytes, says: str) -> None:
    with pytest.raises(UnusableLineError, match=says) as caught:
        parse_registry_line(line)
    assert str(caught.value).isprintable()


def test_lines_are_found_once_with_their_numbers() -> None:
    content = b"one KEY KEY\n\ntwo\nthree KEY\nlast KEY"
    assert list(lines_that_hold(b"KEY", content)) == [(1, b"one KEY KEY"), (4, b"three KEY"), (5, b"last KEY")]
    assert list(lines_that_hold(b"key", content)) == []

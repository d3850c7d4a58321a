"""The vendor's secsignid.config becomes our users file, or is refused with the lines that nobody can be sure of."""

import pytest

from secsign_gate.directory.users_file import parse_users
from secsign_gate.directory.vendor_import import import_mapping
from secsign_gate.errors import ConfigError


def problems(content: bytes) -> list[tuple[int, str]]:
    with pytest.raises(ConfigError) as caught:
        import_mapping("secsignid.config", content)
    assert {found.path for found in caught.value.problems} == {"secsignid.config"}
    return [(found.line, f"{found.what}; {found.remedy}") for found in caught.value.problems]


def test_each_plausible_form_is_taken() -> None:
    content = b"# the mapping\nalice:Alice\nbob=bob@example.org\n\nops ops\n  web :\tweb-1\r\nEXAMPLE\\build = build_2"
    text = import_mapping("secsignid.config", content)
    assert text == "alice alice\nbob bob@example.org\nops ops\nweb web-1\nEXAMPLE\\build build_2\n"
    assert dict(parse_users("users", text).rules) == {
        ("alice", None): "alice",
        ("bob", None): "bob@example.org",
        ("ops", None): "ops",
        ("web", None): "web-1",
        ("EXAMPLE\\build", None): "build_2",
    }


def test_a_byte_order_mark_is_no_part_of_the_first_name() -> None:
    assert import_mapping("secsignid.config", b"\xef\xbb\xbfalice:alice\n") == "alice alice\n"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"alice", "is none of `user:id`, `user=id` and `user id`; correct the line or remove it"),
        (b"alice:", "is none of"),
        (b":alice", "is none of"),
        (b"alice:bob:ops", "is none of"),
        (b"alice==bob", "is none of"),
        (b"alice bob ops", "is none of"),
        (b"alice bob # comment", "is none of"),
        (b"alice, bob", "is none of"),
        (b"'alice' bob", "is none of"),
        (b"<alice> bob", "is none of"),
        (b"[users]", "is none of"),
        (b'alice = "alice"', "a SecSign ID consists of"),
        (b"alice:\xff", "is not UTF-8"),
        (b"alice:al/ice", "a SecSign ID consists of"),
        (b"-alice:alice", "begins with neither - nor #"),
        (b"al\0ice:alice", "no control character"),
        (b"alice:alice\0", "a SecSign ID consists of"),
    ],
)
def test_a_line_not_understood_is_refused_with_its_number(line: bytes, says: str) -> None:
    [(number, said)] = problems(b"bob:bob\n" + line + b"\n")
    assert number == 2
    assert says in said


def test_a_user_named_twice_is_refused_even_with_the_same_id() -> None:
    assert problems(b"alice:alice\nbob:bob\nalice=alice\n") == [
        (3, "names alice again, as line 1 does; keep one of the two")
    ]


def test_all_problems_are_told_at_once() -> None:
    assert [number for number, _ in problems(b"alice\nbob:bob\nbob:bob\n[x]\n")] == [1, 3, 4]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"# nobody\n"])
def test_a_file_that_maps_nobody_is_the_wrong_file(content: bytes) -> None:
    assert problems(content) == [(0, "names no user; check that it is the right file")]

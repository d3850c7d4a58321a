"""Lines of sshd_config, as sshd reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from secsign_gate.sshd.config_files import Configuration, read_config
from secsign_gate.sshd.config_lines import Criterion, parse_criteria, parse_line, split_arguments
from secsign_gate.sshd.program import SshdError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "keyword", "arguments"),
    [
        ("PermitTunnel no", "permittunnel", ("no",)),
        ("  PermitTunnel   no  ", "permittunnel", ("no",)),
        ("\tPermitTunnel\tno\r", "permittunnel", ("no",)),
        ("PermitTunnel=no", "permittunnel", ("no",)),
        ("PermitTunnel = no", "permittunnel", ("no",)),
        ('"PermitTunnel" no', "permittunnel", ("no",)),
        ("PERMITTUNNEL no # why", "permittunnel", ("no",)),
        ("AcceptEnv LANG LC_*", "acceptenv", ("LANG", "LC_*")),
        ("Match", "match", ()),
    ],
)
def test_a_directive_is_read(text: str, keyword: str, arguments: tuple[str, ...]) -> None:
    line = parse_line("/f", 3, (), text)
    assert line is not None
    assert (line.path, line.number, line.match) == ("/f", 3, ())
    assert (line.keyword, line.arguments) == (keyword, arguments)
    assert line.place == "/f line 3"


@pytest.mark.parametrize("text", ["", "   ", "\r", "\f", "# a comment", "   # a comment"])
def test_where_there_is_no_directive_there_is_none(text: str) -> None:
    assert parse_line("/f", 1, (), text) is None


def test_a_forced_command_is_taken_as_it_stands() -> None:
    line = parse_line("/f", 1, (), '  ForceCommand exec "/a b" # this, too ')
    assert line is not None
    assert line.text == 'exec "/a b" # this, too'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('"a b" c', ("a b", "c")),
        ("'a b' c", ("a b", "c")),
        (r"a\ b c", ("a b", "c")),
        (r'"a\ b"', (r"a\ b",)),
        (r"\"a\" \\", ('"a"', "\\")),
        ('a"b c"d', ("ab cd",)),
        ("a #b", ("a",)),
        ("a#b", ("a#b",)),
        ('""', ("",)),
        ('"open to the end', ("open to the end",)),
        ("a\\", ("a\\",)),
        ("a\\n", ("a\\n",)),
    ],
)
def test_arguments_are_split_as_sshd_splits_them(text: str, words: tuple[str, ...]) -> None:
    assert split_arguments(text) == words


@pytest.mark.parametrize(
    ("text", "criteria"),
    [
        ("all", [("all", "")]),
        ("User alice", [("user", "alice")]),
        ("USER=alice,bob Address 192.0.2.0/24", [("user", "alice,bob"), ("address", "192.0.2.0/24")]),
        ('User "alice" Group = wheel', [("user", "alice"), ("group", "wheel")]),
        ("User *,!rescue # a comment", [("user", "*,!rescue")]),
        ("User", [("user", "")]),
        ("invalid-user", [("invalid-user", "")]),
        ('User "alice', [("user", "alice")]),
    ],
)
def test_criteria_are_read(text: str, criteria: list[tuple[str, str]]) -> None:
    assert [tuple(one) for one in parse_criteria(text)] == criteria


def found(configuration: Configuration) -> list[tuple[str, tuple[str, ...], list[str]]]:
    return [
        (line.keyword, line.arguments, [criterion.name for criterion in line.match]) for line in configuration.lines
    ]


def test_includes_stand_where_they_are_included_and_their_match_ends_with_them(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/20-b.conf").write_text("Banner b\n")
    (tmp_path / "d/10-a.conf").write_text("Match User alice\nBanner a\n")
    (tmp_path / "d/.hidden.conf").write_text("Banner hidden\n")
    (tmp_path / "config").write_text(
        f"Port 22\r\nInclude {tmp_path}/d/*.conf {tmp_path}/none*\r\nUsePAM yes\r\nMatch Group g\r\n"
        f'Include "{tmp_path}/d/10-a.conf"\r\nBanner g\r\n'
    )
    configuration = read_config(str(tmp_path / "config"))
    assert configuration.files == tuple(
        str(tmp_path / name) for name in ("config", "d/10-a.conf", "d/20-b.conf", "d/10-a.conf")
    )
    assert [one for one in found(configuration) if one[0] != "include"] == [
        ("port", ("22",), []),
        ("match", ("User", "alice"), ["user"]),
        ("banner", ("a",), ["user"]),
        ("banner", ("b",), []),
        ("usepam", ("yes",), []),
        ("match", ("Group", "g"), ["group"]),
        ("match", ("User", "alice"), ["group", "user"]),
        ("banner", ("a",), ["group", "user"]),
        ("banner", ("g",), ["group"]),
    ]


def test_a_match_ends_at_the_next(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("Match User a\nBanner a\nMatch User b Address 10.0.0.0/8\nBanner b\n")
    assert read_config(str(tmp_path / "config")).lines[-1].match == (
        Criterion("user", "b"),
        Criterion("address", "10.0.0.0/8"),
    )


def test_circles_of_includes_are_told(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(f"Include {path}\n")
    with pytest.raises(SshdError, match="includes itself"):
        read_config(str(path))


def test_a_circle_that_grows_is_told_before_it_has_grown(tmp_path: Path) -> None:
    for name in "abcd":
        (tmp_path / name).write_text(f"Include {tmp_path}/*\n")
    with pytest.raises(SshdError, match=r"includes itself|more than"):
        read_config(str(tmp_path / "a"))


@pytest.mark.parametrize(
    ("content", "words"), [(b"Port 22\0\n", "NUL"), (b"#" * (1 << 20) + b"\n", "larger")], ids=["nul", "large"]
)
def test_what_is_no_configuration_is_told(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "config").write_bytes(content)
    with pytest.raises(SshdError, match=words):
        read_config(str(tmp_path / "config"))


def test_a_file_that_is_not_there_or_a_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(SshdError, match=r"cannot be read \(No such .*; correct the name"):
        read_config(str(tmp_path / "nothing"))
    with pytest.raises(SshdError, match=r"cannot be read \(Is a .*; correct the name"):
        read_config(str(tmp_path))


def test_bytes_that_are_no_utf_8_are_kept(tmp_path: Path) -> None:
    (tmp_path / "config").write_bytes(b"Banner /\xff\n")
    assert read_config(str(tmp_path / "config")).lines[0].arguments == ("/\udcff",)

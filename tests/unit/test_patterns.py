import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secsign_gate.core.patterns import PatternList, matches_pattern


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        ("alice", ["alice"], ["alicE", "alic", "alicee", ""]),
        ("a*", ["a", "alice"], ["", "ba"]),
        ("*", ["", "anybody"], []),
        ("?", ["a", "é"], ["", "ab"]),
        ("svc-*-?", ["svc--1", "svc-a-b-c"], ["svc-1", "svc-a-"]),
        ("**a**", ["a", "bab"], ["b"]),
        ("alice,bob", ["alice", "bob"], ["carol", "alice,bob"]),
        ("*,!root", ["alice", "rooty"], ["root"]),
        ("!svc-deploy,svc-*", ["svc-backup"], ["svc-deploy", "alice"]),
        ("svc-*,!svc-deploy,svc-deploy", [], ["svc-deploy"]),
        ("!*,alice", [], ["alice"]),
        ("[a-z]", ["[a-z]"], ["a"]),
        ("", [], ["", "alice"]),
    ],
)
def test_who_is_meant(text: str, yes: list[str], no: list[str]) -> None:
    patterns = PatternList.parse(text)
    assert [name for name in yes if not patterns.matches(name)] == []
    assert [name for name in no if patterns.matches(name)] == []
    assert patterns.text == text


def test_the_list_of_a_setting_that_is_not_there_matches_nobody() -> None:
    assert not PatternList().matches("alice")
    assert PatternList() == PatternList.parse("")


def test_one_group_that_is_ruled_out_rules_the_account_out() -> None:
    patterns = PatternList.parse("ops,admin-*,!contractors")
    assert patterns.matches_any(("users", "ops"))
    assert not patterns.matches_any(("ops", "contractors"))
    assert not patterns.matches_any(("users",))
    assert not patterns.matches_any(())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("!root", "matches nobody"),
        ("!root,!alice*", "matches nobody"),
        ("alice,,bob", "empty"),
        ("alice,", "empty"),
        ("!", "empty"),
        ("alice,!", "empty"),
        ("alice, bob", "white space"),
        ("alice bob", "white space"),
        ("al\tice", "white space"),
        ("a" * 1023, "1022"),
    ],
)
def test_what_nobody_can_have_meant_is_a_mistake(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        PatternList.parse(text)


def test_a_hostile_pattern_ends() -> None:
    # A matcher that tries every star anew would need more than 10**40 steps here; this one needs some 50,000.
    assert not matches_pattern("a" * 500, "a*" * 100 + "b")


@given(text=st.text("ab\n*?é", max_size=12), pattern=st.text("ab*?é\n", max_size=10))
def test_it_means_what_a_regular_expression_would(text: str, pattern: str) -> None:
    wildcards = {"*": ".*", "?": "."}
    expression = "".join(wildcards.get(char) or re.escape(char) for char in pattern)
    assert matches_pattern(text, pattern) is (re.fullmatch(expression, text, re.DOTALL) is not None)


class Watched(str):
    """A text that counts how often a piece of it is taken or looked at."""

    __slots__ = ("looks",)
    looks: int

    def __getitem__(self, key: object) -> str:
        self.looks += 1
        return super().__getitem__(key)  # type: ignore[index] # whatever it is

    def startswith(self, *arguments: object) -> bool:
        self.looks += 1
        return super().startswith(*arguments)  # type: ignore[arg-type] # the same

    def find(self, *arguments: object) -> int:
        self.looks += 1
        return super().find(*arguments)  # type: ignore[arg-type] # the same


@pytest.mark.parametrize("pattern", ["*rsync*", "rsyn?*X", "*synrsynrsynX*", "*s?nrsX*", "r*y*n*rsynX*"])
def test_a_long_command_is_not_gone_through_by_single_characters(pattern: str) -> None:
    command = Watched("rsyn" * 32_000)
    command.looks = 0
    assert not matches_pattern(command, pattern)
    assert command.looks < 20

import pytest

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

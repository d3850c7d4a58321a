"""A user with 65,536 subordinate uids is one account where doors are counted."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from secsign_gate.broker.subordinate_uids import SubordinateUids

TEXT = "alice:100000:65536\nbob:165536:65536\n\n# a comment\nnot:a:range\n1003:300000:10\n"


def test_subordinate_uids_count_for_their_owner() -> None:
    uids = SubordinateUids(TEXT)
    assert [uids.owner(uid) for uid in (100000, 165535, 165536, 231071, 300009)] == [
        "alice",
        "alice",
        "bob",
        "bob",
        "1003",
    ]


def test_everybody_else_counts_for_himself() -> None:
    uids = SubordinateUids(TEXT)
    assert [uids.owner(uid) for uid in (0, 1000, 99999, 231072, 300010)] == [0, 1000, 99999, 231072, 300010]


def test_where_there_is_no_such_file_nobody_has_any(tmp_path: Path) -> None:
    assert SubordinateUids.of_this_host(tmp_path / "subuid").owner(100000) == 100000


@given(st.text(), st.integers(0, 2**32))
def test_whatever_the_file_says_there_is_an_owner(text: str, uid: int) -> None:
    assert SubordinateUids(text).owner(uid) is not None

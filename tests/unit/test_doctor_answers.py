"""What each answer to a question about nobody's auth session says about the server that gave it."""

import pytest
from blocking_id_server import settings_for
from hypothesis import given
from hypothesis import strategies as st

from secsign_gate.doctor.answers import judged
from secsign_gate.doctor.finding import Status
from secsign_gate.errors import IdServerNonsense, IdServerRefused

REST = settings_for("rest", "https://id.example.org", None)
FORM = settings_for("form", "https://id.example.org", None)


def refused(status: int, error: str = "") -> IdServerRefused:
    return IdServerRefused("no; ask somebody", http_status=status, error=error)


@pytest.mark.parametrize(
    ("status", "error", "rest", "form"),
    [
        (400, "400", Status.CLOSED, Status.CLOSED),
        (404, "404", Status.CLOSED, Status.CLOSED),
        (200, "400", Status.CLOSED, Status.CLOSED),
        (200, "500", Status.CLOSED, Status.CLOSED),
        (500, "500", Status.CLOSED, Status.CLOSED),
        (400, "", Status.NOTE, Status.NOTE),
        (404, "", Status.BROKEN, Status.BROKEN),
        (405, "", Status.BROKEN, Status.BROKEN),
        (401, "", Status.BROKEN, Status.BROKEN),
        (401, "401", Status.BROKEN, Status.CLOSED),
        (403, "403", Status.BROKEN, Status.CLOSED),
        (302, "", Status.BROKEN, Status.BROKEN),
        (308, "400", Status.BROKEN, Status.BROKEN),
        (429, "", Status.UNKNOWN, Status.UNKNOWN),
        (500, "", Status.BROKEN, Status.BROKEN),
        (503, "503", Status.BROKEN, Status.BROKEN),
    ],
)
def test_what_a_refusal_means(status: int, error: str, rest: Status, form: Status) -> None:
    assert judged(refused(status, error), REST, 0.01).status is rest
    assert judged(refused(status, error), FORM, 0.01).status is form


def test_a_state_is_an_answer_as_well() -> None:
    """Some server may say NOSTATE or INVALID of what it does not know."""
    found = judged(None, REST, 0.0123)
    assert found.status is Status.CLOSED
    assert "speaks rest and knows the PIN account gate; a question takes 12 ms" in found.what


def test_nonsense_says_what_to_do() -> None:
    found = judged(IdServerNonsense("it answered what makes no sense (not JSON); check url"), FORM, 0.01)
    assert (found.status, found.mend) == (Status.BROKEN, "check url")


@given(st.integers(100, 599), st.sampled_from(["", "0", "400", "-1"]))
def test_every_status_means_something_and_nothing_is_good_without_a_word_of_the_protocol(
    status: int, error: str
) -> None:
    for settings in (REST, FORM):
        found = judged(refused(status, error), settings, 0.01)
        assert found.what
        assert found.status is not Status.CLOSED or error


def test_nonsense_that_nobody_knows_a_mend_for_is_said_all_the_same() -> None:
    found = judged(IdServerNonsense("it answered what makes no sense"), FORM, 0.01)
    assert (found.what, found.mend) == ("it answered what makes no sense", "")

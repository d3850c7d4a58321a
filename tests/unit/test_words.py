import pytest
from progress_sample import progress

from secsign_gate.core.verdict import Ground, Reason
from secsign_gate.terminal import words

NASTY = "\x1b[2J\r\n\x9bK\u202eabc\x00\x7fé\ud800" + "x" * 5000


def is_one_short_line(text: str) -> bool:
    return all(" " <= char <= "~" for char in text) and 0 < len(text) < 700


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_sentence_that_says_what_to_do_next(reason: Reason) -> None:
    sentence = words.refused(reason, "", "")
    assert is_one_short_line(sentence)
    assert sentence.startswith("secsign-gate: ")
    assert "; " in sentence
    assert "unknown here" not in sentence


def test_no_two_reasons_sound_alike() -> None:
    assert len({words.refused(reason, "", "") for reason in Reason}) == len(Reason)
    # and none has a sentence left that has gone
    assert set(words._REFUSED) == {reason.value for reason in Reason}
    assert set(words._ALLOWED) == {ground.value for ground in Ground}


@pytest.mark.parametrize("reason", [Reason.SUSPENDED, Reason.FROZEN])
def test_a_user_is_warned_if_somebody_else_may_be_logging_in(reason: Reason) -> None:
    assert "somebody else may be trying to log in with this SecSign ID" in words.refused(reason, "", "")


def test_a_reason_of_a_newer_version_is_still_a_refusal_in_one_sentence() -> None:
    sentence = words.refused("eaten\x1bby_dog", "", "")
    assert is_one_short_line(sentence)
    assert "refused" in sentence
    assert r"eaten\x1bby_dog" in sentence


def test_detail_and_reference_are_told() -> None:
    sentence = words.refused("no_answer", "60 s", "7F3K")
    assert "no answer from your phone in time (60 s); " in sentence
    assert sentence.endswith(" (ref 7F3K)")


def test_nothing_foreign_reaches_the_terminal_raw() -> None:
    assert is_one_short_line(words.refused(NASTY, NASTY, NASTY))
    assert is_one_short_line(words.allowed(NASTY, 1))
    line = words.asking(progress(account=NASTY, host=NASTY, secsign_id=NASTY, access_pass=b"x"))
    assert is_one_short_line(line)
    for _, text in words.facts(progress(account=NASTY, host=NASTY, secsign_id=NASTY, wants=NASTY, phone_text=NASTY)):
        assert is_one_short_line(text)


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("ls -l", 10, "ls -l"),
        ("naïve", 20, r"na\xc3\xafve"),
        ("a\tb\n", 20, r"a\x09b\x0a"),
        ("0123456789", 10, "0123456789"),
        ("0123456789A", 10, "0123456..."),
        ("abcdef", 3, "abc"),
        ("abcdef", 0, ""),
        ("", 5, ""),
    ],
)
def test_what_is_not_printable_ascii_is_shown_as_an_escape_and_what_is_long_is_cut(
    text: str, limit: int, shown: str
) -> None:
    assert words.printable(text, limit) == shown


@pytest.mark.parametrize("ground", Ground)
def test_every_ground_has_its_sentence(ground: Ground) -> None:
    assert is_one_short_line(words.allowed(ground, 3.2))
    assert words.allowed(ground, 3.2) != words.allowed("something new", 3.2)


def test_an_approval_tells_how_long_it_took() -> None:
    assert words.allowed("approved", 11.6) == "secsign-gate: accepted on your phone after 12 s"


def test_without_a_screen_one_line_names_the_login_the_phone_and_the_time() -> None:
    line = words.asking(progress(secsign_id="alice.doe"))
    assert line == "secsign-gate: accept alice@web1 on the phone of SecSign ID alice.doe within 60 s"


def test_without_a_screen_a_picture_is_admitted_to_be_missing() -> None:
    assert "picture to pick cannot be shown" in words.asking(progress(access_pass=b"png"))


@pytest.mark.parametrize("stage", ["queued", "asking", "pushed", "fetched", "of a newer version"])
@pytest.mark.parametrize("picture", range(5))
def test_every_stage_has_wordings_that_get_shorter(stage: str, picture: int) -> None:
    wordings = words.instruction(stage, 3, picture)
    assert wordings
    assert [len(wording) for wording in wordings] == sorted((len(wording) for wording in wordings), reverse=True)
    assert len(wordings[-1]) <= 17  # what a window of 20 columns has room for
    hints = words.picture_hint(picture)
    assert not hints or len(hints[-1]) <= 17

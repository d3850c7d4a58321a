import pytest

from secsign_gate.terminal.countdown import Countdown


def test_it_counts_whole_seconds_down_to_zero_and_never_up() -> None:
    countdown = Countdown()
    countdown.announce(60, 1000.0)
    assert [countdown.seconds_left(1000.0 + passed) for passed in (0, 0.001, 1, 1.5, 59.9, 60, 61, 9999)] == [
        *(60, 60, 59, 59, 1, 0, 0, 0)
    ]
    assert countdown.seconds_left(500.0) == 60, "a clock that goes back gives no more time than announced"


def test_a_later_announcement_corrects_it() -> None:
    countdown = Countdown()
    countdown.announce(60, 0.0)
    countdown.announce(30, 1.0)
    assert countdown.seconds_left(1.0) == 30
    left, gone, _ = countdown.bar(1.0, 46, utf8=False)
    assert (left, gone) == ("#" * 20, "-" * 20), "the whole bar still stands for 60 s"


@pytest.mark.parametrize("columns", range(100))
@pytest.mark.parametrize("passed", [0, 1, 30, 59, 60])
def test_bar_and_number_fill_the_columns_and_no_more(columns: int, passed: int) -> None:
    countdown = Countdown()
    countdown.announce(60, 0.0)
    left, gone, number = countdown.bar(passed, columns, utf8=True)
    assert number.strip() == f"{60 - passed} s"
    if left or gone:
        assert len(left + gone + number) == columns
        assert (left == "") == (passed == 60)
        assert (gone == "") == (passed == 0 or len(left) == len(left + gone))
    else:
        assert columns < 10


def test_it_is_urgent_in_the_last_ten_seconds() -> None:
    countdown = Countdown()
    countdown.announce(60, 0.0)
    assert [countdown.urgent(now) for now in (0, 49, 50, 60)] == [False, False, True, True]


def test_nothing_was_announced_and_no_time_at_all() -> None:
    countdown = Countdown()
    assert countdown.seconds_left(5.0) == 0
    countdown.announce(0, 5.0)
    assert countdown.bar(5.0, 40, utf8=False)[0] == ""

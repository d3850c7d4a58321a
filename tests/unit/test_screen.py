"""What a person sees, cell by cell, on a real pty with an emulated terminal at its other end."""

import os
import pty
import re
import signal
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import drawn_png
import progress_sample
import pytest
from emulated_terminal import EmulatedTerminal, emulated_terminal

from secsign_gate.terminal.screen import Screen
from secsign_gate.wire import Progress

UTF8 = {b"TERM": b"xterm-256color", b"LANG": b"en_US.UTF-8"}
TRUE_COLOUR = UTF8 | {b"COLORTERM": b"truecolor"}
QUARTERS = drawn_png.quarters()
NOISE = drawn_png.png(
    64, 64, lambda column, row: ((column * row * 7) % 256, (column * 99) % 256, (row * 77) % 256, 255)
)
SENTENCE = "secsign-gate: accepted on your phone after 12 s"
SIZES = [(80, 24), (20, 10), (10, 3), (200, 50), (40, 24), (60, 20), (1, 1), (79, 5)]
FAR_TOO_LONG = 20


def progress(**changes: object) -> Progress:
    """Return what a broker says, with names and an access pass that fill a screen."""
    told = {
        "secsign_id": "alice.doe",
        "wants": "uname -a",
        "phone_text": "alice@web1 at web1",
        "access_pass": QUARTERS,
    }
    return progress_sample.progress(**(told | changes))


def say(terminal: EmulatedTerminal, text: str) -> None:
    os.write(terminal.fd, text.encode())
    terminal.read()


def wrapped(sentence: str, columns: int) -> list[str]:
    return [sentence[start : start + columns].rstrip() for start in range(0, len(sentence), columns)]


def assert_only(terminal: EmulatedTerminal, before: list[str], sentence: str = SENTENCE) -> None:
    """Assert that nothing of the drawing is left, and the cursor stands at the start of the line after `sentence`."""
    expected = before + wrapped(sentence, terminal.screen.columns)
    shown = terminal.screen.above + terminal.lines
    while shown and not shown[-1]:
        shown.pop()
    assert shown == expected
    assert terminal.cursor == (len(expected) - len(terminal.screen.above), 0)
    assert not terminal.has_picture()
    attributes = terminal.screen.cursor.attrs
    assert (attributes.fg, attributes.bg, attributes.bold, attributes.reverse) == ("default", "default", False, False)
    assert terminal.screen.margins is None
    assert not terminal.screen.cursor.hidden


@contextmanager
def must_not_wait() -> Iterator[None]:
    """A write that waits for the reader is interrupted and fails the test."""

    def waited(_number: int, _frame: FrameType | None) -> None:
        raise AssertionError("it waited for the terminal")

    before = signal.signal(signal.SIGALRM, waited)
    signal.alarm(FAR_TOO_LONG)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


# --- what is shown ---------------------------------------------------------------------------------------------------


def test_the_person_sees_who_asks_for_what_what_to_do_and_the_time() -> None:
    with emulated_terminal() as terminal:
        screen = Screen(terminal.fd, UTF8)
        screen.show(progress(), 100.0)
        assert re.search(r"login +alice@web1\n", terminal.text)
        assert re.search(r"wants +uname -a\n", terminal.text)
        assert re.search(r"phone +SecSign ID alice\.doe\n", terminal.text)
        assert re.search(r"shows +alice@web1 at web1\n", terminal.text)
        assert "Pick this picture on your phone." in terminal.text
        assert re.search(r"━{20,}  +60 s", terminal.text)
        screen.tick(118.2)
        assert "60 s" not in terminal.text
        assert re.search(r"━{10,}─{5,}  +42 s", terminal.text)
        screen.tick(500.0)
        assert re.search(r" ─{20,}  +0 s", terminal.text)


def test_the_stages_are_told() -> None:
    with emulated_terminal() as terminal:
        screen = Screen(terminal.fd, UTF8)
        screen.show(progress(stage="asking", access_pass=b"", phone_text=""), 0.0)
        assert "Sending a request to your phone" in terminal.text
        assert not terminal.has_picture()
        screen.show(progress(), 1.0)
        assert "Pick this picture on your phone." in terminal.text
        screen.show(progress(stage="fetched", access_pass=b"", seconds_left=50), 2.0)
        assert "The app is open: pick this picture." in terminal.text
        assert "50 s" in terminal.text
        assert terminal.has_picture(), "an access pass stays once it came"
        screen.end(SENTENCE)
        assert_only(terminal, [])


def test_without_an_access_pass_the_person_is_told_to_accept() -> None:
    with emulated_terminal() as terminal:
        screen = Screen(terminal.fd, UTF8)
        screen.show(progress(access_pass=b""), 0.0)
        assert "Open the app on your phone and accept." in terminal.text
        screen.show(progress(access_pass=b"", stage="fetched"), 1.0)
        assert "The app is open: accept or deny there." in terminal.text


def assert_quarters(terminal: EmulatedTerminal, corners: tuple[str, str, str, str], *, halves: bool = True) -> None:
    """Assert that the four quarters of the picture have these colours, from the upper left to the lower right."""
    top, left = terminal.picture_origin()
    side = next(width for width in range(1, 99) if terminal.pixels(top, left + width) == ("default", "default"))
    last = top + side // 2 - 1
    upper_left, upper_right, lower_left, lower_right = corners
    assert terminal.pixels(top, left) == (upper_left, upper_left)
    assert terminal.pixels(top, left + side - 1) == (upper_right, upper_right)
    assert terminal.pixels(last, left) == (lower_left, lower_left)
    assert terminal.pixels(last, left + side - 1) == (lower_right, lower_right)
    assert terminal.pixels(last + 1, left) == ("default", "default")
    border = terminal.pixels(top + side // 4, left) if halves and side % 4 else None
    assert border in (None, (upper_left, lower_left)), "a half block shows two rows of pixels"


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (20, 10), (40, 24), (200, 50), (60, 20), (77, 22)])
def test_the_picture_has_its_colours_at_its_cells(columns: int, lines: int) -> None:
    with emulated_terminal(columns, lines) as terminal:
        Screen(terminal.fd, TRUE_COLOUR).show(progress(), 0.0)
        assert_quarters(terminal, ("ff0000", "00ff00", "ffffff", "0000ff"))


def test_256_colours() -> None:
    with emulated_terminal() as terminal:
        Screen(terminal.fd, UTF8).show(progress(), 0.0)
        assert_quarters(terminal, ("ff0000", "00ff00", "ffffff", "0000ff"))
        assert b"38;2;" not in terminal.raw


def test_8_colours() -> None:
    with emulated_terminal() as terminal:
        Screen(terminal.fd, {b"TERM": b"screen", b"LC_CTYPE": b"C.UTF-8"}).show(progress(), 0.0)
        assert_quarters(terminal, ("red", "green", "white", "blue"))
        assert b";5;" not in terminal.raw


@pytest.mark.parametrize("locale", [{b"LANG": b"C"}, {}, {b"LC_ALL": b"POSIX", b"LANG": b"en_US.UTF-8"}])
def test_where_the_character_set_is_not_utf8_only_ascii_is_sent(locale: dict[bytes, bytes]) -> None:
    with emulated_terminal() as terminal:
        screen = Screen(terminal.fd, {b"TERM": b"xterm-256color", b"COLORTERM": b"24bit"} | locale)
        screen.show(progress(), 0.0)
        assert_quarters(terminal, ("ff0000", "00ff00", "ffffff", "0000ff"), halves=False)
        assert re.search(r"#{20,} +60 s", terminal.text)
        screen.tick(1.0)
        screen.end(SENTENCE)
        assert_only(terminal, [])
        assert terminal.raw.isascii()


@pytest.mark.parametrize("environ", [TRUE_COLOUR | {b"NO_COLOR": b"1"}, {b"TERM": b"vt220", b"LANG": b"C"}])
def test_without_colours_the_shape_is_shown_and_no_colour_is_sent(environ: dict[bytes, bytes]) -> None:
    with emulated_terminal() as terminal:
        screen = Screen(terminal.fd, environ)
        screen.show(progress(access_pass=drawn_png.disc((200, 30, 30))), 0.0)
        assert "@@@@@@@@" in terminal.text
        assert "Its colours cannot be shown here." in terminal.text
        screen.tick(55.0)
        screen.end(SENTENCE)
        assert_only(terminal, [])
        assert terminal.colour_parameters() <= {0, 1, 2}


def test_an_empty_no_color_means_nothing() -> None:
    with emulated_terminal() as terminal:
        Screen(terminal.fd, UTF8 | {b"NO_COLOR": b""}).show(progress(), 0.0)
        assert terminal.has_picture()


@pytest.mark.parametrize("term", [b"dumb", b"", b"unknown", b"never-heard-of"])
def test_a_dumb_terminal_gets_two_lines_and_no_escape(term: bytes) -> None:
    with emulated_terminal() as terminal:
        screen = Screen(terminal.fd, TRUE_COLOUR | {b"TERM": term})
        screen.show(progress(stage="asking", access_pass=b""), 0.0)
        screen.show(progress(), 0.5)
        for second in range(1, 60):
            screen.tick(float(second))
        screen.show(progress(stage="fetched", access_pass=b""), 60.0)
        screen.end(SENTENCE)
        assert b"\x1b" not in terminal.raw
        assert terminal.raw.count(b"\n") == 2
        shown = "".join(terminal.lines)
        assert shown.startswith("secsign-gate: accept alice@web1 on the phone of SecSign ID alice.doe within 60 s; ")
        assert "picture to pick cannot be shown on this terminal" in shown
        assert shown.endswith(SENTENCE)


def test_no_terminal_type_at_all_is_a_dumb_terminal() -> None:
    with emulated_terminal() as terminal:
        screen = Screen(terminal.fd, {})
        screen.show(progress(stage="asking"), 0.0)
        screen.tick(1.0)  # nothing to accept yet: the one line is for when there is
        assert not terminal.raw
        screen.show(progress(stage="pushed"), 1.0)
        screen.tick(2.0)
        screen.end("")
        assert b"\x1b" not in terminal.raw
        assert terminal.raw.count(b"\n") == 1


def test_a_window_without_a_size_gets_plain_lines() -> None:
    with emulated_terminal() as terminal:
        terminal._tell_size(0, 0)
        screen = Screen(terminal.fd, TRUE_COLOUR)
        screen.show(progress(), 0.0)
        screen.tick(1.0)
        screen.end(SENTENCE)
        assert b"\x1b" not in terminal.raw
        assert terminal.raw.count(b"\n") == 2


@pytest.mark.parametrize(("columns", "lines"), [(10, 3), (19, 24), (80, 2), (5, 5)])
def test_a_tiny_window_counts_down_in_one_line(columns: int, lines: int) -> None:
    with emulated_terminal(columns, lines) as terminal:
        screen = Screen(terminal.fd, UTF8)
        screen.show(progress(), 0.0)
        screen.tick(18.0)
        assert terminal.text == ("phone 42s" if columns >= 10 else "42s")


@pytest.mark.parametrize(("columns", "lines"), [(80, 7), (21, 9), (34, 9)])
def test_a_window_too_small_for_the_picture_says_so(columns: int, lines: int) -> None:
    with emulated_terminal(columns, lines) as terminal:
        Screen(terminal.fd, UTF8).show(progress(), 0.0)
        assert not terminal.has_picture()
        assert "Enlarge" in terminal.text
        assert "60 s" in terminal.text


def test_a_picture_that_cannot_be_read_is_no_reason_to_fail() -> None:
    with emulated_terminal() as terminal:
        screen = Screen(terminal.fd, UTF8)
        screen.show(progress(access_pass=QUARTERS[:-9]), 0.0)
        assert "The picture to pick is unreadable: log in again." in terminal.text
        screen.end(SENTENCE)
        assert_only(terminal, [])


def test_no_row_reaches_the_last_column() -> None:
    for columns in [*range(1, 30, 3), *range(30, 100, 7)]:
        with emulated_terminal(columns, 24) as terminal:
            screen = Screen(terminal.fd, TRUE_COLOUR)
            screen.show(progress(wants="x" * 300, phone_text="y" * 300, host="z" * 300), 0.0)
            screen.tick(1.0)
            terminal.read()
            assert all(len(line) < columns for line in terminal.lines)
            assert all(terminal.screen.buffer[row][columns - 1].bg == "default" for row in range(24))
            assert not terminal.screen.above


def test_foreign_text_is_shown_without_its_control_characters() -> None:
    with emulated_terminal(120, 40) as terminal:
        screen = Screen(terminal.fd, UTF8)
        nasty = "\x1b[2J\x07\r\n\x9b1;1H\u202eé"
        screen.show(progress(account=nasty, host=nasty, wants=nasty, phone_text=nasty, secsign_id=nasty), 0.0)
        assert re.search(r"wants +\\x1b\[2J\\x07\\x0d\\x0a\\xc2\\x9b1;1H\\xe2\\x80\\xae\\xc3\\xa9\n", terminal.text)
        screen.end("secsign-gate: " + nasty)
        assert b"\x07" not in terminal.raw
        assert b"[2J" not in terminal.raw.replace(b"\\x1b[2J", b"")


# --- the end ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("environ", [TRUE_COLOUR, UTF8 | {b"NO_COLOR": b"1"}], ids=["colours", "none"])
@pytest.mark.parametrize(("columns", "lines"), SIZES)
def test_after_the_end_the_screen_holds_one_sentence(columns: int, lines: int, environ: dict[bytes, bytes]) -> None:
    with emulated_terminal(columns, lines) as terminal:
        screen = Screen(terminal.fd, environ)
        screen.show(progress(stage="asking", access_pass=b""), 0.0)
        screen.show(progress(), 0.5)
        screen.tick(1.0)
        screen.end(SENTENCE)
        assert_only(terminal, [])


@pytest.mark.parametrize("rows_before", [1, 5, 22, 23, 60])
@pytest.mark.parametrize("png", [QUARTERS, b""], ids=["picture", "text"])
def test_what_stood_above_is_untouched_also_at_the_bottom_of_the_screen(rows_before: int, png: bytes) -> None:
    before = [f"line {number}" for number in range(rows_before)]
    with emulated_terminal() as terminal:
        say(terminal, "".join(f"{line}\r\n" for line in before))
        screen = Screen(terminal.fd, TRUE_COLOUR)
        screen.show(progress(stage="asking", access_pass=b""), 0.0)
        screen.show(progress(access_pass=png), 0.5)
        for second in range(1, 10):
            screen.tick(float(second))
        assert terminal.has_picture() == bool(png)
        screen.end(SENTENCE)
        assert_only(terminal, before)


def test_a_line_that_was_begun_by_somebody_else_is_left_alone() -> None:
    with emulated_terminal() as terminal:
        say(terminal, "no newline at the end")
        screen = Screen(terminal.fd, TRUE_COLOUR)
        screen.show(progress(), 0.0)
        screen.tick(1.0)
        screen.end(SENTENCE)
        assert_only(terminal, ["no newline at the end"])


def test_an_end_without_a_sentence_leaves_nothing() -> None:
    with emulated_terminal() as terminal:
        say(terminal, "before\r\n")
        screen = Screen(terminal.fd, TRUE_COLOUR)
        screen.show(progress(), 0.0)
        screen.end("")
        assert terminal.text == "before"
        assert terminal.cursor == (1, 0)


def test_an_end_before_anything_was_shown_is_just_the_sentence() -> None:
    with emulated_terminal() as terminal:
        Screen(terminal.fd, TRUE_COLOUR).end(SENTENCE)
        assert terminal.raw == SENTENCE.encode() + b"\r\r\n"


def test_after_the_end_nothing_more_is_drawn() -> None:
    with emulated_terminal() as terminal:
        screen = Screen(terminal.fd, TRUE_COLOUR)
        screen.show(progress(), 0.0)
        screen.end(SENTENCE)
        screen.tick(2.0)
        assert_only(terminal, [])


def test_neither_cursor_nor_screen_nor_region_is_ever_switched() -> None:
    # a connection that breaks would leave a hidden cursor or an alternate screen to the person's own shell
    with emulated_terminal() as terminal:
        screen = Screen(terminal.fd, TRUE_COLOUR)
        screen.show(progress(), 0.0)
        screen.tick(1.0)
        screen.end(SENTENCE)
        used = set(re.findall(rb"\x1b(\[[0-9;]*.|.)", terminal.raw))
        # cursor up, right; erase below, right; colours; remember and recall the cursor
        assert {sequence[:1] + sequence[-1:] for sequence in used} == {b"[A", b"[C", b"[J", b"[K", b"[m", b"77", b"88"}


# --- a window that changes its size ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("reflow", "keep_bottom"), [(False, False), (True, True)])
@pytest.mark.parametrize("rows_before", [3, 23])
@pytest.mark.parametrize("size", [(79, 24), (40, 24), (20, 10), (120, 40), (80, 12), (10, 3), (81, 25)])
def test_after_a_resize_it_is_drawn_anew_and_the_end_is_clean(
    size: tuple[int, int], rows_before: int, reflow: bool, keep_bottom: bool
) -> None:
    before = [f"l{number}" for number in range(rows_before)]
    with emulated_terminal() as terminal:
        say(terminal, "".join(f"{line}\r\n" for line in before))
        screen = Screen(terminal.fd, TRUE_COLOUR)
        screen.show(progress(), 0.0)
        terminal.resize(*size, reflow=reflow, keep_bottom=keep_bottom)
        screen.tick(18.0)
        assert terminal.text.count("42") == 1
        assert "60 s" not in terminal.text
        assert terminal.has_picture() == (size[1] >= 10)
        assert not keep_bottom or terminal.lines[terminal.cursor[0]].strip() in ("", "phone 42s", "Pick on phone.")
        terminal.resize(80, 24, reflow=reflow, keep_bottom=keep_bottom)
        screen.tick(19.0)
        screen.tick(20.0)
        assert terminal.text.count("40 s") == 1
        screen.end(SENTENCE)
        assert_only(terminal, before)


@pytest.mark.parametrize("reflow", [False, True])
def test_a_resize_just_before_the_end_leaves_nothing_either(*, reflow: bool) -> None:
    with emulated_terminal() as terminal:
        say(terminal, "before\r\n")
        screen = Screen(terminal.fd, TRUE_COLOUR)
        screen.show(progress(), 0.0)
        terminal.resize(50, 18, reflow=reflow)
        screen.end(SENTENCE)
        assert_only(terminal, ["before"])


def test_colours_that_somebody_else_left_on_are_not_spread_by_erasing() -> None:
    with emulated_terminal() as terminal:
        screen = Screen(terminal.fd, TRUE_COLOUR)
        screen.show(progress(), 0.0)
        terminal.resize(70, 20)
        say(terminal, "\x1b[41m")  # as write(1) or a job in the background may
        screen.end(SENTENCE)
        assert_only(terminal, [])


def test_a_window_that_loses_its_size_is_left_as_it_is() -> None:
    with emulated_terminal() as terminal:
        screen = Screen(terminal.fd, TRUE_COLOUR)
        screen.show(progress(), 0.0)
        shown = terminal.text
        terminal._tell_size(0, 0)
        screen.tick(10.0)
        assert terminal.text == shown
        screen.end(SENTENCE)
        assert_only(terminal, [])


# --- a person who types ahead ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows_before", [0, 23])
@pytest.mark.parametrize("keys", [b"ls -l", b"ls -l\n", b"\n\n\n", b"a\nb\nc\n", b"x" * 200, b"\x1b[A", b"\t\t"])
def test_type_ahead_does_not_disturb_the_screen(keys: bytes, rows_before: int) -> None:
    before = [f"line {number}" for number in range(rows_before)]
    with emulated_terminal() as terminal, emulated_terminal() as undisturbed:
        screens = [Screen(one.fd, TRUE_COLOUR) for one in (terminal, undisturbed)]
        for one in (terminal, undisturbed):
            say(one, "".join(f"{line}\r\n" for line in before))
        for screen in screens:
            screen.show(progress(), 0.0)
        undisturbed.read()
        terminal.type(keys)
        screens[0].tick(1.0)
        screens[1].tick(1.0)
        if len(keys) < 80:
            assert terminal.lines == undisturbed.lines
        assert terminal.cursor == undisturbed.cursor
        terminal.type(keys)
        screens[0].end(SENTENCE)
        assert_only(terminal, before)


def test_an_echo_can_never_come_into_the_middle_of_a_control_sequence(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = []

    def write(fd: int, block: bytes) -> int:
        blocks.append(block)
        return os.write(fd, block)

    monkeypatch.setattr("secsign_gate.terminal.screen.write", write)
    with emulated_terminal() as terminal:
        screen = Screen(terminal.fd, TRUE_COLOUR)
        screen.show(progress(access_pass=NOISE), 0.0)
        screen.tick(1.0)
        screen.end(SENTENCE)
        assert len(blocks) > 20
        assert b"".join(blocks).replace(b"\r\n", b"\r\r\n") == terminal.raw
    for block in blocks:
        assert re.fullmatch(rb"(?:[^\x1b]|\x1b[78]|\x1b\[[0-9;]*[A-Za-z])*", block)


def test_type_ahead_is_not_read_and_the_terminal_stays_as_it_was() -> None:
    with emulated_terminal() as terminal:
        settings, blocking = termios.tcgetattr(terminal.fd), os.get_blocking(terminal.fd)
        terminal.type(b"echo one\necho two\n")
        screen = Screen(terminal.fd, TRUE_COLOUR)
        screen.show(progress(), 0.0)
        screen.tick(1.0)
        screen.end(SENTENCE)
        assert termios.tcgetattr(terminal.fd) == settings
        assert os.get_blocking(terminal.fd) == blocking
        assert os.read(terminal.fd, 100) + os.read(terminal.fd, 100) == b"echo one\necho two\n"


# --- a terminal that takes no more -----------------------------------------------------------------------------------


def test_a_terminal_stopped_by_ctrl_s_is_not_waited_for() -> None:
    with emulated_terminal() as terminal, must_not_wait():
        screen = Screen(terminal.fd, TRUE_COLOUR)
        screen.show(progress(), 0.0)
        terminal.stop()
        for second in range(1, 20):
            screen.tick(float(second))
        assert "60 s" in terminal.text
        terminal.resume()
        screen.tick(20.0)
        assert "40 s" in terminal.text
        screen.end(SENTENCE)
        assert_only(terminal, [])


def test_an_end_on_a_stopped_terminal_gives_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secsign_gate.terminal.screen._ENDING_SECONDS", 0.1)
    with emulated_terminal() as terminal, must_not_wait():
        screen = Screen(terminal.fd, TRUE_COLOUR)
        screen.show(progress(), 0.0)
        terminal.stop()
        screen.end(SENTENCE)
        assert SENTENCE not in terminal.text


def test_a_client_that_no_longer_reads_is_not_waited_for_and_gets_all_in_order_later() -> None:
    with emulated_terminal(200, 50) as terminal, must_not_wait():
        screen = Screen(terminal.fd, TRUE_COLOUR)
        for number in range(99):  # each a new picture, until the kernel takes no more
            screen.show(progress(access_pass=NOISE if number % 2 else QUARTERS), 0.0)
            if screen._outlet._waiting:
                break
        assert screen._outlet._waiting, "the pty took everything: nothing was tested"
        screen.show(progress(access_pass=QUARTERS), 1.0)
        screen.tick(2.0)
        for second in range(3, 10):
            terminal.read()
            screen.tick(float(second))
        assert terminal.text.count("52 s") == 1
        assert_quarters(terminal, ("ff0000", "00ff00", "ffffff", "0000ff"))
        screen.end(SENTENCE)
        assert_only(terminal, [])


def test_a_terminal_that_is_gone_is_an_oserror() -> None:
    master, slave = pty.openpty()
    try:
        termios.tcsetwinsize(slave, (24, 80))
        screen = Screen(slave, TRUE_COLOUR)
        os.close(master)
        with pytest.raises(OSError, match="Input/output error"):
            screen.show(progress(), 0.0)
        with pytest.raises(OSError, match="Input/output error"):
            screen.end(SENTENCE)
        with pytest.raises(OSError, match="Input/output error"):
            Screen(slave, TRUE_COLOUR)
    finally:
        os.close(slave)


def test_what_is_no_terminal_gets_plain_lines() -> None:
    readable, writable = os.pipe()
    try:
        screen = Screen(writable, TRUE_COLOUR)
        screen.show(progress(access_pass=b""), 0.0)
        screen.end(SENTENCE)
        assert os.read(readable, 4096).count(b"\n") == 2
        os.close(readable)
        with pytest.raises(BrokenPipeError):
            screen.end(SENTENCE)
    finally:
        os.close(writable)


def test_a_descriptor_that_another_program_made_nonblocking_is_no_error() -> None:
    with emulated_terminal() as terminal:
        os.set_blocking(terminal.fd, False)
        screen = Screen(terminal.fd, TRUE_COLOUR)
        screen.show(progress(), 0.0)
        with must_not_wait():
            for number in range(9999):  # until the kernel takes no more
                if screen._outlet._waiting:
                    break
                screen.show(progress(wants=f"command {number}"), 0.0)
        assert screen._outlet._waiting, "the pty took everything: nothing was tested"
        terminal.read()
        screen.end(SENTENCE)
        assert_only(terminal, [])


# --- picture protocols -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "start"),
    [
        ({b"TERM": b"xterm-kitty"}, b"\x1b_Ga=T"),
        ({b"TERM": b"xterm-ghostty"}, b"\x1b_Ga=T"),
        ({b"TERM": b"xterm-256color", b"LC_TERMINAL": b"iTerm2"}, b"\x1b]1337;File=inline=1"),
        ({b"TERM": b"xterm-256color", b"TERM_PROGRAM": b"WezTerm"}, b"\x1b]1337;File=inline=1"),
        ({b"TERM": b"foot"}, b"\x1bP0;1;0q"),
        ({b"TERM": b"mlterm-256color"}, b"\x1bP0;1;0q"),
    ],
)
@pytest.mark.parametrize("rows_before", [0, 23])
def test_a_terminal_with_a_picture_protocol_gets_it_beside_the_text(
    environ: dict[bytes, bytes], start: bytes, rows_before: int
) -> None:
    before = [f"line {number}" for number in range(rows_before)]
    with emulated_terminal(cell=(10, 20)) as terminal:
        say(terminal, "".join(f"{line}\r\n" for line in before))
        screen = Screen(terminal.fd, environ | {b"LANG": b"C.UTF-8"})
        screen.show(progress(), 0.0)
        terminal.read()
        ((row, column, sent),) = [one for one in terminal.graphics if one[2].startswith(start)]
        assert (row, column) == (terminal.cursor[0] + 1, 2)
        assert not terminal.has_picture(), "no cells are painted under it"
        text_columns = [line.index("login") for line in terminal.lines if "login" in line]
        assert text_columns[0] >= 2 + 22
        screen.tick(1.0)
        assert "59 s" in terminal.text
        terminal.read()
        assert [one for one in terminal.graphics if one[2] == sent] == [(row, column, sent)], "sent once"
        screen.end(SENTENCE)
        terminal.read()
        assert (b"a=d" in terminal.graphics[-1][2]) == (b"_G" in start), "Kitty is told to forget it"
        assert_only(terminal, before)


def test_sixel_never_covers_more_than_its_cells() -> None:
    for cell in [(5, 9), (7, 14), (10, 20), (16, 32), (20, 21)]:
        with emulated_terminal(cell=cell) as terminal:
            Screen(terminal.fd, {b"TERM": b"foot"}).show(progress(), 0.0)
            terminal.read()
            size = re.search(rb'"1;1;(\d+);(\d+)', terminal.graphics[0][2])
            assert size
            assert int(size[1]) <= 22 * cell[0]
            assert int(size[2]) <= 11 * cell[1]


def test_without_the_size_of_a_cell_there_is_no_sixel_but_half_blocks() -> None:
    with emulated_terminal() as terminal:
        Screen(terminal.fd, {b"TERM": b"foot", b"LANG": b"C.UTF-8"}).show(progress(), 0.0)
        assert_quarters(terminal, ("ff0000", "00ff00", "ffffff", "0000ff"))
        assert not terminal.graphics


@pytest.mark.parametrize(
    "environ",
    [
        {b"TERM": b"screen.xterm-256color", b"LC_TERMINAL": b"iTerm2"},
        {b"TERM": b"tmux-256color", b"LC_TERMINAL": b"iTerm2"},
        {b"TERM": b"xterm-kitty", b"NO_COLOR": b"1"},
    ],
)
def test_in_a_multiplexer_or_without_colours_no_picture_protocol_is_used(environ: dict[bytes, bytes]) -> None:
    with emulated_terminal(cell=(10, 20)) as terminal:
        Screen(terminal.fd, environ | {b"LANG": b"C.UTF-8"}).show(progress(), 0.0)
        assert terminal.has_picture() != (b"NO_COLOR" in environ)
        assert not terminal.graphics


@pytest.mark.parametrize("columns", [40, 80])
def test_there_is_always_a_row_under_a_graphic_so_that_no_terminal_scrolls(columns: int) -> None:
    for lines in range(3, 30):
        with emulated_terminal(columns, lines) as terminal:
            say(terminal, "\r\n" * lines)
            scrolled = len(terminal.screen.above)
            Screen(terminal.fd, {b"TERM": b"xterm-kitty"}).show(progress(), 0.0)
            terminal.read()
            for row, _, sent in terminal.graphics:
                rows = re.search(rb",r=(\d+),", sent)
                assert rows
                assert row + int(rows[1]) <= lines - 1
            assert lines < 8 or len(terminal.graphics) == 1
            assert len(terminal.screen.above) - scrolled < lines

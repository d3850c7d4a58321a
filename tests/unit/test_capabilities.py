import pytest

from secsign_gate.terminal.capabilities import (
    COLOURS_8,
    COLOURS_256,
    ITERM2,
    KITTY,
    NO_COLOURS,
    SIXEL,
    TRUE_COLOUR,
    capabilities,
)


@pytest.mark.parametrize(
    ("environ", "colours", "graphics"),
    [
        ({b"TERM": b"xterm"}, COLOURS_256, ""),  # as PuTTY says
        ({b"TERM": b"xterm-256color"}, COLOURS_256, ""),
        ({b"TERM": b"xterm-256color", b"COLORTERM": b"truecolor"}, TRUE_COLOUR, ""),
        ({b"TERM": b"xterm-256color", b"COLORTERM": b"24bit"}, TRUE_COLOUR, ""),
        ({b"TERM": b"xterm-256color", b"COLORTERM": b"yes"}, COLOURS_256, ""),
        ({b"TERM": b"xterm-direct"}, TRUE_COLOUR, ""),
        ({b"TERM": b"xterm-color"}, COLOURS_8, ""),
        ({b"TERM": b"alacritty"}, TRUE_COLOUR, ""),
        ({b"TERM": b"linux"}, COLOURS_8, ""),
        ({b"TERM": b"screen"}, COLOURS_8, ""),
        ({b"TERM": b"screen-256color"}, COLOURS_256, ""),
        ({b"TERM": b"tmux-256color", b"COLORTERM": b"truecolor"}, TRUE_COLOUR, ""),
        ({b"TERM": b"tmux-256color", b"LC_TERMINAL": b"iTerm2"}, COLOURS_256, ""),
        ({b"TERM": b"xterm-kitty"}, TRUE_COLOUR, KITTY),
        ({b"TERM": b"xterm-ghostty"}, TRUE_COLOUR, KITTY),
        ({b"TERM": b"xterm-256color", b"LC_TERMINAL": b"iTerm2"}, TRUE_COLOUR, ITERM2),
        ({b"TERM": b"xterm-256color", b"TERM_PROGRAM": b"iTerm.app"}, TRUE_COLOUR, ITERM2),
        ({b"TERM": b"wezterm"}, TRUE_COLOUR, ITERM2),
        ({b"TERM": b"foot-extra"}, TRUE_COLOUR, SIXEL),
        ({b"TERM": b"vt100"}, NO_COLOURS, ""),
        ({b"TERM": b"some-256color"}, COLOURS_256, ""),
        ({b"TERM": b"xterm-kitty", b"NO_COLOR": b"1"}, NO_COLOURS, ""),
        ({b"TERM": b"xterm", b"NO_COLOR": b""}, COLOURS_256, ""),
    ],
)
def test_what_a_terminal_can_show(environ: dict[bytes, bytes], colours: int, graphics: str) -> None:
    found = capabilities(environ)
    assert found.draws
    assert (found.colours, found.graphics) == (colours, graphics)


@pytest.mark.parametrize("term", [None, b"", b"dumb", b"DUMB", b"unknown", b"emacs", b"adm3a", b"\xff\x1b[2J"])
def test_what_is_not_known_to_draw_does_not(term: bytes | None) -> None:
    environ = {b"COLORTERM": b"truecolor", b"LC_TERMINAL": b"iTerm2"} | ({} if term is None else {b"TERM": term})
    found = capabilities(environ)
    assert (found.draws, found.colours, found.graphics) == (False, NO_COLOURS, "")


@pytest.mark.parametrize(
    ("environ", "utf8"),
    [
        ({b"LANG": b"en_US.UTF-8"}, True),
        ({b"LANG": b"de_AT.utf8@euro"}, True),
        ({b"LC_CTYPE": b"C.UTF-8", b"LANG": b"C"}, True),
        ({b"LC_ALL": b"C", b"LC_CTYPE": b"C.UTF-8"}, False),
        ({b"LC_ALL": b"", b"LANG": b"C.UTF-8"}, True),
        ({b"LC_MESSAGES": b"C.UTF-8"}, False),
        ({b"LANG": b"de_AT.ISO-8859-1"}, False),
        ({}, False),
    ],
)
def test_the_character_set_is_that_of_the_locale(environ: dict[bytes, bytes], utf8: bool) -> None:
    assert capabilities(environ).utf8 == utf8

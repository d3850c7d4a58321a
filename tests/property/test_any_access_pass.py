"""Any bytes to the PNG reader; any facts, environment and window to the screen."""

import random
import re
import zlib

import drawn_png
from hypothesis import given, settings
from hypothesis import strategies as st

from secsign_gate.terminal.access_pass import Picture, cell_lines, read_access_pass
from secsign_gate.terminal.capabilities import COLOURS_8, COLOURS_256, NO_COLOURS, TRUE_COLOUR, capabilities
from secsign_gate.terminal.countdown import Countdown
from secsign_gate.terminal.layout import Facts, arrange
from secsign_gate.terminal.placed_picture import Window, place_picture
from secsign_gate.terminal.png import MAX_SIDE, PictureUnreadable
from secsign_gate.wire import Progress

SIDES = st.integers(1, 64)


def read(png: bytes, side: int, *, tall_pixels: bool = False) -> bool:
    """Read, check the limits, and say whether it was a picture."""
    try:
        picture = read_access_pass(png, side, tall_pixels=tall_pixels)
    except PictureUnreadable:
        return False
    assert 1 <= picture.width <= side
    assert 1 <= picture.height <= side
    assert len(picture.pixels) == 3 * picture.width * picture.height
    return True


@settings(deadline=None)
@given(st.binary(max_size=200) | st.binary(max_size=200).map(drawn_png.SIGNATURE.__add__), SIDES)
def test_any_bytes_are_a_picture_or_the_readers_own_error(data: bytes, side: int) -> None:
    read(data, side)


CHUNKS = st.builds(
    drawn_png.chunk,
    st.sampled_from([b"IDAT", b"PLTE", b"tRNS", b"IEND", b"IHDR", b"tEXt", b"ABCD"]),
    st.binary(max_size=60) | st.binary(max_size=60).map(zlib.compress),
)
HEADERS = st.builds(
    drawn_png.header,
    st.integers(0, 12) | st.sampled_from([MAX_SIDE, MAX_SIDE + 1, 2**31]),
    st.integers(0, 12) | st.sampled_from([MAX_SIDE, MAX_SIDE + 1, 2**31]),
    st.integers(0, 7),
)


@settings(deadline=None)
@given(HEADERS, st.lists(CHUNKS, max_size=5).map(b"".join), SIDES)
def test_any_chunks_with_good_checksums_are_a_picture_or_the_readers_own_error(
    header: bytes, chunks: bytes, side: int
) -> None:
    read(drawn_png.SIGNATURE + header + chunks + drawn_png.chunk(b"IEND", b""), side)


@settings(deadline=None)
@given(
    st.sampled_from(sorted(drawn_png.SAMPLES)),
    st.tuples(st.integers(1, 20), st.integers(1, 20)),
    st.randoms(use_true_random=False),
    SIDES,
    st.booleans(),
)
def test_every_good_picture_is_read(
    kind: int, size: tuple[int, int], chance: random.Random, side: int, tall_pixels: bool
) -> None:
    indexed = kind == drawn_png.PALETTE
    png = drawn_png.png(
        *size,
        lambda _column, _row: tuple(chance.randrange(10 if indexed else 256) for _ in range(drawn_png.SAMPLES[kind])),
        kind=kind,
        filter_of=lambda _row: chance.randrange(5),
        before_pixels=drawn_png.chunk(b"PLTE", bytes(range(30))) if indexed else b"",
    )
    assert read(png, side, tall_pixels=tall_pixels)


@given(st.integers(1, 40_000_000), st.sampled_from(sorted(drawn_png.SAMPLES)))
@settings(max_examples=10, deadline=None)
def test_a_bomb_of_any_size_is_no_picture(excess: int, kind: int) -> None:
    packed = zlib.compress(bytes(16 * (1 + 16 * drawn_png.SAMPLES[kind]) + excess), 1)
    palette = drawn_png.chunk(b"PLTE", bytes(3)) if kind == drawn_png.PALETTE else b""
    start = drawn_png.SIGNATURE + drawn_png.header(16, 16, kind) + palette
    assert not read(start + drawn_png.chunk(b"IDAT", packed) + drawn_png.chunk(b"IEND", b""), 16)


@settings(deadline=None)
@given(st.binary(min_size=12, max_size=300), st.integers(1, 9), st.booleans(), st.data())
def test_lines_of_cells_are_as_wide_as_the_picture_and_end_without_colours(
    pixels: bytes, width: int, half_blocks: bool, data: st.DataObject
) -> None:
    colours = data.draw(st.sampled_from([NO_COLOURS, COLOURS_8, COLOURS_256, TRUE_COLOUR]))
    width = min(width, len(pixels) // 3)
    height = len(pixels) // 3 // width
    lines = cell_lines(Picture(width, height, pixels[: 3 * width * height]), colours, half_blocks=half_blocks)
    for line in lines:
        assert len(re.sub(r"\x1b\[[0-9;]+m", "", line)) == width
        assert colours == NO_COLOURS or line.endswith("\x1b[0m")
        assert half_blocks or line.isascii()


TEXTS = st.text(max_size=100) | st.text(st.characters(max_codepoint=0x9F), max_size=100)
ENVIRONMENTS = st.fixed_dictionaries(
    {},
    optional={
        b"TERM": st.sampled_from([b"xterm", b"foot", b"xterm-kitty", b"linux", b"vt100", b"dumb"]) | st.binary(),
        b"LANG": st.sampled_from([b"C", b"C.UTF-8"]) | st.binary(),
        b"COLORTERM": st.just(b"truecolor") | st.binary(),
        b"LC_TERMINAL": st.just(b"iTerm2"),
        b"NO_COLOR": st.just(b"1"),
    },
)
OUR_ESCAPES = re.compile(
    r"\x1b\[[0-9;]*m|\x1b_G[A-Za-z0-9=,]*;[A-Za-z0-9+/=]*\x1b\\|\x1b\]1337;File=[a-zA-Z0-9=;]*:[A-Za-z0-9+/=]*\x07"
    r"|\x1bP[0-9;]*q[ -~]*\x1b\\"
)


@settings(deadline=None)
@given(
    st.builds(
        Progress,
        **dict.fromkeys(("stage", "account", "host", "secsign_id", "wants", "phone_text"), TEXTS),
        **dict.fromkeys(("seconds_left", "place"), st.integers(0, 2**32 - 1)),
        access_pass=st.sampled_from([b"", drawn_png.quarters(16), drawn_png.quarters(16)[:-1], b"junk"]),
        speak=st.just(True),
    ),
    ENVIRONMENTS,
    st.builds(Window, st.integers(1, 250), st.integers(1, 80), st.integers(0, 20), st.integers(0, 40)),
)
def test_whatever_the_facts_only_our_own_escapes_are_drawn_and_every_row_fits(
    progress: Progress, environ: dict[bytes, bytes], window: Window
) -> None:
    terminal = capabilities(environ)
    countdown = Countdown()
    countdown.announce(progress.seconds_left, 0.0)
    picture = place_picture(progress.access_pass, window, terminal)
    rows = arrange(Facts(progress, countdown, 1.0, terminal), window, picture)
    assert 1 <= len(rows) <= window.rows
    drawn = [row.cells.ljust(row.column) + (row.text or "") for row in rows] + [picture.graphic]
    for text in drawn:
        rest = OUR_ESCAPES.sub("", text)
        assert all(char in "▀━─" or " " <= char <= "~" for char in rest)
        assert terminal.utf8 or rest.isascii()
    for row in rows:
        start = len(OUR_ESCAPES.sub("", row.cells)) or row.column
        assert start + len(OUR_ESCAPES.sub("", row.text or "")) < max(window.columns, 2)

import base64
import re
import zlib
from hashlib import shake_256

import drawn_png
import pytest
from drawn_png import GREY, GREY_ALPHA, PALETTE, RGB, RGBA, SIGNATURE, chunk, header

from secsign_gate.terminal.access_pass import Picture, cell_lines, read_access_pass
from secsign_gate.terminal.capabilities import COLOURS_8, COLOURS_256, NO_COLOURS, TRUE_COLOUR
from secsign_gate.terminal.graphics import iterm2, kitty, kitty_delete, sixel
from secsign_gate.terminal.png import MAX_BYTES, MAX_SIDE, PictureUnreadable, Png, write_png

RED, WHITE = b"\xff\0\0", b"\xff\xff\xff"
END = chunk(b"IEND", b"")


def pixels(png: bytes) -> list[bytes]:
    return list(Png(png).rows())


def data(body: bytes) -> bytes:
    return chunk(b"IDAT", zlib.compress(body))


# --- reading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("filter_kind", range(5))
@pytest.mark.parametrize(("kind", "samples"), sorted(drawn_png.SAMPLES.items()))
def test_every_kind_of_pixel_and_filter_is_read(kind: int, samples: int, filter_kind: int) -> None:
    def sample(column: int, row: int) -> drawn_png.Pixel:
        values = [(column * 37 + row * 91 + place * 53 + column * row) % 256 for place in range(samples)]
        if kind in (RGBA, GREY_ALPHA):
            values[-1] = 255
        return tuple(values)

    palette = bytes(range(256)) * 3 if kind == PALETTE else b""
    before = chunk(b"PLTE", palette) if palette else b""
    png = drawn_png.png(9, 7, sample, kind=kind, filter_of=lambda _row: filter_kind, before_pixels=before)

    def shown(column: int, row: int) -> bytes:
        values = sample(column, row)
        if kind == PALETTE:
            return palette[3 * values[0] : 3 * values[0] + 3]
        return bytes(values[:3]) if kind in (RGB, RGBA) else bytes(values[:1]) * 3

    assert pixels(png) == [b"".join(shown(column, row) for column in range(9)) for row in range(7)]


def test_what_is_transparent_lies_on_white() -> None:
    def half_red(alpha: int) -> bytes:
        return pixels(drawn_png.png(1, 1, lambda _c, _r: (255, 0, 0, alpha)))[0]

    assert [half_red(alpha) for alpha in (0, 51, 255)] == [WHITE, b"\xff\xcc\xcc", RED]
    assert pixels(drawn_png.png(1, 1, lambda _c, _r: (0, 51), kind=GREY_ALPHA)) == [b"\xcc\xcc\xcc"]


def test_transparency_by_colour_key_and_in_the_palette() -> None:
    key = chunk(b"tRNS", b"\0\x07")
    grey = drawn_png.png(2, 1, lambda column, _r: (7 + column,), kind=GREY, before_pixels=key)
    assert pixels(grey) == [WHITE + b"\x08\x08\x08"]
    key = chunk(b"tRNS", b"\0\xff\0\0\0\0")
    rgb = drawn_png.png(2, 1, lambda column, _r: (255, 0, column), kind=RGB, before_pixels=key)
    assert pixels(rgb) == [WHITE + b"\xff\0\x01"]
    before = chunk(b"PLTE", RED * 3) + chunk(b"tRNS", b"\0\x33")
    indexed = drawn_png.png(3, 1, lambda column, _r: (column,), kind=PALETTE, before_pixels=before)
    assert pixels(indexed) == [WHITE + b"\xff\xcc\xcc" + RED]


def test_pixels_in_many_pieces_and_chunks_that_do_not_matter_are_read() -> None:
    before = chunk(b"tEXt", b"Author\0nobody") + chunk(b"PLTE", b"\0\0\0")
    png = drawn_png.png(8, 8, lambda _c, _r: (255, 0, 0, 255), pieces=9, before_pixels=before)
    assert pixels(png) == [RED * 8] * 8


def test_the_largest_picture_is_read() -> None:
    png = drawn_png.png(MAX_SIDE, MAX_SIDE, lambda _c, _r: (255, 0, 0), kind=RGB)
    assert read_access_pass(png, 44).pixels == RED * 44 * 44


ONE_RED = header(1, 1, RGB)
BROKEN = {
    "nothing": b"",
    "no PNG": b"GIF89a" + bytes(50),
    "signature only": SIGNATURE,
    "cut": drawn_png.plain((1, 2, 3, 4))[:-13],
    "checksum": drawn_png.plain((1, 2, 3, 4)).replace(b"IDAT", b"IDAT", 1)[:-20] + bytes(20),
    "trailing bytes": drawn_png.plain((1, 2, 3, 4)) + b"\0",
    "no header": SIGNATURE + data(b"\0\xff\0\0") + END,
    "two headers": SIGNATURE + ONE_RED + ONE_RED + data(b"\0\xff\0\0") + END,
    "short header": SIGNATURE + chunk(b"IHDR", bytes(12)) + data(b"\0\xff\0\0") + END,
    "no pixels": SIGNATURE + ONE_RED + END,
    "no columns": SIGNATURE + header(0, 1, RGB) + data(b"\0") + END,
    "too wide": SIGNATURE + header(MAX_SIDE + 1, 1, GREY) + data(bytes(MAX_SIDE + 2)) + END,
    "too tall": SIGNATURE + header(1, 2**31, GREY) + data(bytes(50)) + END,
    "16 bits a sample": SIGNATURE + header(1, 1, RGB, depth=16) + data(bytes(7)) + END,
    "1 bit a sample": SIGNATURE + header(1, 1, GREY, depth=1) + data(bytes(2)) + END,
    "unknown kind": SIGNATURE + header(1, 1, 5) + data(bytes(4)) + END,
    "interlaced": SIGNATURE + header(1, 1, RGB, tail=b"\0\0\1") + data(bytes(4)) + END,
    "unknown filter": SIGNATURE + ONE_RED + data(b"\5\xff\0\0") + END,
    "too few pixels": SIGNATURE + ONE_RED + data(b"\0\xff\0") + END,
    "too many pixels": SIGNATURE + ONE_RED + data(b"\0\xff\0\0\0") + END,
    "not compressed": SIGNATURE + ONE_RED + chunk(b"IDAT", b"\0\xff\0\0") + END,
    "compressed data cut": SIGNATURE + ONE_RED + chunk(b"IDAT", zlib.compress(b"\0\xff\0\0")[:-1]) + END,
    "compressed data and more": SIGNATURE + ONE_RED + chunk(b"IDAT", zlib.compress(b"\0\xff\0\0") + b"x") + END,
    "empty compressed data": SIGNATURE + ONE_RED + chunk(b"IDAT", b"") + END,
    "pixels in two places": SIGNATURE + ONE_RED + chunk(b"IDAT", b"x") + chunk(b"tIME", b"") + data(b"") + END,
    "critical unknown chunk": SIGNATURE + ONE_RED + chunk(b"ABcd", b"") + data(b"\0\xff\0\0") + END,
    "chunk without a name": SIGNATURE + ONE_RED + chunk(b"\0\0\0\0", b"") + data(b"\0\xff\0\0") + END,
    "endless chunk": SIGNATURE + ONE_RED + b"\xff\xff\xff\xffIDAT" + bytes(50),
    "palette missing": SIGNATURE + header(1, 1, PALETTE) + data(bytes(2)) + END,
    "palette uneven": SIGNATURE + header(1, 1, PALETTE) + chunk(b"PLTE", bytes(4)) + data(bytes(2)) + END,
    "palette empty": SIGNATURE + header(1, 1, PALETTE) + chunk(b"PLTE", b"") + data(bytes(2)) + END,
    "palette too long": SIGNATURE + header(1, 1, PALETTE) + chunk(b"PLTE", bytes(771)) + data(bytes(2)) + END,
    "palette for grey": SIGNATURE + header(1, 1, GREY) + chunk(b"PLTE", bytes(3)) + data(bytes(2)) + END,
    "colour beyond the palette": SIGNATURE + header(1, 1, PALETTE) + chunk(b"PLTE", RED) + data(b"\0\1") + END,
    "transparency too long": SIGNATURE
    + header(1, 1, PALETTE)
    + chunk(b"PLTE", RED)
    + chunk(b"tRNS", b"\0\0")
    + data(b"\0\0")
    + END,
    "transparency twice": SIGNATURE + header(1, 1, RGBA) + chunk(b"tRNS", b"\0\0") + data(bytes(5)) + END,
}


@pytest.mark.parametrize("png", BROKEN.values(), ids=BROKEN)
def test_whatever_else_is_refused_by_the_readers_own_error(png: bytes) -> None:
    with pytest.raises(PictureUnreadable):
        read_access_pass(png, 32)


def test_one_flipped_bit_is_noticed_wherever_it_is() -> None:
    png = drawn_png.png(4, 4, lambda column, row: (column * 50, row * 50, 0, 255))
    for bit in range(8 * len(png)):
        broken = bytearray(png)
        broken[bit // 8] ^= 1 << bit % 8
        with pytest.raises(PictureUnreadable):
            read_access_pass(bytes(broken), 4)


def test_a_file_over_the_limit_is_not_looked_at() -> None:
    stuffed = drawn_png.png(1, 1, lambda _c, _r: tuple(RED), kind=RGB, before_pixels=chunk(b"tEXt", bytes(MAX_BYTES)))
    with pytest.raises(PictureUnreadable, match="bytes"):
        Png(stuffed)


def test_a_bomb_is_never_unpacked_further_than_one_byte_beyond_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = zlib.compress(bytes(50_000_000), 9)
    assert len(bomb) < MAX_BYTES
    unpacked = 0

    class Counting:
        def __init__(self) -> None:
            self._inflate = zlib.decompressobj()

        def decompress(self, packed: bytes, limit: int) -> bytes:
            nonlocal unpacked
            found = self._inflate.decompress(packed, limit)
            unpacked += len(found)
            return found

        def __getattr__(self, name: str) -> object:
            return getattr(self._inflate, name)

    monkeypatch.setattr("secsign_gate.terminal.png.decompressobj", Counting)
    with pytest.raises(PictureUnreadable, match="more pixels"):
        read_access_pass(SIGNATURE + header(88, 88, RGBA) + chunk(b"IDAT", bomb) + END, 32)
    assert unpacked == 88 * (1 + 4 * 88) + 1


# --- making it small -------------------------------------------------------------------------------------------------


def at(picture: Picture, column: int, row: int) -> bytes:
    start = 3 * (row * picture.width + column)
    return picture.pixels[start : start + 3]


@pytest.mark.parametrize("side", [16, 22, 32, 38, 44, 87, 88])
def test_a_picture_keeps_its_parts_where_they_are_at_any_size(side: int) -> None:
    picture = read_access_pass(drawn_png.quarters(), side)
    assert (picture.width, picture.height) == (side, side)
    last = side - 1
    assert [at(picture, 0, 0), at(picture, last, 0)] == [RED, b"\0\xff\0"]
    assert [at(picture, 0, last), at(picture, last, last)] == [WHITE, b"\0\0\xff"]


def test_a_pixel_is_the_average_of_its_area() -> None:
    stripes = drawn_png.png(6, 6, lambda column, _r: (255, 255, 255) if column % 2 else (0, 0, 0), kind=RGB)
    assert read_access_pass(stripes, 3).pixels == b"\x7f\x7f\x7f" * 9
    thirds = drawn_png.png(3, 3, lambda column, _r: (90 * column,), kind=GREY)
    # 3 pixels over 2: the middle one counts half on each side
    assert at(read_access_pass(thirds, 2), 0, 0) == bytes([90 // 3] * 3)
    assert at(read_access_pass(thirds, 2), 1, 1) == bytes([(45 + 180) * 2 // 3] * 3)


def test_a_small_picture_is_not_enlarged_and_an_oblong_one_stays_oblong() -> None:
    small = read_access_pass(drawn_png.plain((255, 0, 0, 255), 5), 32)
    assert (small.width, small.height, small.pixels) == (5, 5, RED * 25)
    wide = read_access_pass(drawn_png.png(88, 22, lambda _c, _r: (255, 0, 0), kind=RGB), 44)
    assert (wide.width, wide.height) == (44, 11)
    line = read_access_pass(drawn_png.png(512, 1, lambda _c, _r: (255, 0, 0), kind=RGB), 16)
    assert (line.width, line.height, line.pixels) == (16, 1, RED * 16)


def test_tall_pixels_halve_the_height() -> None:
    picture = read_access_pass(drawn_png.quarters(), 32, tall_pixels=True)
    assert (picture.width, picture.height) == (32, 16)
    assert at(picture, 31, 15) == b"\0\0\xff"


# --- in cells --------------------------------------------------------------------------------------------------------

UPPER_RED_LOWER_BLUE = Picture(1, 2, b"\xff\0\0\0\0\xff")


@pytest.mark.parametrize(
    ("colours", "line"),
    [
        (TRUE_COLOUR, "\x1b[48;2;0;0;255m\x1b[38;2;255;0;0m▀\x1b[0m"),
        (COLOURS_256, "\x1b[48;5;21m\x1b[38;5;196m▀\x1b[0m"),
        (COLOURS_8, "\x1b[44m\x1b[31m▀\x1b[0m"),
    ],
)
def test_a_half_block_shows_two_pixels_in_one_cell(colours: int, line: str) -> None:
    assert cell_lines(UPPER_RED_LOWER_BLUE, colours, half_blocks=True) == [line]


def test_without_half_blocks_a_blank_shows_one_pixel_in_ascii() -> None:
    lines = cell_lines(UPPER_RED_LOWER_BLUE, TRUE_COLOUR, half_blocks=False)
    assert lines == ["\x1b[48;2;255;0;0m \x1b[0m", "\x1b[48;2;0;0;255m \x1b[0m"]


def test_an_odd_last_row_lies_on_white() -> None:
    lines = cell_lines(Picture(1, 1, RED), TRUE_COLOUR, half_blocks=True)
    assert lines == ["\x1b[48;2;255;255;255m\x1b[38;2;255;0;0m▀\x1b[0m"]


def test_a_colour_is_named_once_for_a_run_of_cells() -> None:
    (line,) = cell_lines(Picture(4, 2, RED * 8), TRUE_COLOUR, half_blocks=True)
    assert line == "\x1b[48;2;255;0;0m    \x1b[0m"


@pytest.mark.parametrize(
    ("pixel", "number"),
    [((0, 0, 0), 16), ((255, 255, 255), 231), ((128, 128, 128), 244), ((95, 135, 175), 67), ((12, 12, 12), 232)],
)
def test_the_nearest_of_256_colours_is_found(pixel: tuple[int, int, int], number: int) -> None:
    lines = cell_lines(Picture(1, 1, bytes(pixel)), COLOURS_256, half_blocks=False)
    assert lines == [f"\x1b[48;5;{number}m \x1b[0m"]


def test_without_colours_the_shape_is_drawn_as_ink_on_paper() -> None:
    picture = read_access_pass(drawn_png.disc((250, 220, 0)), 32, tall_pixels=True)  # yellow: bright, and still ink
    lines = cell_lines(picture, NO_COLOURS, half_blocks=True)
    assert len(lines) == 16
    assert {len(line) for line in lines} == {32}
    assert all(" " <= char <= "~" for line in lines for char in line)
    assert lines[0].strip() == "", "the ground stays empty"
    assert lines[8][10:22] == "@" * 12, "the sign is dense"
    assert lines[8] == lines[8][::-1], "and round"


def test_a_picture_of_one_colour_has_no_shape_but_does_no_harm() -> None:
    assert cell_lines(Picture(2, 1, RED * 2), NO_COLOURS, half_blocks=False) == ["  "]


# --- by a picture protocol -------------------------------------------------------------------------------------------


def test_kitty_gets_our_own_pixels_and_is_told_not_to_answer() -> None:
    noise = Picture(60, 60, shake_256(b"noise").digest(60 * 60 * 3))
    commands = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", kitty(noise, 20, 10))
    assert len(commands) > 1
    keys = [dict(pair.split("=") for pair in command.split(",")) for command, _ in commands]
    assert (
        keys[0].items() >= {"a": "T", "f": "24", "o": "z", "s": "60", "v": "60", "c": "20", "r": "10", "C": "1"}.items()
    )
    assert {one["q"] for one in keys} == {"2"}
    assert [one["m"] for one in keys] == ["1"] * (len(keys) - 1) + ["0"]
    assert all(len(payload) <= 4096 for _, payload in commands)
    assert zlib.decompress(base64.b64decode("".join(payload for _, payload in commands))) == noise.pixels
    assert f"i={keys[0]['i']}," in kitty_delete()
    assert "a=d,d=I" in kitty_delete()


def test_iterm2_gets_a_png_of_our_own_making() -> None:
    picture = read_access_pass(drawn_png.quarters(), 44)
    sent = re.fullmatch(r"\x1b\]1337;File=([^:]*):([A-Za-z0-9+/=]*)\x07", iterm2(picture, 20, 10))
    assert sent
    keys = dict(pair.split("=") for pair in sent[1].split(";"))
    png = base64.b64decode(sent[2])
    assert keys == {"inline": "1", "width": "20", "height": "10", "preserveAspectRatio": "1", "size": str(len(png))}
    assert read_access_pass(png, 44).pixels == picture.pixels


def unsixel(text: str) -> dict[tuple[int, int], tuple[int, ...]]:
    """Return the dots of a sixel picture: (column, row) → (red, green, blue) in percent. Written from DEC STD 070."""
    body = re.fullmatch(r'\x1bP0;1;0q"1;1;\d+;\d+(.*)\x1b\\', text, re.DOTALL)
    assert body
    registers: dict[str, tuple[int, ...]] = {}
    dots = {}
    column = top = 0
    colour = ""
    for register, define, count, sixels, control in re.findall(
        r"#(\d+)(?:;2;(\d+;\d+;\d+))?|!(\d+)([?-~])|([$-])", body[1]
    ):
        if register:
            colour = register
            if define:
                registers[register] = tuple(map(int, define.split(";")))
        elif control:
            column = 0
            top += 6 * (control == "-")
        else:
            end = column + int(count)
            for bit in range(6):
                if ord(sixels) - 63 >> bit & 1:
                    dots.update({(at, top + bit): registers[colour] for at in range(column, end)})
            column = end
    return dots


@pytest.mark.parametrize("enlarged", [1, 2, 5])
def test_sixel_paints_every_dot_once_in_its_colour(enlarged: int) -> None:
    dots = unsixel(sixel(read_access_pass(drawn_png.quarters(), 22), enlarged))
    side = 22 * enlarged
    assert set(dots) == {(column, row) for column in range(side) for row in range(side)}
    half = side // 2
    assert {dots[half - 1, half - 1], dots[0, 0]} == {(100, 0, 0)}
    assert dots[half, half - 1] == (0, 100, 0)
    assert dots[half, half] == (0, 0, 100)
    assert dots[half - 1, half] == (100, 100, 100)


def test_sixel_rounds_colours_until_the_registers_suffice() -> None:
    picture = Picture(40, 40, bytes(31 * n % 256 for n in range(40 * 40 * 3)))
    sent = sixel(picture, 1)
    assert len(set(re.findall(r"#(\d+);2;", sent))) <= 128
    dots = unsixel(sent)
    wrong = [
        abs(dots[column, row][place] * 255 / 100 - picture.pixels[3 * (40 * row + column) + place])
        for row in range(40)
        for column in range(40)
        for place in range(3)
    ]
    assert max(wrong) < 40


def test_what_is_written_as_png_reads_back() -> None:
    picture = read_access_pass(drawn_png.disc((10, 200, 90)), 33)
    again = read_access_pass(write_png(33, 33, picture.pixels), 33)
    assert again.pixels == picture.pixels

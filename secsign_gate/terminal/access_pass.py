"""The access pass in character cells: PNG bytes → a small picture → lines of text.

A cell is about twice as tall as wide. A half block shows two pixels in one cell, the upper in the text colour and the
lower in the ground colour; where the character set has no half block, a coloured blank shows one pixel; where there are
no colours, a character of fitting density does. Picture protocols of terminals are in graphics.py.
"""

from secsign_gate.terminal.capabilities import COLOURS_256, NO_COLOURS, TRUE_COLOUR
from secsign_gate.terminal.png import Png

_RESET = "\x1b[0m"
_UPPER_HALF = "▀"
# From empty to full. Ink on paper, not light on a screen: the white ground stays empty on any terminal.
_INK = " .:-=+*#%@"
_CUBE_LEVELS = (0, 95, 135, 175, 215, 255)
_EIGHT = (
    (0, 0, 0),
    (205, 0, 0),
    (0, 205, 0),
    (205, 205, 0),
    (0, 0, 238),
    (205, 0, 205),
    (0, 205, 205),
    (255, 255, 255),
)


class Picture:
    """`height` rows of `width` pixels; `pixels` holds 3 bytes each (red, green, blue)."""

    __slots__ = ("height", "pixels", "width")

    def __init__(self, width: int, height: int, pixels: bytes) -> None:
        self.width = width
        self.height = height
        self.pixels = pixels


def read_access_pass(png: bytes, side: int, *, tall_pixels: bool = False) -> Picture:
    """Return the picture on a white ground, made so small that it fits into `side` x `side`, never enlarged.

    Each pixel is the average of the area that it stands for. `tall_pixels` halves the height: a pixel is a whole cell.
    Raises PictureUnreadable (terminal/png.py).
    """
    source = Png(png)
    longest = max(source.width, source.height)
    side = min(side, longest)
    width = max(1, source.width * side // longest)
    height = max(1, source.height * side // (2 * longest if tall_pixels else longest))
    across = _shares(source.width, width)
    whole = source.width * source.height  # what the shares of one target pixel add up to
    sums = [0] * (3 * width)
    pixels = bytearray()
    for row, (share, spilt, ends) in zip(source.rows(), _shares(source.height, height), strict=True):
        narrow = _narrowed(row, across, width)
        sums = [total + share * value for total, value in zip(sums, narrow, strict=True)]
        if ends:
            pixels += bytes([total // whole for total in sums])
            sums = [spilt * value for value in narrow]
    return Picture(width, height, bytes(pixels))


def _shares(source: int, target: int) -> list[tuple[int, int, bool]]:
    """Lay `source` pixels out over `target` <= `source` pixels of `source` parts each.

    Return for each source pixel: its share in the target pixel that is being filled, its share in the one after, and
    whether it is the last in the one being filled.
    """
    shares = []
    filled = 0
    for _ in range(source):
        share = min(target, source - filled)
        filled += share
        ends = filled == source
        if ends:
            filled = target - share
        shares.append((share, target - share, ends))
    return shares


def _narrowed(row: bytes, across: list[tuple[int, int, bool]], width: int) -> list[int]:
    """Return the three samples of each of `width` target pixels, each a sum over its shares."""
    sums = [0] * (3 * width + 3)
    at = 0
    for red, green, blue, (share, spilt, ends) in zip(row[0::3], row[1::3], row[2::3], across, strict=True):
        sums[at] += share * red
        sums[at + 1] += share * green
        sums[at + 2] += share * blue
        if ends:
            at += 3
            sums[at] = spilt * red
            sums[at + 1] = spilt * green
            sums[at + 2] = spilt * blue
    return sums[: 3 * width]


def cell_lines(picture: Picture, colours: int, *, half_blocks: bool) -> list[str]:
    """Return the picture as lines of `picture.width` cells, each line ending without colours.

    `colours` is as in terminal/capabilities.py. With `half_blocks` a line shows two rows of pixels. Without, it shows
    one, in ASCII only; so it does without colours, whatever `half_blocks` says.
    """
    if colours == NO_COLOURS:
        return _ink_lines(picture)
    codes = _codes(picture, colours)
    width, blank_row = picture.width, _codes(Picture(1, 1, b"\xff\xff\xff"), colours) * picture.width
    rows = [codes[start : start + width] for start in range(0, len(codes), width)]
    if not half_blocks:
        return [_cells(row, row) for row in rows]
    if len(rows) % 2:
        rows.append(blank_row)
    return [_cells(upper, lower) for upper, lower in zip(rows[0::2], rows[1::2], strict=True)]


def _cells(upper: list[str], lower: list[str]) -> str:
    """Return one line; a colour is named only where it changes."""
    parts = []
    text_colour = ground = ""
    for over, under in zip(upper, lower, strict=True):
        if under != ground:
            parts.append(f"\x1b[4{under}m")
            ground = under
        if over == under:
            parts.append(" ")
            continue
        if over != text_colour:
            parts.append(f"\x1b[3{over}m")
            text_colour = over
        parts.append(_UPPER_HALF)
    return "".join(parts) + _RESET


def _codes(picture: Picture, colours: int) -> list[str]:
    """Return for each pixel what follows the 3 (text) or 4 (ground) of its SGR parameter (ECMA-48 section 8.3.117)."""
    name = {TRUE_COLOUR: _true_colour, COLOURS_256: _one_of_256}.get(colours, _one_of_8)
    known: dict[bytes, str] = {}
    codes = []
    for start in range(0, len(picture.pixels), 3):
        pixel = picture.pixels[start : start + 3]
        code = known.get(pixel)
        if code is None:
            code = known[pixel] = name(*pixel)
        codes.append(code)
    return codes


def _true_colour(red: int, green: int, blue: int) -> str:
    return f"8;2;{red};{green};{blue}"


def _one_of_256(red: int, green: int, blue: int) -> str:
    """Return the nearest colour of xterm's 6 x 6 x 6 cube (16 to 231) or grey ramp (232 to 255)."""
    wanted = (red, green, blue)
    places = [min(range(6), key=lambda level: abs(_CUBE_LEVELS[level] - sample)) for sample in wanted]
    cube = (_CUBE_LEVELS[places[0]], _CUBE_LEVELS[places[1]], _CUBE_LEVELS[places[2]])
    step = min(23, max(0, (sum(wanted) // 3 - 3) // 10))
    grey = 8 + 10 * step
    if _distance((grey, grey, grey), wanted) < _distance(cube, wanted):
        return f"8;5;{232 + step}"
    return f"8;5;{16 + 36 * places[0] + 6 * places[1] + places[2]}"


def _one_of_8(red: int, green: int, blue: int) -> str:
    return str(min(range(8), key=lambda number: _distance(_EIGHT[number], (red, green, blue))))


def _distance(one: tuple[int, int, int], other: tuple[int, int, int]) -> int:
    return (one[0] - other[0]) ** 2 + (one[1] - other[1]) ** 2 + (one[2] - other[2]) ** 2


def _ink_lines(picture: Picture) -> list[str]:
    """Return the picture as densities: how dark and how colourful a pixel is, stretched over the whole range."""
    pixels = picture.pixels
    inks = []
    for start in range(0, len(pixels), 3):
        red, green, blue = pixels[start : start + 3]
        luminance = (299 * red + 587 * green + 114 * blue) // 1000
        # Pure luminance would lose a yellow sign on white.
        inks.append((255 - luminance) + (255 - min(red, green, blue)))
    least, most = min(inks), max(inks)
    span = max(1, most - least)
    text = "".join([_INK[(ink - least) * (len(_INK) - 1) // span] for ink in inks])
    return [text[start : start + picture.width] for start in range(0, len(text), picture.width)]

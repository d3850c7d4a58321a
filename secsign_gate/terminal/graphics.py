"""The access pass by a terminal's own picture protocol: Kitty's, iTerm2's, sixel.

What is sent is always made here from checked pixels, never the bytes of the ID server: a terminal's picture decoder
should not meet those. Nothing sent asks the terminal to answer.
"""

from binascii import b2a_base64
from zlib import compress

from secsign_gate.terminal.access_pass import Picture
from secsign_gate.terminal.png import write_png

_CHUNK = 4096
_ESCAPE, _END = "\x1b", "\x1b\\"
# One number for all our pictures, so that a picture of an earlier login is replaced and never piles up.
_KITTY_IMAGE = 0x5EC5
_SIXEL_COLOURS = 128
_BAND = 6


def kitty(picture: Picture, columns: int, rows: int) -> str:
    """Return what shows the picture at the cursor, scaled to `columns` x `rows` cells; the cursor stays (C=1).

    Kitty's "Terminal graphics protocol": raw pixels (f=24) in zlib (o=z), pieces of 4096 characters, no answers (q=2).
    """
    payload = _base64(compress(picture.pixels, 9))
    first = f"a=T,f=24,o=z,s={picture.width},v={picture.height},c={columns},r={rows},i={_KITTY_IMAGE},C=1,"
    pieces = [payload[start : start + _CHUNK] for start in range(0, len(payload), _CHUNK)]
    sent = []
    for number, piece in enumerate(pieces, 1):
        keys = (first if number == 1 else "") + f"q=2,m={int(number < len(pieces))}"
        sent.append(f"{_ESCAPE}_G{keys};{piece}{_END}")
    return "".join(sent)


def kitty_delete() -> str:
    """Return what takes the picture away and frees its memory in the terminal."""
    return f"{_ESCAPE}_Ga=d,d=I,i={_KITTY_IMAGE},q=2{_END}"


def iterm2(picture: Picture, columns: int, rows: int) -> str:
    """Return what shows the picture at the cursor within `columns` x `rows` cells ("Inline Images Protocol")."""
    png = write_png(picture.width, picture.height, picture.pixels)
    keys = f"inline=1;width={columns};height={rows};preserveAspectRatio=1;size={len(png)}"
    return f"{_ESCAPE}]1337;File={keys}:{_base64(png)}\x07"


def sixel(picture: Picture, enlarged: int) -> str:
    """Return what shows the picture at the cursor, each pixel as a square of `enlarged` x `enlarged` dots.

    DEC STD 070, chapter 9. Colours are rounded until they fit into the registers that every sixel terminal has.
    """
    numbers, palette = _few_colours(picture.pixels)
    width, height = picture.width * enlarged, picture.height * enlarged
    registers = "".join(
        f"#{number};2;{red * 100 // 255};{green * 100 // 255};{blue * 100 // 255}"
        for number, (red, green, blue) in enumerate(palette)
    )
    bands = []
    for top in range(0, height, _BAND):
        masks: dict[int, bytearray] = {}
        for bit in range(min(_BAND, height - top)):
            start = (top + bit) // enlarged * picture.width
            for column, number in enumerate(numbers[start : start + picture.width]):
                masks.setdefault(number, bytearray(picture.width))[column] |= 1 << bit
        bands.append("$".join(f"#{number}" + _run_lengths(mask, enlarged) for number, mask in masks.items()))
    return f'{_ESCAPE}P0;1;0q"1;1;{width};{height}{registers}{"-".join(bands)}{_END}'


def _few_colours(pixels: bytes) -> tuple[list[int], list[tuple[int, int, int]]]:
    """Return the number of each pixel's colour and the colours, rounding away as few low bits as will do."""
    colours = _colours(pixels, 0)
    lost_bits = 0
    while len(set(colours)) > _SIXEL_COLOURS:
        lost_bits += 1
        colours = _colours(pixels, lost_bits)
    palette = {colour: number for number, colour in enumerate(dict.fromkeys(colours))}
    return [palette[colour] for colour in colours], list(palette)


def _colours(pixels: bytes, lost_bits: int) -> list[tuple[int, int, int]]:
    half = (1 << lost_bits) >> 1
    rounded = [min(255, ((sample + half) >> lost_bits) << lost_bits) for sample in pixels]
    return list(zip(rounded[0::3], rounded[1::3], rounded[2::3], strict=True))


def _run_lengths(mask: bytearray, enlarged: int) -> str:
    """Return one colour's dots of a band; repeats are counted (`!n`), blanks at the end left out."""
    parts = []
    mask = mask.rstrip(b"\0")
    at = 0
    while at < len(mask):
        end = at + 1
        while end < len(mask) and mask[end] == mask[at]:
            end += 1
        parts.append(f"!{(end - at) * enlarged}{chr(63 + mask[at])}")
        at = end
    return "".join(parts)


def _base64(data: bytes) -> str:
    return b2a_base64(data, newline=False).decode("ascii")

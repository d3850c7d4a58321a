"""Pictures for the tests, encoded here and not by the program under test."""

import zlib
from collections.abc import Callable

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
SAMPLES = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}

Pixel = tuple[int, ...]


def chunk(name: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")


def header(width: int, height: int, kind: int, *, depth: int = 8, tail: bytes = b"\0\0\0") -> bytes:
    return chunk(b"IHDR", width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes((depth, kind)) + tail)


def filtered(rows: list[bytes], step: int, filter_of: Callable[[int], int]) -> bytes:
    """Filter rows as the PNG Specification, section 9, says; `filter_of` names the filter of each row."""
    result = bytearray()
    above = bytes(len(rows[0]))
    for number, row in enumerate(rows):
        kind = filter_of(number)
        result.append(kind)
        for at, value in enumerate(row):
            left, corner = (row[at - step], above[at - step]) if at >= step else (0, 0)
            estimate = left + above[at] - corner
            nearest = min((left, above[at], corner), key=lambda one: abs(estimate - one))
            guess = (0, left, above[at], (left + above[at]) // 2, nearest)[kind]
            result.append((value - guess) % 256)
        above = row
    return bytes(result)


def png(
    width: int,
    height: int,
    pixel: Callable[[int, int], Pixel],
    *,
    kind: int = RGBA,
    filter_of: Callable[[int], int] = lambda _row: 0,
    before_pixels: bytes = b"",
    pieces: int = 1,
) -> bytes:
    """Return a PNG whose samples at (column, row) are `pixel(column, row)`."""
    rows = [bytes(sample for column in range(width) for sample in pixel(column, row)) for row in range(height)]
    packed = zlib.compress(filtered(rows, SAMPLES[kind], filter_of), 9)
    size = -(-len(packed) // pieces)
    data = b"".join(chunk(b"IDAT", packed[start : start + size]) for start in range(0, len(packed), size))
    return SIGNATURE + header(width, height, kind) + before_pixels + data + chunk(b"IEND", b"")


def plain(colour: Pixel, side: int = 88) -> bytes:
    """Return a square of one colour."""
    return png(side, side, lambda _column, _row: colour)


def quarters(side: int = 88) -> bytes:
    """Return red, green, blue and nothing, clockwise from the upper left: 88 x 88 RGBA, as the ID server sends."""

    def pixel(column: int, row: int) -> Pixel:
        left, upper = column < side // 2, row < side // 2
        if upper:
            return (255, 0, 0, 255) if left else (0, 255, 0, 255)
        return (0, 0, 0, 0) if left else (0, 0, 255, 255)

    return png(side, side, pixel, filter_of=lambda row: row % 5)


def disc(colour: tuple[int, int, int], side: int = 88) -> bytes:
    """Return a disc on a transparent ground, with soft edges."""

    def pixel(column: int, row: int) -> Pixel:
        distance = ((column - side / 2 + 0.5) ** 2 + (row - side / 2 + 0.5) ** 2) ** 0.5
        return (*colour, max(0, min(255, round((side * 0.4 - distance) * 255))))

    return png(side, side, pixel, filter_of=lambda _row: 4)

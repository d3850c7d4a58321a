"""Access passes: pictures drawn in code, each a white symbol on a coloured tile, told apart by shape as well as colour.

A shape is its signed distance: how far a point lies outside of it (negative: inside), in units of half a tile. That
gives smooth edges for free. The PNG is what the real server's samples are: 88 x 88, 8-bit RGBA, about 2 kB.
"""

import math
import random
import struct
import zlib
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import NamedTuple

SIDE = 88
BLOCK = 4
BLOCK_REACH = (BLOCK * math.sqrt(2) + 1) / SIDE
"""From the middle of a block to its corner, and half a pixel's diagonal more."""
CHOICES = 4
"""The right picture and three decoys."""

Distance = Callable[[float, float], float]


class Tile(NamedTuple):
    """One access pass: the colour of its tile and the symbol on it."""

    colour: tuple[int, int, int]
    symbol: Distance


def choose() -> tuple[str, tuple[str, ...]]:
    """Name a picture, and the pictures among which the phone shows it, in the order shown."""
    chance = random.SystemRandom()
    choices = chance.sample(sorted(TILES), CHOICES)
    return chance.choice(choices), tuple(choices)


@cache
def picture(name: str) -> bytes:
    """Draw the access pass of this name as a PNG. KeyError: there is none."""
    tile = TILES[name]
    rows = [bytearray(1 + 4 * SIDE) for _ in range(SIDE)]  # each starts with PNG's filter type: 0, none
    for top in range(0, SIDE, BLOCK):
        for left in range(0, SIDE, BLOCK):
            _draw_block(tile, rows, top, left)
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 6, 0, 0, 0)
    pixels = zlib.compress(b"".join(rows), 9)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _draw_block(tile: Tile, rows: list[bytearray], top: int, left: int) -> None:
    """Draw a few pixels. No distance grows faster than one steps, so a block far from every edge is all alike."""
    centre = _place(left + BLOCK / 2), _place(top + BLOCK / 2)
    symbol, outline = tile.symbol(*centre), _OUTLINE(*centre)
    alike = min(abs(symbol), abs(outline)) > BLOCK_REACH
    for row in range(top, top + BLOCK):
        for column in range(left, left + BLOCK):
            if not alike:
                at = _place(column + 0.5), _place(row + 0.5)
                symbol, outline = tile.symbol(*at), _OUTLINE(*at)
            shade, whiteness = 1.08 - 0.32 * row / SIDE, _coverage(symbol)
            mixed = (min(255, round(c * shade + (255 - c * shade) * whiteness)) for c in tile.colour)
            rows[row][1 + 4 * column : 5 + 4 * column] = bytes((*mixed, round(255 * _coverage(outline))))


def _place(pixels: float) -> float:
    return 2 * pixels / SIDE - 1


def _coverage(distance: float) -> float:
    """How much of a pixel lies inside: 1 well inside, 0 well outside, the share in between."""
    return min(1.0, max(0.0, 0.5 - distance * SIDE / 2))


def _circle(radius: float, at_x: float = 0.0, at_y: float = 0.0) -> Distance:
    return lambda x, y: math.hypot(x - at_x, y - at_y) - radius


def _rounded_box(
    half_width: float, half_height: float, corner: float, at_x: float = 0.0, at_y: float = 0.0
) -> Distance:
    def distance(x: float, y: float) -> float:
        over_x, over_y = abs(x - at_x) - half_width + corner, abs(y - at_y) - half_height + corner
        return math.hypot(max(over_x, 0), max(over_y, 0)) + min(max(over_x, over_y), 0) - corner

    return distance


def _polygon(*corners: tuple[float, float]) -> Distance:
    sides = list(pairwise((*corners, corners[0])))

    def distance(x: float, y: float) -> float:
        nearest, inside = math.inf, False
        for (from_x, from_y), (to_x, to_y) in sides:
            run_x, run_y = to_x - from_x, to_y - from_y
            along = ((x - from_x) * run_x + (y - from_y) * run_y) / (run_x * run_x + run_y * run_y)
            along = min(1.0, max(0.0, along))
            nearest = min(nearest, math.hypot(x - from_x - along * run_x, y - from_y - along * run_y))
            if (from_y > y) != (to_y > y) and x < from_x + (y - from_y) / run_y * run_x:
                inside = not inside
        return -nearest if inside else nearest

    return distance


def _regular(points: int, outer: float, inner: float | None = None, turn: float = -90.0) -> Distance:
    """Make a regular polygon, or with an inner radius a star."""
    radii = [outer] * points if inner is None else [outer, inner] * points
    angles = (math.radians(turn + 360 * place / len(radii)) for place in range(len(radii)))
    return _polygon(*((r * math.cos(a), r * math.sin(a)) for r, a in zip(radii, angles, strict=True)))


def _any_of(*shapes: Distance) -> Distance:
    return lambda x, y: min(shape(x, y) for shape in shapes)


def _without(shape: Distance, *holes: Distance) -> Distance:
    return lambda x, y: max(shape(x, y), *(-hole(x, y) for hole in holes))


_OUTLINE = _rounded_box(0.97, 0.97, 0.3)
RED, ORANGE, GREEN, TEAL = (214, 56, 63), (217, 119, 6), (34, 139, 74), (13, 138, 143)
BLUE, VIOLET, PINK, SLATE = (38, 99, 213), (118, 67, 201), (200, 48, 128), (71, 85, 105)

_HEART = _any_of(
    _circle(0.31, -0.27, -0.2),
    _circle(0.31, 0.27, -0.2),
    _polygon((-0.53, -0.03), (-0.2, -0.2), (0.2, -0.2), (0.53, -0.03), (0, 0.6)),
)
_HOUSE = _without(
    _any_of(_polygon((-0.66, 0.02), (0, -0.58), (0.66, 0.02)), _rounded_box(0.44, 0.34, 0.04, 0, 0.26)),
    _rounded_box(0.13, 0.22, 0.02, 0, 0.4),
)
_KEY = _any_of(
    _without(_circle(0.33, -0.32, 0), _circle(0.14, -0.32, 0)),
    _rounded_box(0.4, 0.08, 0.03, 0.28, 0),
    _rounded_box(0.08, 0.16, 0.03, 0.58, 0.12),
    _rounded_box(0.07, 0.12, 0.03, 0.32, 0.1),
)
_TREE = _any_of(
    _polygon((0, -0.66), (0.4, -0.1), (-0.4, -0.1)),
    _polygon((0, -0.36), (0.54, 0.36), (-0.54, 0.36)),
    _rounded_box(0.1, 0.16, 0.02, 0, 0.5),
)
_SUN = _any_of(_circle(0.34), _without(_regular(8, 0.72, 0.4), _circle(0.42)))
_FISH = _without(
    _any_of(
        lambda x, y: max(_circle(0.62, -0.08, 0.3)(x, y), _circle(0.62, -0.08, -0.3)(x, y)),
        _polygon((0.28, 0), (0.68, -0.34), (0.68, 0.34)),
    ),
    _circle(0.07, -0.36, -0.06),
)

TILES: dict[str, Tile] = {
    "star": Tile(BLUE, _regular(5, 0.72, 0.3)),
    "heart": Tile(RED, _HEART),
    "moon": Tile(VIOLET, _without(_circle(0.58), _circle(0.5, 0.28, -0.14))),
    "sun": Tile(ORANGE, _SUN),
    "tree": Tile(GREEN, _TREE),
    "fish": Tile(TEAL, _FISH),
    "house": Tile(PINK, _HOUSE),
    "key": Tile(SLATE, _KEY),
    "ring": Tile(TEAL, _without(_circle(0.6), _circle(0.36))),
    "plus": Tile(RED, _any_of(_rounded_box(0.58, 0.18, 0.06), _rounded_box(0.18, 0.58, 0.06))),
    "diamond": Tile(VIOLET, _polygon((0, -0.66), (0.48, 0), (0, 0.66), (-0.48, 0))),
    "bolt": Tile(
        SLATE, _polygon((0.14, -0.68), (-0.44, 0.12), (-0.06, 0.12), (-0.16, 0.68), (0.44, -0.16), (0.06, -0.16))
    ),
    "triangle": Tile(GREEN, _regular(3, 0.66)),
    "square": Tile(ORANGE, _rounded_box(0.46, 0.46, 0.06)),
    "arrow": Tile(
        BLUE,
        _any_of(_polygon((0.04, -0.56), (0.66, 0), (0.04, 0.56)), _rounded_box(0.4, 0.16, 0.04, -0.24, 0)),
    ),
    "flower": Tile(
        PINK,
        _without(
            _any_of(
                *(_circle(0.25, 0.36 * math.cos(a), 0.36 * math.sin(a)) for a in (i * math.tau / 6 for i in range(6)))
            ),
            _circle(0.16),
        ),
    ),
}

"""The pictures: real PNGs that differ, drawn alike with and without the shortcut, and fairly chosen."""

import math
import struct
import zlib
from collections import Counter

import pytest

from secsign_gate.simulator import access_passes


def pixels(png: bytes) -> list[bytes]:
    """The RGBA pixels of a PNG with one IDAT chunk and no filters, checksums checked."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    rest, chunks = png[8:], {}
    while rest:
        (length,) = struct.unpack(">I", rest[:4])
        kind, data, checksum = rest[4:8], rest[8 : 8 + length], rest[8 + length : 12 + length]
        assert checksum == struct.pack(">I", zlib.crc32(kind + data))
        chunks[kind], rest = data, rest[12 + length :]
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    assert struct.unpack(">IIBBBBB", chunks[b"IHDR"]) == (88, 88, 8, 6, 0, 0, 0)
    raw = zlib.decompress(chunks[b"IDAT"])
    rows = [raw[start : start + 353] for start in range(0, len(raw), 353)]
    assert [len(row) for row in rows] == [353] * 88
    assert {row[0] for row in rows} == {0}
    return [row[start : start + 4] for row in rows for start in range(1, 353, 4)]


def test_all_pictures_differ_and_are_small() -> None:
    pictures = {name: access_passes.picture(name) for name in access_passes.TILES}
    assert len(set(pictures.values())) == len(pictures) >= 8
    assert max(map(len, pictures.values())) < 4096


@pytest.mark.parametrize("name", ["sun", "key", "flower"])
def test_a_picture_is_a_white_symbol_on_a_tile_with_transparent_corners(name: str) -> None:
    drawn = pixels(access_passes.picture(name))
    assert [drawn[corner][3] for corner in (0, 87, 87 * 88, 88 * 88 - 1)] == [0] * 4
    whiteness = sum(pixel == b"\xff\xff\xff\xff" for pixel in drawn) / len(drawn)
    assert 0.05 < whiteness < 0.6


@pytest.mark.parametrize("name", ["sun", "key", "flower"])
def test_the_shortcut_over_uniform_blocks_changes_no_pixel(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fast = access_passes.picture(name)
    monkeypatch.setattr(access_passes, "BLOCK_REACH", math.inf)
    assert access_passes.picture.__wrapped__(name) == fast


def test_the_right_picture_is_among_the_choices_and_in_no_favourite_place() -> None:
    places = Counter(choices.index(right) for right, choices in (access_passes.choose() for _ in range(400)))
    assert set(places) == {0, 1, 2, 3}

"""Fuzzes the reader of access passes: any bytes are a picture within its limits or PictureUnreadable.

    python tests/fuzz/fuzz_access_pass.py --seconds 600

Mutates good pictures in three depths: the file, its chunks with their checksums mended, and the pixels before they are
compressed. Keeps what got a new outcome. `one(data)` is the target, for any other fuzzer too.
"""

import random
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import drawn_png
import fuzzing

from secsign_gate.terminal.access_pass import cell_lines, read_access_pass
from secsign_gate.terminal.capabilities import COLOURS_8, COLOURS_256, NO_COLOURS, TRUE_COLOUR
from secsign_gate.terminal.png import PictureUnreadable

SIDE = 32
_CHANCE = random.Random(0)


def _noise(samples: int, limit: int = 256) -> Callable[[int, int], drawn_png.Pixel]:
    return lambda _column, _row: tuple(_CHANCE.randrange(limit) for _ in range(samples))


SEEDS = (
    drawn_png.quarters(16),
    drawn_png.disc((200, 30, 90), 20),
    *(
        drawn_png.png(
            9, 7, _noise(samples, 8), kind=kind, filter_of=lambda row: row % 5, before_pixels=before, pieces=2
        )
        for kind, samples in drawn_png.SAMPLES.items()
        for before in (
            drawn_png.chunk(b"tEXt", b"a\0b"),
            drawn_png.chunk(b"PLTE", bytes(range(24))) + drawn_png.chunk(b"tRNS", b"\0\x05"),
            drawn_png.chunk(b"tRNS", b"\0\x05\0\x05\0\x05"),
        )
    ),
)
NAMES = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"tEXt", b"abcd", b"ABCD", b"\0\0\0\0")


def one(data: bytes) -> str:
    """Read `data`, check the laws, return what came of it. Raises for a broken law only."""
    try:
        picture = read_access_pass(data, SIDE)
    except PictureUnreadable as fault:
        return str(fault)
    assert 1 <= picture.width <= SIDE
    assert 1 <= picture.height <= SIDE
    assert len(picture.pixels) == 3 * picture.width * picture.height
    for colours in (NO_COLOURS, COLOURS_8, COLOURS_256, TRUE_COLOUR):
        for half_blocks in (False, True):
            lines = cell_lines(picture, colours, half_blocks=half_blocks)
            halved = half_blocks and colours != NO_COLOURS
            assert len(lines) == (-(-picture.height // 2) if halved else picture.height)
    return f"{picture.width} x {picture.height}, kind {data[25]}"


def _chunks(png: bytes) -> list[tuple[bytes, bytes]]:
    """Take a file apart as far as it goes, whatever its checksums."""
    found = []
    position = len(drawn_png.SIGNATURE)
    while position + 12 <= len(png):
        length = int.from_bytes(png[position : position + 4], "big")
        found.append((png[position + 4 : position + 8], png[position + 8 : position + 8 + length]))
        position += 12 + length
    return found


def _mutated(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        start, end = sorted(chance.randrange(len(changed) + 1) for _ in range(2))
        match chance.randrange(5):
            case 0:
                changed[start:start] = chance.randbytes(chance.randint(1, 4))
            case 1:
                changed[start:end] = b""
            case 2:
                changed[start : start + 1] = bytes([chance.choice((0, 1, 2, 3, 4, 5, 6, 8, 16, 127, 128, 255))])
            case 3:
                changed[start:start] = changed[start:end]
            case _:
                changed[start : start + 1] = chance.randbytes(1)
    return bytes(changed)


def _with_other_chunks(png: bytes, chance: random.Random) -> bytes:
    chunks = _chunks(png) or [(b"IHDR", bytes(13))]
    at = chance.randrange(len(chunks))
    name, body = chunks[at]
    match chance.randrange(6):
        case 0:
            chunks[at] = (name, _mutated(body, chance))
        case 1:
            del chunks[at]
        case 2:
            chunks.insert(at, (chance.choice(NAMES), chance.randbytes(chance.randint(0, 12))))
        case 3:
            other = chance.randrange(len(chunks))
            chunks[at], chunks[other] = chunks[other], chunks[at]
        case 4:
            chunks[at] = (chance.choice(NAMES), body)
        case _:
            chunks = [_repacked(*chunk, chance) for chunk in chunks]
    return drawn_png.SIGNATURE + b"".join(drawn_png.chunk(*chunk) for chunk in chunks)


def _repacked(name: bytes, body: bytes, chance: random.Random) -> tuple[bytes, bytes]:
    """Change the pixels themselves, under their compression."""
    if name != b"IDAT":
        return name, body
    inflate = zlib.decompressobj()
    try:
        rows = inflate.decompress(body, 100_000)
    except zlib.error:
        return name, body
    return name, zlib.compress(_mutated(rows, chance), 1)


def mutated(chance: random.Random, corpus: list[bytes]) -> bytes:
    """Make another input of the corpus."""
    data = chance.choice(corpus)
    for _ in range(chance.randint(1, 3)):
        data = _mutated(data, chance) if chance.random() < 0.2 else _with_other_chunks(data, chance)
    return data[: 128 * 1024]


def run(seed: int, executions: int | None = None, seconds: float | None = None) -> int:
    """Run until either limit and return the number of executions. An input that breaks a law is printed first."""
    return fuzzing.fuzz(one, SEEDS, mutated, seed=seed, executions=executions, seconds=seconds)


if __name__ == "__main__":
    fuzzing.main(__doc__, {"": run})

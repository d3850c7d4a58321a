"""Read the few kinds of PNG that an access pass may be; write the simplest one.

The picture comes from the ID server and is read with the least power there is: in the user's own process, row by row,
never more than the size that the header promised, and the header may promise little. Of all that the format can do
(PNG Specification, third edition) this takes 8 bits a sample, not interlaced. Anything else is PictureUnreadable.
"""

from zlib import compress, crc32, decompressobj
from zlib import error as ZlibError  # noqa: N812 - zlib spells a class in lower case

MAX_BYTES = 64 * 1024
MAX_SIDE = 512

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGB_ALPHA = 0, 2, 3, 4, 6
_SAMPLES = {_GREY: 1, _RGB: 3, _PALETTE: 1, _GREY_ALPHA: 2, _RGB_ALPHA: 4}
_IHDR_LENGTH = 13
_PALETTE_LIMIT = 256 * 3

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class PictureUnreadable(Exception):
    """These bytes are no picture that an access pass may be. Never leaves this folder: it becomes words."""


class Png:
    """A picture whose frame has been checked: sizes, order and checksums of its chunks. Its pixels come from `rows`.

    `png` is the whole file. Raises PictureUnreadable for more than 64 KiB, more than 512 x 512 pixels, anything that
    is not 8 bits a sample, interlacing, and every offence against the format that matters.
    """

    __slots__ = ("_compressed", "_kind", "_palette", "_transparent", "height", "width")

    def __init__(self, png: bytes) -> None:
        self._palette: list[bytes] = []
        self._transparent = b""
        self._compressed: list[bytes] = []
        self._kind = -1
        self.width = self.height = 0
        previous = b""
        for name, body in _chunks(png):
            if (name == b"IHDR") != (previous == b""):
                raise PictureUnreadable("the header is not the first chunk")
            self._take(name, body, previous)
            previous = name
        if not self._compressed:
            raise PictureUnreadable("there are no pixels")
        if self._kind == _PALETTE and not self._palette:
            raise PictureUnreadable("the palette is missing")

    def _take(self, name: bytes, body: bytes, previous: bytes) -> None:
        if name == b"IHDR":
            self._take_header(body)
        elif name == b"PLTE":
            self._take_palette(body)
        elif name == b"tRNS":
            self._take_transparency(body)
        elif name == b"IDAT":
            if self._compressed and previous != b"IDAT":
                raise PictureUnreadable("the pixels are not in one piece")
            self._compressed.append(body)
        elif name != b"IEND" and name[:1].isupper():
            raise PictureUnreadable("a chunk is unknown that must be understood")

    def _take_header(self, body: bytes) -> None:
        if len(body) != _IHDR_LENGTH:
            raise PictureUnreadable("the header has a wrong length")
        self.width = int.from_bytes(body[0:4], "big")
        self.height = int.from_bytes(body[4:8], "big")
        if not (1 <= self.width <= MAX_SIDE and 1 <= self.height <= MAX_SIDE):
            raise PictureUnreadable(f"more than {MAX_SIDE} x {MAX_SIDE} pixels, or none")
        depth, self._kind = body[8], body[9]
        if depth != 8 or self._kind not in _SAMPLES or body[10:] != b"\0\0\0":  # noqa: PLR2004 - 8 bits a sample
            raise PictureUnreadable("not 8 bits a sample, or interlaced")

    def _take_palette(self, body: bytes) -> None:
        if self._palette or self._compressed or self._kind in (_GREY, _GREY_ALPHA):
            raise PictureUnreadable("a palette where none may be")
        if not body or len(body) % 3 or len(body) > _PALETTE_LIMIT:
            raise PictureUnreadable("the palette has a wrong length")
        # For colours without an index it is a suggestion that nobody needs.
        if self._kind == _PALETTE:
            self._palette = [body[start : start + 3] for start in range(0, len(body), 3)]

    def _take_transparency(self, body: bytes) -> None:
        fits = {
            _GREY: len(body) == 2,  # noqa: PLR2004 - one sample of 16 bits
            _RGB: len(body) == 6,  # noqa: PLR2004 - three
            _PALETTE: 1 <= len(body) <= len(self._palette),
        }
        if self._transparent or self._compressed or not fits.get(self._kind, False):
            raise PictureUnreadable("transparency where none may be, or of a wrong length")
        # The high bytes of 16-bit samples are zero in a picture of 8 bits.
        self._transparent = body if self._kind == _PALETTE else body[1::2]

    def rows(self) -> "Iterator[bytes]":
        """Yield `height` rows of `width` pixels, 3 bytes each (red, green, blue), as seen on a white ground.

        Raises PictureUnreadable on the way if the compressed data is broken, too short or too long.
        """
        samples = _SAMPLES[self._kind]
        stride = self.width * samples
        colours = self._colours_on_white()
        pieces = _inflated(self._compressed, 1 + stride, self.height)
        previous = bytearray(stride)
        for piece in pieces:
            row = bytearray(piece[1:])
            _unfilter(piece[0], row, previous, samples)
            yield self._on_white(row, colours)
            previous = row

    def _colours_on_white(self) -> list[bytes]:
        """Return the palette as it looks on white."""
        shown = []
        for index, colour in enumerate(self._palette):
            alpha = self._transparent[index] if index < len(self._transparent) else 255
            shown.append(_over_white(colour, bytes([alpha] * 3)))
        return shown

    def _on_white(self, row: bytearray, colours: list[bytes]) -> bytes:
        match self._kind:
            case 0:  # grey
                if self._transparent:
                    row = row.replace(self._transparent, b"\xff")
                return _interleaved(row, row, row)
            case 2:  # red, green, blue
                return bytes(row) if not self._transparent else self._without_colour_key(row)
            case 3:  # palette
                if max(row) >= len(colours):
                    raise PictureUnreadable("a pixel has a colour that is not in the palette")
                return b"".join([colours[index] for index in row])
            case 4:  # grey, alpha
                grey = _over_white(row[0::2], row[1::2])
                return _interleaved(grey, grey, grey)
            case _:  # red, green, blue, alpha
                alpha = row[3::4]
                if alpha.count(255) == len(alpha):
                    return _interleaved(row[0::4], row[1::4], row[2::4])
                red, green, blue = (_over_white(row[place::4], alpha) for place in range(3))
                return _interleaved(red, green, blue)

    def _without_colour_key(self, row: bytearray) -> bytes:
        key = self._transparent
        pixels = (bytes(row[start : start + 3]) for start in range(0, len(row), 3))
        return b"".join([b"\xff\xff\xff" if pixel == key else pixel for pixel in pixels])


def _chunks(png: bytes) -> "Iterator[tuple[bytes, bytes]]":
    """Yield (name, body) of every chunk up to IEND, after checking length and checksum."""
    if len(png) > MAX_BYTES:
        raise PictureUnreadable(f"more than {MAX_BYTES} bytes")
    if not png.startswith(_SIGNATURE):
        raise PictureUnreadable("not a PNG")
    position = len(_SIGNATURE)
    while position + 12 <= len(png):
        length = int.from_bytes(png[position : position + 4], "big")
        end = position + 8 + length
        if end + 4 > len(png):
            break
        name, body = png[position + 4 : position + 8], png[position + 8 : end]
        if not name.isalpha():
            raise PictureUnreadable("a chunk has no name")
        if crc32(png[position + 4 : end]) != int.from_bytes(png[end : end + 4], "big"):
            raise PictureUnreadable("a checksum is wrong")
        yield name, body
        position = end + 4
        if name == b"IEND":
            if position != len(png):
                raise PictureUnreadable("something follows the end")
            return
    raise PictureUnreadable("the end is missing")


def _inflated(compressed: list[bytes], size: int, count: int) -> "Iterator[bytes]":
    """Yield `count` pieces of `size` bytes; never asks zlib for a byte more than is needed next."""
    inflate = decompressobj()
    try:
        waiting = b"".join(compressed)
        for _ in range(count):
            piece = b""
            while len(piece) < size:
                more = inflate.decompress(waiting, size - len(piece))
                waiting = inflate.unconsumed_tail
                if not more:
                    raise PictureUnreadable("there are fewer pixels than the header says")
                piece += more
            yield piece
        if inflate.decompress(waiting, 1) or not inflate.eof or inflate.unused_data:
            raise PictureUnreadable("there are more pixels than the header says")
    except ZlibError:
        raise PictureUnreadable("the pixels cannot be unpacked") from None


def _unfilter(kind: int, row: bytearray, above: bytearray, step: int) -> None:
    """Undo the filter of one row in place (PNG Specification, section 9). `step` is the bytes of a pixel."""
    length = len(row)
    match kind:
        case 0:
            pass
        case 1:
            for at in range(step, length):
                row[at] = (row[at] + row[at - step]) & 255
        case 2:
            row[:] = bytes([(one + other) & 255 for one, other in zip(row, above, strict=True)])
        case 3:
            for at in range(length):
                left = row[at - step] if at >= step else 0
                row[at] = (row[at] + (left + above[at]) // 2) & 255
        case 4:
            _undo_paeth(row, above, step)
        case _:
            raise PictureUnreadable("a row has an unknown filter")


def _undo_paeth(row: bytearray, above: bytearray, step: int) -> None:
    """Add to each byte whichever neighbour is nearest to left + above - corner; ties go left, above, corner."""
    length = len(row)
    for at in range(min(step, length)):
        row[at] = (row[at] + above[at]) & 255  # nothing at the left: the one above is always nearest
    for at in range(step, length):
        nearest, up, corner = row[at - step], above[at], above[at - step]
        # Most of a drawn picture is flat, and then one of the first two comparisons decides.
        if up != corner:
            if nearest == corner:
                nearest = up
            else:
                to_left, to_up, to_corner = abs(up - corner), abs(nearest - corner), abs(nearest + up - 2 * corner)
                if to_left > to_up or to_left > to_corner:
                    nearest = up if to_up <= to_corner else corner
        row[at] = (row[at] + nearest) & 255


def _over_white(samples: bytes | bytearray, alphas: bytes | bytearray) -> bytes:
    """Return the samples as they look on white, each by its alpha."""
    return bytes([255 - (255 - sample) * alpha // 255 for sample, alpha in zip(samples, alphas, strict=True)])


def _interleaved(red: bytes | bytearray, green: bytes | bytearray, blue: bytes | bytearray) -> bytes:
    pixels = bytearray(3 * len(red))
    pixels[0::3], pixels[1::3], pixels[2::3] = red, green, blue
    return bytes(pixels)


def write_png(width: int, height: int, pixels: bytes) -> bytes:
    """Return a PNG of `pixels` (3 bytes each, row after row), without anything that is not needed."""
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes((8, _RGB, 0, 0, 0))
    stride = 3 * width
    rows = b"".join(b"\0" + pixels[start : start + stride] for start in range(0, height * stride, stride))
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", compress(rows, 9)) + _chunk(b"IEND", b"")


def _chunk(name: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + name + body + crc32(name + body).to_bytes(4, "big")

"""The access pass for one window: which way of drawing, where it goes, how big it is. Pure."""

from secsign_gate.terminal import words
from secsign_gate.terminal.access_pass import cell_lines, read_access_pass
from secsign_gate.terminal.capabilities import ITERM2, KITTY, NO_COLOURS, SIXEL, Capabilities
from secsign_gate.terminal.graphics import iterm2, kitty, sixel
from secsign_gate.terminal.png import PictureUnreadable

MARGIN = 2  # columns left of everything
GAP = 3  # columns between picture and text
NARROWEST = 20  # columns; below, one line is all that makes sense
_TEXT_BESIDE = 34  # columns that text needs to stand beside a picture
_TEXT_ABOVE = 9  # rows that all of the text needs
_LARGEST_CELLS = 22  # rows
_SMALLEST_CELLS = 8  # rows; with fewer than 16 x 16 pixels one sign looks like another
_SMALLEST_INK = 11  # rows; without colours the shape alone must do
_LARGEST_GRAPHIC = 11  # rows; a protocol's picture has all its pixels at any size
_SMALLEST_GRAPHIC = 3
_GRAPHIC_SIDE = 128  # pixels; the ID server's are 88


class Window:
    """The size of a window: `columns` x `rows` cells, each `cell_width` x `cell_height` dots, 0 if not known."""

    __slots__ = ("cell_height", "cell_width", "columns", "rows")

    def __init__(self, columns: int, rows: int, cell_width: int = 0, cell_height: int = 0) -> None:
        self.columns = columns
        self.rows = rows
        self.cell_width = cell_width
        self.cell_height = cell_height

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Window) and (self.columns, self.rows) == (other.columns, other.rows)

    __hash__ = None  # type: ignore[assignment]  # compared, never a key

    @property
    def known(self) -> bool:
        """Whether there is a size at all: a script behind `ssh -tt` has a terminal of 0 x 0."""
        return self.columns > 0 and self.rows > 0


class Place:
    """Where a picture goes: `columns` x `rows` cells, with the text beside it or above it."""

    __slots__ = ("beside", "columns", "rows")

    def __init__(self, rows: int, *, beside: bool) -> None:
        self.columns = 2 * rows
        self.rows = rows
        self.beside = beside


class PlacedPicture:
    """What to draw: `lines`, as many and as wide as `place` says, and over them `graphic`, if it is not empty.

    `became` is one of words.NO_PICTURE, words.SHOWN and so on. Without a place there are no lines.
    """

    __slots__ = ("became", "graphic", "lines", "place")

    def __init__(self, became: int, place: Place | None = None, lines: tuple[str, ...] = (), graphic: str = "") -> None:
        self.became = became
        self.place = place
        self.lines = lines
        self.graphic = graphic


def place_picture(png: bytes, window: Window, terminal: Capabilities) -> PlacedPicture:
    """Draw the PNG as well as the terminal can. Never raises: what cannot be shown is said in `became`."""
    if not png:
        return PlacedPicture(words.NO_PICTURE)
    protocol = terminal.graphics
    if protocol == SIXEL and not window.cell_height:
        protocol = ""  # without the size of a cell nobody knows how many rows the dots would take
    coloured = terminal.colours != NO_COLOURS
    place = _place(window, _SMALLEST_CELLS if coloured else _SMALLEST_INK, graphic=bool(protocol))
    if place is None:
        return PlacedPicture(words.TOO_SMALL)
    try:
        if protocol:
            blank = " " * place.columns
            return PlacedPicture(words.SHOWN, place, (blank,) * place.rows, _graphic(png, place, window, protocol))
        return _in_cells(png, place, terminal)
    except PictureUnreadable:
        return PlacedPicture(words.UNREADABLE)


def _place(window: Window, fewest_rows: int, *, graphic: bool) -> Place | None:
    """Return the best place for a square picture, None if there is no room for one that can be recognised.

    `fewest_rows` is for a picture in cells; a `graphic` does with less.
    """
    largest, smallest = (_LARGEST_GRAPHIC, _SMALLEST_GRAPHIC) if graphic else (_LARGEST_CELLS, fewest_rows)
    # A third of the window stays for what stood there before, unless the picture would get too small.
    tallest = min(largest, max(smallest, window.rows * 2 // 3))
    columns = window.columns - 1 - MARGIN
    rows = window.rows - int(graphic)  # a terminal may move the cursor below a graphic: that row must exist
    beside = min(tallest, rows, (columns - GAP - _TEXT_BESIDE) // 2)
    above = min(tallest, max(smallest, rows - _TEXT_ABOVE), rows - 2, columns // 2)
    if window.columns < NARROWEST or max(beside, above) < smallest:
        return None
    return Place(beside, beside=True) if beside >= above else Place(above, beside=False)


def _graphic(png: bytes, place: Place, window: Window, protocol: str) -> str:
    if protocol == KITTY:
        return kitty(read_access_pass(png, _GRAPHIC_SIDE), place.columns, place.rows)
    if protocol == ITERM2:
        return iterm2(read_access_pass(png, _GRAPHIC_SIDE), place.columns, place.rows)
    dots = min(place.columns * window.cell_width, place.rows * window.cell_height)
    picture = read_access_pass(png, max(1, min(_GRAPHIC_SIDE, dots)))
    return sixel(picture, max(1, dots // max(picture.width, picture.height)))


def _in_cells(png: bytes, place: Place, terminal: Capabilities) -> PlacedPicture:
    coloured = terminal.colours != NO_COLOURS
    half_blocks = terminal.utf8 and coloured
    picture = read_access_pass(png, place.columns, tall_pixels=not half_blocks)
    rest = " " * (place.columns - picture.width)
    lines = [line + rest for line in cell_lines(picture, terminal.colours, half_blocks=half_blocks)]
    lines += [" " * place.columns] * (place.rows - len(lines))
    return PlacedPicture(words.SHOWN if coloured else words.SHAPE_ONLY, place, tuple(lines))

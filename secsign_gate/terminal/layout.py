"""What stands where while the phone is asked: rows of text beside or above the access pass, for a window of any size.

Pure: sizes and facts in, rows out. A row never reaches the last column, so that no terminal wraps it. Where the rows go
on a real screen, and how they come off it again, is screen.py's part.
"""

from secsign_gate.terminal import words
from secsign_gate.terminal.capabilities import NO_COLOURS, Capabilities
from secsign_gate.terminal.countdown import Countdown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from secsign_gate.wire import Progress

_MARGIN = 2
_GAP = 3
_NARROWEST = 20  # columns; below, one line is all that makes sense
_SHORTEST = 3  # rows
_WIDEST_TEXT = 60
_SMALLEST_TEXT = 34  # columns that text needs to stand beside a picture
_LARGEST_PICTURE = 22  # rows of cells
_SMALLEST_PICTURE = 8  # rows; with fewer than 16 x 16 pixels one sign looks like another
_LARGEST_GRAPHIC = 11  # rows: a protocol's picture has all its pixels at any size
_SMALLEST_GRAPHIC = 3
_LABEL = 8

_BOLD, _DIM, _PLAIN = "1", "2", ""
_CALM, _REACHED, _URGENT = "36", "32", "33"  # cyan, green, yellow: told apart on dark and light grounds


class Place:
    """Where the picture goes: `columns` x `rows` cells, text beside it or above it."""

    __slots__ = ("beside", "columns", "rows")

    def __init__(self, rows: int, *, beside: bool) -> None:
        self.columns = 2 * rows
        self.rows = rows
        self.beside = beside


def place_for_picture(columns: int, rows: int, *, graphic: bool) -> Place | None:
    """Return the best place in a window of `columns` x `rows`, None if there is none. `graphic`: a protocol draws it."""
    largest = _LARGEST_GRAPHIC if graphic else _LARGEST_PICTURE
    smallest = _SMALLEST_GRAPHIC if graphic else _SMALLEST_PICTURE
    below = 1 if graphic else 0  # some terminals move the cursor into the row under a graphic: it must exist
    # A third of the window stays for what stood there before, unless the picture would get too small.
    tall = min(largest, max(smallest, rows * 2 // 3))
    beside = min(tall, rows - 1 - below, (columns - 1 - _MARGIN - _GAP - _SMALLEST_TEXT) // 2)
    above = min(tall, rows - 2 - below, (columns - 1 - _MARGIN) // 2)
    if max(beside, above) < smallest or columns < _NARROWEST:
        return None
    return Place(beside, beside=True) if beside >= min(above, tall) else Place(above, beside=False)


class Row:
    """One row of the screen: `cells` of the picture first (self-contained, `column` is where they end), then `text`."""

    __slots__ = ("cells", "column", "text")

    def __init__(self, cells: str, column: int, text: str) -> None:
        self.cells = cells
        self.column = column
        self.text = text

    def whole(self) -> str:
        """Return what draws the row from its first column."""
        return self.cells + (" " * self.column if not self.cells and self.text else "") + self.text


class Facts:
    """All that the text depends on, apart from the window. `picture` is one of words.NO_PICTURE, words.SHOWN, …"""

    __slots__ = ("capabilities", "countdown", "now", "picture", "progress")

    def __init__(
        self, progress: "Progress", countdown: Countdown, now: float, capabilities: Capabilities, picture: int
    ) -> None:
        self.progress = progress
        self.countdown = countdown
        self.now = now
        self.capabilities = capabilities
        self.picture = picture


def arrange(facts: Facts, columns: int, rows: int, place: Place | None, lines: list[str]) -> list[Row]:
    """Return at most `rows` rows for a window that is `columns` wide.

    `lines` are the picture's cells for `place`; blanks stand in for a graphic. The first row is kept empty where there
    is room: the cursor rests there, and what the person types ahead shows up there.
    """
    if columns < _NARROWEST or rows < _SHORTEST:
        return [Row("", 0, words.cut(words.tiny(facts.countdown.seconds_left(facts.now)), max(0, columns - 1)))]
    if place is None:
        return [Row("", _MARGIN, text) for text in _text(facts, columns - 1 - _MARGIN, rows, first_row_empty=True)]
    cells = [" " * _MARGIN + line for line in lines]
    if not place.beside:
        text = _text(facts, columns - 1 - _MARGIN, rows - len(cells), first_row_empty=True)
        return [Row("", _MARGIN, line) for line in text] + [Row(line, _MARGIN, "") for line in cells]
    column = _MARGIN + place.columns + _GAP
    text = _text(facts, columns - 1 - column, len(cells), first_row_empty=False)
    above = (len(cells) - len(text)) // 2
    text = [""] * above + text + [""] * (len(cells) - len(text) - above)
    beside = [Row(line + " " * _GAP, column, words_) for line, words_ in zip(cells, text, strict=True)]
    return [Row("", 0, ""), *beside] if len(beside) < rows else beside


def _text(facts: Facts, width: int, rows: int, *, first_row_empty: bool) -> list[str]:
    """Return the lines of text, the least important left out until they fit into `rows`."""
    width = min(width, _WIDEST_TEXT)
    stage, picture = facts.progress.stage, facts.picture
    lines: list[tuple[int, str]] = []  # (rank, text): rank 0 goes last
    if first_row_empty:
        lines.append((8, ""))
    for rank, (label, text) in enumerate(words.facts(facts.progress), 3):
        value = words.cut(text, max(0, width - _LABEL))
        lines.append((rank, _style(_DIM, label.ljust(_LABEL)) + _style(_BOLD if label == "login" else _PLAIN, value)))
    lines.append((7, ""))
    lines.append((0, _style(_BOLD, _fitting(words.instruction(stage, picture), width))))
    hint = words.picture_hint(picture)
    if hint:
        lines.append((2, _fitting(hint, width)))
    lines.append((1, _bar(facts, width)))
    lines.append((9, ""))
    lines.append((10, _style(_DIM, _fitting(words.way_out(), width))))
    while len(lines) > max(1, rows):
        lines.remove(max(lines, key=lambda line: line[0]))
    return [text for _, text in lines]


def _bar(facts: Facts, width: int) -> str:
    left, gone, number = facts.countdown.bar(facts.now, width, facts.capabilities.utf8)
    colour = _PLAIN
    if facts.capabilities.colours != NO_COLOURS:
        reached = _REACHED if facts.progress.stage == "fetched" else _CALM
        colour = _URGENT if facts.countdown.urgent(facts.now) else reached
    return _style(colour, left) + _style(_DIM, gone) + number


def _fitting(wordings: tuple[str, ...], width: int) -> str:
    """Return the longest wording that fits, or the shortest one cut."""
    for wording in wordings:
        if len(wording) <= width:
            return wording
    return words.cut(wordings[-1], width)


def _style(parameter: str, text: str) -> str:
    return f"\x1b[{parameter}m{text}\x1b[0m" if parameter and text else text

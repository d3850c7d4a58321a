"""What stands where while the phone is asked: rows of text, beside or above the access pass.

Pure: sizes and facts in, rows out. A row never reaches the last column, so that no terminal wraps it. Where the rows go
on a real screen, and how they come off it again, is screen.py's part.
"""

from secsign_gate.terminal import words
from secsign_gate.terminal.capabilities import NO_COLOURS, Capabilities
from secsign_gate.terminal.countdown import Countdown
from secsign_gate.terminal.placed_picture import GAP, MARGIN, NARROWEST, PlacedPicture, Window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from secsign_gate.wire import Progress

_SHORTEST = 3  # rows; below, one line is all that makes sense
_WIDEST_TEXT = 60
_LABEL = 8

_BOLD, _DIM, _PLAIN = "1", "2", ""
_CALM, _REACHED, _URGENT = "36", "32", "33"  # cyan, green, yellow: told apart on dark and light grounds


class Row:
    """One row of the screen.

    `cells` is what stands at its left, part of the picture or empty. `text` begins at `column` (from 0); it is None
    where no text ever stands.
    """

    __slots__ = ("cells", "column", "text")

    def __init__(self, cells: str, column: int, text: str | None) -> None:
        self.cells = cells
        self.column = column
        self.text = text


class Facts:
    """All that the words depend on, apart from the window. `now` is as in terminal/countdown.py."""

    __slots__ = ("countdown", "now", "progress", "terminal")

    def __init__(self, progress: "Progress", countdown: Countdown, now: float, terminal: Capabilities) -> None:
        self.progress = progress
        self.countdown = countdown
        self.now = now
        self.terminal = terminal


def arrange(facts: Facts, window: Window, picture: PlacedPicture) -> list[Row]:
    """Return the rows, at least one and at most as many as the window has.

    The first row is kept empty where there is room: the cursor rests there, and what the person types shows up there.
    """
    room = window.columns - 1
    if window.columns < NARROWEST or window.rows < _SHORTEST:
        tiny = words.tiny(facts.countdown.seconds_left(facts.now))
        return [Row("", 0, _fitting(tiny, max(0, room)))]
    place = picture.place
    if place is None:
        return [Row("", MARGIN, text) for text in _text(facts, picture, room - MARGIN, window.rows, apart=True)]
    cells = [" " * MARGIN + line for line in picture.lines]
    # Some terminals move the cursor below a graphic: the row under it must exist, or they scroll.
    below = [Row("", 0, None)] if picture.graphic else []
    if not place.beside:
        rows = window.rows - len(cells) - len(below)
        text = _text(facts, picture, room - MARGIN, rows, apart=True)
        if len(text) < rows:
            text.append("")
        return [Row("", MARGIN, line) for line in text] + [Row(line, 0, None) for line in cells] + below
    column = MARGIN + place.columns + GAP
    text = _text(facts, picture, room - column, len(cells), apart=False)
    above = (len(cells) - len(text)) // 2
    text = [""] * above + text + [""] * (len(cells) - len(text) - above)
    beside = [Row(line + " " * GAP, column, right) for line, right in zip(cells, text, strict=True)] + below
    return [Row("", 0, ""), *beside] if len(beside) < window.rows else beside


def _text(facts: Facts, picture: PlacedPicture, width: int, rows: int, *, apart: bool) -> list[str]:
    """Return at most `rows` lines, at most `width` wide, the least important left out. `apart`: an empty line first."""
    width = min(width, _WIDEST_TEXT)
    ranked: list[tuple[int, str]] = []  # the highest rank is left out first
    if apart:
        ranked.append((8, ""))
    for rank, (label, text) in enumerate(words.facts(facts.progress), 3):
        value = words.cut(text, max(0, width - _LABEL))
        ranked.append((rank, _style(_DIM, label.ljust(_LABEL)) + _style(_BOLD if rank == 3 else _PLAIN, value)))  # noqa: PLR2004
    ranked.append((7, ""))
    instruction = words.instruction(facts.progress.stage, facts.progress.place, picture.became)
    ranked.append((0, _style(_BOLD, _fitting(instruction, width))))
    hint = words.picture_hint(picture.became)
    if hint:
        ranked.append((2, _fitting(hint, width)))
    ranked.append((1, _bar(facts, width)))
    ranked.append((9, ""))
    ranked.append((10, _style(_DIM, _fitting(words.way_out(), width))))
    while len(ranked) > rows:
        ranked.remove(max(ranked))
    return [text for _, text in ranked]


def _bar(facts: Facts, width: int) -> str:
    left, gone, number = facts.countdown.bar(facts.now, width, facts.terminal.utf8)
    colour = _PLAIN
    if facts.terminal.colours != NO_COLOURS:
        calm = _REACHED if facts.progress.stage == "fetched" else _CALM
        colour = _URGENT if facts.countdown.urgent(facts.now) else calm
    return _style(colour, left) + _style(_DIM, gone) + number


def _fitting(wordings: tuple[str, ...], width: int) -> str:
    """Return the longest wording that fits, else the shortest one cut."""
    for wording in wordings:
        if len(wording) <= width:
            return wording
    return words.cut(wordings[-1], width)


def _style(parameter: str, text: str) -> str:
    return f"\x1b[{parameter}m{text}\x1b[0m" if parameter and text else text

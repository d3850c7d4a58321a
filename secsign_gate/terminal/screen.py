"""What a person with a terminal sees while the phone is asked. The only file here that touches the terminal.

It reads no input and changes no setting of the terminal or its descriptor: all of that belongs to the program that runs
later. So it never knows where the cursor is, and keeps to movements that cannot go wrong:

- It draws below the cursor, on rows that it has made sure exist, and rests the cursor on the first of them. What is at
  or below the cursor is then ours, however the terminal reflows or scrolls, and nothing above it is ever touched.
- Before each change it returns to that place by the terminal's own memory of it (DECSC, DECRC), because the terminal
  echoes what the person types ahead. After a change of the window's size that memory may be wrong; the cursor is not.
- It writes no more than the terminal takes at once. A terminal stopped by Ctrl-S, or a client that no longer reads,
  makes it skip a picture, not wait: whoever watches for the client's leaving must go on watching.
- It neither hides the cursor nor takes the alternate screen: a connection that breaks would leave them so.
"""

import sys
from errno import ENOTTY
from fcntl import ioctl
from posix import write
from select import POLLOUT, poll
from termios import FIONREAD, TIOCGWINSZ
from time import monotonic

from secsign_gate.terminal import words
from secsign_gate.terminal.capabilities import KITTY, capabilities
from secsign_gate.terminal.countdown import Countdown
from secsign_gate.terminal.graphics import kitty_delete
from secsign_gate.terminal.layout import Facts, Row, arrange
from secsign_gate.terminal.placed_picture import MARGIN, PlacedPicture, Window, place_picture

TYPE_CHECKING = False
if TYPE_CHECKING:
    from secsign_gate.wire import Progress

_PLAIN, _ERASE_BELOW, _ERASE_RIGHT = "\x1b[0m", "\x1b[J", "\x1b[K"
_REMEMBER, _RECALL = "\x1b7", "\x1b8"
# Remembered anew at once: there are terminals that forget the place when they return to it.
_RETURN = _RECALL + _REMEMBER
_NEXT_ROW = "\r\n"

# The kernel calls a terminal writable when it takes at least 256 bytes; each line feed may become two of them.
_BLOCK = 128
_DRAWING_SECONDS = 0.05
_ENDING_SECONDS = 3.0
_SENTENCE_LIMIT = 1000


class Screen:
    """The words and the picture on one terminal, from the first message to the one sentence that remains.

    `fd` is the terminal. `environ` is what sshd passed on; it chooses how to draw. Every method, the constructor too,
    raises OSError if the terminal is gone, which means that the client left. None waits for one that takes no more.
    """

    def __init__(self, fd: int, environ: dict[bytes, bytes]) -> None:
        self._fd = fd
        self._outlet = _Outlet(fd)
        self._terminal = capabilities(environ)
        self._countdown = Countdown()
        self._progress: Progress | None = None
        self._png = b""
        self._drawn: _Drawn | None = None
        self._stale = False
        self._lines_only = not self._terminal.draws or not _window(fd).known
        self._said = False

    def show(self, progress: "Progress", now: float) -> None:
        """Show new facts. `now` is in seconds, of the clock that `tick` gets too. An access pass stays once it came."""
        if self._progress is not None and self._progress.stage == "queued" != progress.stage:
            self._countdown = Countdown()  # the phone's time begins, whatever the line took
        self._progress = progress
        self._countdown.announce(progress.seconds_left, now)
        if progress.access_pass and progress.access_pass != self._png:
            self._png = progress.access_pass
            self._stale = True
        if not self._lines_only:
            self._draw(progress, now)
        elif progress.stage != "asking":
            self._say(progress)

    def tick(self, now: float) -> None:
        """Let the countdown go on and follow the window's size. To be called about once a second."""
        if self._progress is None:
            return
        if not self._lines_only:
            self._draw(self._progress, now)
        elif self._progress.stage != "asking":
            self._say(self._progress)

    def end(self, sentence: str) -> None:
        """Take away everything drawn and leave `sentence` on a line of its own, or nothing if it is empty.

        The only method that may take time: up to 3 seconds if the terminal is stopped, then it gives up.
        """
        text = words.printable(sentence, _SENTENCE_LIMIT) + _NEXT_ROW if sentence else ""
        if self._drawn is not None:
            moved = self._drawn.window != _window(self._fd)
            text = ("\r" if moved else _RECALL) + self._erase() + text
        self._drawn = self._progress = None
        self._outlet.put(text)
        self._outlet.flush(_ENDING_SECONDS)

    def _say(self, progress: "Progress") -> None:
        """Say the one line that a terminal gets which cannot be drawn on."""
        if not self._said:
            self._said = True
            self._outlet.put(words.asking(progress) + _NEXT_ROW)
        self._outlet.flush(_DRAWING_SECONDS)

    def _draw(self, progress: "Progress", now: float) -> None:
        """Bring the screen up to date: its text always, all of it where something else may have got in between."""
        if not self._outlet.flush(_DRAWING_SECONDS):
            return
        window, typed, drawn = _window(self._fd), _lines_typed(self._fd), self._drawn
        if not window.known:
            return
        facts = Facts(progress, self._countdown, now, self._terminal)
        if drawn is not None and drawn.window == window and drawn.typed == typed and not self._stale:
            rows = arrange(facts, window, drawn.picture)
            if drawn.has_shape_of(rows):
                self._outlet.put(_RETURN + _texts(rows) + _RETURN)
                self._outlet.flush(_DRAWING_SECONDS)
                return
        if drawn is None:
            # As many blanks as columns: at the start of a row they change nothing, else they lead to a new row.
            start = _PLAIN + " " * window.columns + "\r"
        else:
            start = ("\r" if drawn.window != window else _RECALL) + self._erase()
        picture = place_picture(self._png, window, self._terminal)
        rows = arrange(facts, window, picture)
        self._outlet.put(start + _everything(rows, picture))
        self._drawn, self._stale = _Drawn(window, typed, rows, picture), False
        self._outlet.flush(_DRAWING_SECONDS)

    def _erase(self) -> str:
        """Return what takes away all that is drawn, from the resting place on."""
        graphic = kitty_delete() if self._terminal.graphics == KITTY else ""
        return _PLAIN + _ERASE_BELOW + graphic


class _Drawn:
    """What stands on the screen: enough to tell whether new text fits in the same rows. No pixels are kept."""

    __slots__ = ("_shape", "picture", "typed", "window")

    def __init__(self, window: Window, typed: int, rows: list[Row], picture: PlacedPicture) -> None:
        self.window = window
        self.typed = typed
        self._shape = [(row.text is None, row.column) for row in rows]
        empty_lines = ("",) * len(picture.lines)
        self.picture = PlacedPicture(picture.became, picture.place, empty_lines, picture.graphic[:1])

    def has_shape_of(self, rows: list[Row]) -> bool:
        return self._shape == [(row.text is None, row.column) for row in rows]


def _everything(rows: list[Row], picture: PlacedPicture) -> str:
    """Return what draws all rows on an empty screen, and ends where it began.

    The rows are made first, so that a window at whose end we are scrolls now and never while we draw.
    """
    below = len(rows) - 1
    made = _NEXT_ROW * below + (f"\x1b[{below}A" if below else "") + "\r" + _REMEMBER
    drawn = _NEXT_ROW.join([row.cells + ("" if row.cells else " " * row.column) + (row.text or "") for row in rows])
    if picture.graphic:
        top = next(number for number, row in enumerate(rows) if row.cells)
        down = f"\x1b[{top}B" if top else ""
        drawn += f"{_RETURN}{down}\x1b[{MARGIN}C{picture.graphic}"
    return made + drawn + _RETURN


def _texts(rows: list[Row]) -> str:
    """Return what draws the text of all rows anew, from the first row on, without touching the picture."""
    parts = []
    for row in rows:
        across = f"\x1b[{row.column}C" if row.column else ""
        parts.append("" if row.text is None else across + row.text + _ERASE_RIGHT)
    return _NEXT_ROW.join(parts)


class _Outlet:
    """Writes to a terminal without ever waiting for it, though its descriptor is a blocking one that is not ours."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._waiting = b""
        self._poll = poll()
        self._poll.register(fd, POLLOUT)

    def put(self, text: str) -> None:
        """Add to what waits to be written."""
        self._waiting += text.encode()

    def flush(self, seconds: float) -> bool:
        """Write what waits, for as long as the terminal takes it, at most `seconds`; say whether all is written.

        Raises OSError if the terminal is gone.
        """
        deadline = monotonic() + seconds
        while self._waiting:
            left = deadline - monotonic()
            # If it hung up, poll says so and the write fails.
            if not self._poll.poll(max(0, int(left * 1000))):
                return False
            try:
                written = write(self._fd, self._block())
            except BlockingIOError:
                return False
            self._waiting = self._waiting[written:]
        return True

    def _block(self) -> bytes:
        """Return the beginning of what waits, cut before a control sequence: an echo may come between two blocks."""
        block = self._waiting[:_BLOCK]
        if len(block) < len(self._waiting):
            cut = block.rfind(b"\x1b")
            if cut > 0:
                return block[:cut]
        return block


def _window(fd: int) -> Window:
    """Return the size of the window (tty_ioctl(4)), unknown of what is no terminal. OSError if the terminal is gone."""
    try:
        size = ioctl(fd, TIOCGWINSZ, bytes(8))
    except OSError as fault:
        if fault.errno != ENOTTY:
            raise
        return Window(0, 0)
    rows, columns, width, height = (int.from_bytes(size[start : start + 2], sys.byteorder) for start in (0, 2, 4, 6))
    return Window(columns, rows, width // max(1, columns), height // max(1, rows))


def _lines_typed(fd: int) -> int:
    """Return how many bytes of whole lines wait as input, unread. If it changes, the cursor was moved by an echo."""
    return int.from_bytes(ioctl(fd, FIONREAD, bytes(4)), sys.byteorder)

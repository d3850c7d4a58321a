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

from fcntl import ioctl
from posix import get_terminal_size, write
from select import POLLOUT, poll
from termios import FIONREAD, TIOCGWINSZ
from time import monotonic

from secsign_gate.terminal import words
from secsign_gate.terminal.capabilities import NO_COLOURS, SIXEL, capabilities
from secsign_gate.terminal.countdown import Countdown
from secsign_gate.terminal.layout import Facts, Place, Row, arrange, place_for_picture

TYPE_CHECKING = False
if TYPE_CHECKING:
    from secsign_gate.wire import Progress

_RESET, _ERASE_BELOW, _ERASE_RIGHT = "\x1b[0m", "\x1b[J", "\x1b[K"
_REMEMBER = "\x1b7"
# Remembered anew at once: some terminals forget the place when they return to it.
_RETURN = "\x1b8\x1b7"
_NEXT_ROW = "\r\n"

# The kernel calls a terminal writable when it takes at least 256 bytes; each line feed may become two of them.
_BLOCK = 128
_DRAWING_SECONDS = 0.05
_ENDING_SECONDS = 3.0
_SENTENCE_LIMIT = 1000


class Screen:
    """The words and the picture on one terminal, from the first message to the one sentence that remains.

    `fd` is the terminal. `environ` is what sshd passed on; it chooses how to draw. Every method raises OSError if the
    terminal is gone, which means that the client left; none of them waits for a terminal that does not take more.
    """

    def __init__(self, fd: int, environ: dict[bytes, bytes]) -> None:
        self._fd = fd
        self._outlet = _Outlet(fd)
        self._capabilities = capabilities(environ)
        self._countdown = Countdown()
        self._progress: Progress | None = None
        self._png = b""
        self._size = (0, 0)  # of the window when it was drawn; nothing is drawn yet
        self._typed = 0  # bytes of whole lines that wait as input, when it was drawn
        self._stale = False
        # Nothing can be laid out in a window of no known size, as a script behind `ssh -tt` has.
        self._lines_only = not self._capabilities.draws or 0 in self._window()
        self._said = False

    def show(self, progress: "Progress", now: float) -> None:
        """Show new facts. `now` is in seconds of the clock that `tick` gets too. An access pass is kept once it came."""
        self._progress = progress
        self._countdown.announce(progress.seconds_left, now)
        if progress.access_pass and progress.access_pass != self._png:
            self._png = progress.access_pass
            self._stale = True
        if not self._lines_only:
            self._draw(now)
        elif progress.stage != "asking":
            self._say()

    def tick(self, now: float) -> None:
        """Let the countdown go on and follow the window's size. To be called about once a second."""
        if self._progress is None:
            return
        if self._lines_only:
            self._say()
        else:
            self._draw(now)

    def end(self, sentence: str) -> None:
        """Take away everything drawn and leave `sentence` on a line of its own, or nothing if it is empty.

        The only method that may take time: 3 seconds, if the terminal is stopped. Then it gives up.
        """
        text = words.printable(sentence, _SENTENCE_LIMIT) + _NEXT_ROW if sentence else ""
        if self._size != (0, 0):
            text = (_FORGET_PLACE if self._size == self._window() else "\r") + self._undrawn() + text
        self._size = (0, 0)
        self._progress = None
        self._outlet.put(text)
        self._outlet.flush(_ENDING_SECONDS)

    def _say(self) -> None:
        """Say the one line for a terminal that only takes lines."""
        if self._progress is not None and not self._said:
            self._said = True
            self._outlet.put(words.asking(self._progress) + _NEXT_ROW)
        self._outlet.flush(_DRAWING_SECONDS)

    def _draw(self, now: float) -> None:
        """Bring the screen up to date: the text always, all of it where something may have got in between."""
        if self._progress is None or not self._outlet.flush(_DRAWING_SECONDS):
            return
        size, typed = self._window(), _waiting_input(self._fd)
        if 0 in size:
            return
        if self._size == (0, 0):
            # As many blanks as columns: at the start of a row they change nothing, else they lead to a new row.
            self._outlet.put(" " * size[0] + "\r" + self._whole(size, now))
        elif size != self._size:
            self._outlet.put("\r" + self._undrawn() + self._whole(size, now))
        elif self._stale or typed != self._typed:
            self._outlet.put(_RETURN + self._undrawn() + self._whole(size, now))
        else:
            self._outlet.put(_RETURN + self._text(size, now))
        self._size, self._typed, self._stale = size, typed, False
        self._outlet.flush(_DRAWING_SECONDS)

"""A real pty with a terminal emulator (pyte) at its other end: what a person would see, cell by cell.

pyte is taught three things that real terminals do: to remember the saved cursor after it was restored once (DECRC, DEC
STD 070), to keep the cursor with its text when the window changes size, optionally reflowing what is too wide, and to
swallow picture protocols, which are kept in `graphics` with the cell at which they arrived.
"""

import copy
import fcntl
import os
import pty
import re
import select
import struct
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pyte
from pyte.screens import Char

_PICTURES = re.compile(rb"\x1b_G.*?\x1b\\|\x1bP.*?\x1b\\|\x1b\]1337;.*?\x07", re.DOTALL)
_ECHO = {ord("\n"): b"\r\n", ord("\t"): b"\t"}
_FAR_TOO_LONG = 20.0
_SGR = re.compile(rb"\x1b\[([0-9;]*)m")


class Glass(pyte.Screen):
    """pyte's screen with the manners of a real one. `above` is what was scrolled off at the top."""

    def __init__(self, columns: int, lines: int) -> None:
        self.above: list[str] = []
        self._saved: pyte.screens.Savepoint | None = None
        super().__init__(columns, lines)

    def save_cursor(self) -> None:
        super().save_cursor()
        self._saved = self.savepoints.pop()

    def restore_cursor(self) -> None:
        if self._saved is not None:
            self.savepoints.append(copy.deepcopy(self._saved))
        super().restore_cursor()

    def index(self) -> None:
        if self.cursor.y == self.lines - 1:
            self.above.append(self.display[0].rstrip())
        super().index()

    def change_size(self, columns: int, lines: int, *, reflow: bool, keep_bottom: bool) -> None:
        """Take a new size. `keep_bottom`: what does not fit leaves at the top, as far as the cursor stays visible."""
        rows: list[dict[int, Char]] = []
        cursor_row, cursor_column = self.cursor.y, self.cursor.x
        for number in range(self.lines):
            cells = dict(self.buffer[number])
            width = 1 + max(
                (column for column, cell in cells.items() if cell.data != " " or cell.bg != "default"), default=0
            )
            if number == self.cursor.y:
                cursor_row = len(rows) + (self.cursor.x // columns if reflow else 0)
                cursor_column = self.cursor.x % columns if reflow else min(self.cursor.x, columns - 1)
            rows += [
                {at - start: cell for at, cell in cells.items() if start <= at < start + columns}
                for start in range(0, width if reflow else 1, columns)
            ]
        while len(rows) > cursor_row + 1 and not rows[-1]:
            rows.pop()
        excess = max(0, len(rows) - lines)
        off = min(excess, cursor_row) if keep_bottom else max(0, cursor_row - lines + 1)
        self.above += [
            "".join(row[at].data if at in row else " " for at in range(columns)).rstrip() for row in rows[:off]
        ]
        self.lines, self.columns = lines, columns
        self.buffer.clear()
        for number, row in enumerate(rows[off : off + lines]):
            self.buffer[number].update(row)
        self.cursor.y, self.cursor.x = cursor_row - off, cursor_column
        self._saved = None
        self.set_margins()


class EmulatedTerminal:
    """`fd` is what a program writes to. `raw` is all that it and the echo wrote."""

    def __init__(self, columns: int = 80, lines: int = 24, *, cell: tuple[int, int] = (0, 0)) -> None:
        self.master, self.fd = pty.openpty()
        os.set_blocking(self.master, False)
        self.screen = Glass(columns, lines)
        self._raw = b""
        self.graphics: list[tuple[int, int, bytes]] = []
        self._unread = b""
        self._stream = pyte.ByteStream(self.screen)
        self._cell = cell
        self._tell_size(columns, lines)

    def _tell_size(self, columns: int, lines: int) -> None:
        dots = (columns * self._cell[0], lines * self._cell[1])
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, *dots))

    def resize(self, columns: int, lines: int, *, reflow: bool = False, keep_bottom: bool = False) -> None:
        self.read()
        self.screen.change_size(columns, lines, reflow=reflow, keep_bottom=keep_bottom)
        self._tell_size(columns, lines)

    def type(self, keys: bytes) -> None:
        """Type ahead: the kernel echoes it, as nobody reads it. Returns when all of the echo has arrived."""
        self.read()
        seen = len(self._raw)
        echo = b"".join(_ECHO.get(key, bytes((key,)) if key >= 0x20 else bytes((ord("^"), key + 0x40))) for key in keys)
        os.write(self.master, keys)
        while len(self._raw) < seen + len(echo):
            assert select.select([self.master], [], [], _FAR_TOO_LONG)[0], "the echo does not come"
            self.read()

    def stop(self) -> None:
        """Press Ctrl-S. Returns when it has taken effect."""
        os.write(self.master, b"\x13")
        ends = time.monotonic() + _FAR_TOO_LONG
        while select.select([], [self.fd], [], 0)[1]:
            assert time.monotonic() < ends, "Ctrl-S does not stop it"

    def resume(self) -> None:
        """Press Ctrl-Q. Returns when it has taken effect."""
        os.write(self.master, b"\x11")
        assert select.select([], [self.fd], [], _FAR_TOO_LONG)[1], "Ctrl-Q does not let it go on"

    def read(self) -> None:
        """Take in what has been written."""
        while True:
            try:
                piece = os.read(self.master, 65536)
            except OSError:
                break
            if not piece:
                break
            self._raw += piece
            self._unread += piece
        self._feed()

    def _feed(self) -> None:
        while (found := _PICTURES.search(self._unread)) is not None:
            self._stream.feed(self._unread[: found.start()])
            self.graphics.append((self.screen.cursor.y, self.screen.cursor.x, found.group()))
            self._unread = self._unread[found.end() :]
        if not re.search(rb"\x1b_G|\x1bP|\x1b\]1337;", self._unread):
            self._stream.feed(self._unread)
            self._unread = b""

    @property
    def raw(self) -> bytes:
        self.read()
        return self._raw

    @property
    def lines(self) -> list[str]:
        self.read()
        return [line.rstrip() for line in self.screen.display]

    @property
    def text(self) -> str:
        """All that can be read, empty lines at the end left out."""
        return "\n".join(self.lines).rstrip()

    @property
    def cursor(self) -> tuple[int, int]:
        self.read()
        return self.screen.cursor.y, self.screen.cursor.x

    def pixels(self, row: int, column: int) -> tuple[str, str]:
        """Return the colours of the upper and the lower half of a cell, as pyte names them."""
        self.read()
        cell = self.screen.buffer[row][column]
        return (cell.fg, cell.bg) if cell.data == "▀" else (cell.bg, cell.bg)

    def picture_origin(self) -> tuple[int, int]:
        """Return row and column of the first coloured cell."""
        self.read()
        for row in range(self.screen.lines):
            for column in range(self.screen.columns):
                if self.screen.buffer[row][column].bg != "default":
                    return row, column
        raise AssertionError(f"there is no picture on\n{self.text}")

    def has_picture(self) -> bool:
        self.read()
        cells = (cell for row in range(self.screen.lines) for cell in self.screen.buffer[row].values())
        return any(cell.bg != "default" for cell in cells)

    def colour_parameters(self) -> set[int]:
        """Return every SGR parameter that was sent."""
        self.read()
        found = (parameters.split(b";") for parameters in _SGR.findall(self._raw))
        return {int(one or b"0") for parameters in found for one in parameters}

    def close(self) -> None:
        os.close(self.master)
        os.close(self.fd)


@contextmanager
def emulated_terminal(
    columns: int = 80, lines: int = 24, *, cell: tuple[int, int] = (0, 0)
) -> Iterator[EmulatedTerminal]:
    terminal = EmulatedTerminal(columns, lines, cell=cell)
    try:
        yield terminal
    finally:
        terminal.close()

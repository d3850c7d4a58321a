"""A terminal with a program in it, as a person sits before it: type, read, resize, hang up."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import time
from typing import TYPE_CHECKING, Self

import pyte

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_WAIT = 60.0  # seconds; a guard against hanging, never an expectation


class Terminal:
    """A pty with `command` as its foreground program and session leader. `output` is every byte that it wrote."""

    def __init__(
        self, command: Sequence[str], *, rows: int = 24, columns: int = 80, term: str = "xterm-256color"
    ) -> None:
        self.output = b""
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._master, inside = os.openpty()
        self.resize(rows, columns)
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *command],  # gives it the pty as controlling terminal, for Ctrl-C and window changes
            stdin=inside,
            stdout=inside,
            stderr=inside,
            env={**os.environ, "TERM": term},
        )
        os.close(inside)

    def type(self, keys: str | bytes) -> None:
        r"""Press keys: "\x03" is Ctrl-C, "\r" the return key."""
        os.write(self._master, keys.encode() if isinstance(keys, str) else keys)

    def expect(self, pattern: str | bytes, seconds: float = LONGEST_WAIT) -> re.Match[bytes]:
        """Read until `pattern` is in the output since the last match, and return the match.

        Raises AssertionError, with what was read, when the program ends or the time is over before that.
        """
        wanted = re.compile(pattern.encode() if isinstance(pattern, str) else pattern, re.DOTALL)
        deadline = time.monotonic() + seconds
        start = getattr(self, "_expected_up_to", 0)
        while True:
            found = wanted.search(self.output, start)
            if found:
                self._expected_up_to = found.end()
                return found
            more = self._read(deadline - time.monotonic())
            if not more:
                why = "the program ended" if more is not None else f"{seconds} seconds were over"
                shown = self.output.decode(errors="replace")
                raise AssertionError(f"{why} before {wanted.pattern!r} came; the terminal showed:\n{shown}")

    def screen(self) -> list[str]:
        """Return the lines that a person sees now, without trailing blanks."""
        return [line.rstrip() for line in self._screen.display]

    def running(self) -> bool:
        return self.process.poll() is None

    def said(self) -> str:
        """Tell what was on the terminal, for the message of a failed test."""
        while self._read(0):
            pass
        return f"{self.process.args!r}: status {self.process.poll()}, terminal {self.output!r}"

    def resize(self, rows: int, columns: int) -> None:
        self._screen.resize(rows, columns)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def wait(self, seconds: float = LONGEST_WAIT) -> int:
        """Read to the end and return the exit status; minus the signal's number if one ended the program."""
        deadline = time.monotonic() + seconds
        while self._read(deadline - time.monotonic()):
            pass
        return self.process.wait(max(0.1, deadline - time.monotonic()))

    def hang_up(self) -> None:
        """Close the window."""
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.hang_up()

    def _read(self, seconds: float) -> bytes | None:
        """Return what came, b"" if the program's side is closed, None if nothing came in time."""
        readable, _, _ = select.select([self._master], [], [], max(0.0, seconds))
        if not readable:
            return None
        try:
            piece = os.read(self._master, 65536)
        except OSError as ended:
            if ended.errno != errno.EIO:  # what Linux says when nobody has the other side open
                raise
            piece = b""
        self.output += piece
        self._stream.feed(piece)
        return piece

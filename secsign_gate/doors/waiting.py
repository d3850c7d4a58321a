"""What the person at the other end is told while the door waits, and at the end. Loaded only if there is something."""

import posix
from time import monotonic

from secsign_gate.terminal import words
from secsign_gate.wire import Answer, Progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from secsign_gate.terminal.screen import Screen

_ERROR = 2  # standard output belongs to scp, rsync, sftp and git, always


class Waiting:
    """Speaks on standard error: pictures on a terminal, else at most one line before and one at the end.

    `show`, `tick` and `allow` raise OSError where the terminal is gone, which means that the client has left.
    """

    __slots__ = ("_environ", "_screen", "_spoken")

    def __init__(self, environ: list[bytes] | tuple[bytes, ...]) -> None:
        self._environ = environ
        self._screen: Screen | None = None
        self._spoken = False

    def show(self, progress: Progress) -> None:
        """Show where the approval stands."""
        if self._on_terminal():
            if self._screen is None:
                from secsign_gate.terminal.screen import Screen  # noqa: PLC0415 - not for scp and rsync

                self._screen = Screen(_ERROR, dict(_pairs(self._environ)))
            self._screen.show(progress, monotonic())
        elif progress.speak and not self._spoken and progress.stage != "asking":
            self._spoken = True
            self._say(words.asking(progress))

    def tick(self) -> None:
        """Let the countdown count."""
        if self._screen is not None:
            self._screen.tick(monotonic())

    def allow(self, answer: Answer) -> None:
        """Clear the screen and say in one sentence that the login was let in; without a terminal, silence."""
        if self._screen is not None:
            self._screen.end(words.allowed(answer.why, answer.waited))

    def refuse(self, answer: Answer) -> int:
        """Say in one sentence why not, and return the exit status that goes with it."""
        sentence = words.refused(answer.why, answer.detail, answer.reference)
        if self._screen is not None:
            try:
                self._screen.end(sentence)
            except OSError:
                pass  # nobody is there to be told
        elif answer.speak or self._on_terminal():
            self._say(sentence)
        from secsign_gate.core.verdict import REFUSED, Reason, exit_status  # noqa: PLC0415 - not while anybody waits

        try:
            return exit_status(Reason(answer.why))
        except ValueError:
            return REFUSED

    @staticmethod
    def _on_terminal() -> bool:
        return posix.isatty(_ERROR)

    @staticmethod
    def _say(sentence: str) -> None:
        try:
            posix.write(_ERROR, sentence.encode("ascii", "replace") + b"\n")
        except OSError:
            pass  # nobody is there to be told


def _pairs(environ: list[bytes] | tuple[bytes, ...]) -> list[tuple[bytes, bytes]]:
    pairs = []
    for entry in environ:
        name, _, value = entry.partition(b"=")
        pairs.append((name, value))
    return pairs

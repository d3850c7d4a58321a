"""The door at the other end of a stream, as the broker sees it: what it says is a claim, that it leaves is a fact."""

import asyncio
import socket
from collections.abc import Coroutine
from typing import Any, TypeVar

from secsign_gate.broker.frame_stream import FrameStream
from secsign_gate.core.verdict import Reason
from secsign_gate.errors import WireError
from secsign_gate.wire import PAM_DOOR, Answer, Ask, AskForPam, FindKeyLines, KeyLines, Left, Progress, decode

T = TypeVar("T")

FIRST_MESSAGE_SECONDS = 10.0
KEY_LINES_SECONDS = 10.0
LAST_WORD_SECONDS = 2.0
# Who was let in becomes a shell at this moment, perhaps on the processor that this process would take to see it leave.
SETTLE_SECONDS = 0.02
_WORDS_OF_A_DOOR = frozenset(
    {
        Reason.CLIENT_LEFT,
        Reason.INTERRUPTED,
        Reason.NO_SHELL,
        Reason.CLAIM_UNUSABLE,
        Reason.BROKER_UNAVAILABLE,
        Reason.INTERNAL_ERROR,
    }
)


class DoorLeftError(Exception):
    """The door went away, or said that it would."""


class Door:
    """One door at the end of `stream`. It is read while anything is waited for, so that one that leaves is noticed."""

    __slots__ = ("__weakref__", "_answered", "_gone", "_key_lines", "_listening", "_stream")

    def __init__(self, stream: socket.socket) -> None:
        self._stream = FrameStream(stream)
        self._key_lines: asyncio.Future[KeyLines] | None = None
        self._gone: asyncio.Future[Reason | None] = asyncio.get_running_loop().create_future()
        self._listening: asyncio.Task[None] | None = None
        self._answered = False

    async def claim(self) -> Ask | AskForPam:
        """Return the door's question.

        Raises WireError if the first message is no question, or does not come, DoorLeftError after `give_up`.
        """
        try:
            async with asyncio.timeout(FIRST_MESSAGE_SECONDS):
                message = decode(await self._stream.receive())
        except TimeoutError:
            raise WireError(f"no question came within {FIRST_MESSAGE_SECONDS:.0f} s") from None
        except (EOFError, OSError):
            if self._gone.done():
                raise DoorLeftError from None
            raise WireError("the door went away without a question") from None
        if not isinstance(message, Ask | AskForPam):
            raise WireError("the first message is not a question")
        if isinstance(message, Ask) and message.door == PAM_DOOR:
            raise WireError("the question of a forced command comes in the name of PAM")
        return message

    async def find_key_lines(self, needles: tuple[bytes, ...], paths: list[str]) -> KeyLines:
        """Have the door read the user's key files. Raises WireError if it answers too late, DoorLeftError if not."""
        self._key_lines = asyncio.get_running_loop().create_future()
        names = [path.encode("utf-8", "surrogateescape") for path in paths]
        await self._send(FindKeyLines(needles=list(needles), paths=names))
        try:
            async with asyncio.timeout(KEY_LINES_SECONDS):
                return await self.unless_it_leaves(_result_of(self._key_lines))
        except TimeoutError:
            raise WireError("the door does not say what is in the key files") from None

    async def tell(self, progress: Progress) -> None:
        """Show the person where the approval stands. A door that has left is noticed elsewhere."""
        await self._send(progress)

    async def answer(self, answer: Answer) -> None:
        """Say how the login ends. A door that takes no word for too long is gone."""
        self._answered = True
        try:
            rest = self._stream.send_at_once(answer.encode())
            if rest:
                async with asyncio.timeout(LAST_WORD_SECONDS):
                    await self._stream.send(rest)
        except OSError as error:  # a door that does not read its answer, until the TimeoutError, gets none
            self._stream.abort()
            _forget_the_way_of(error)

    async def unless_it_leaves(self, work: "Coroutine[None, None, T] | asyncio.Future[T]") -> T:
        """Return the result of `work`; raise DoorLeftError if the door leaves before or meanwhile.

        A coroutine is stopped then, a future is somebody else's and left alone.
        """
        self._be_listening()
        task = asyncio.ensure_future(work)
        either: set[asyncio.Future[Any]] = {task, self._gone}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if task is not work and not task.done():
                task.cancel()
                await asyncio.wait({task})
        if self._gone.done():
            # Whatever came of the work as well, there is nobody for whom it could count.
            if task.done() and not task.cancelled():
                task.exception()
            raise DoorLeftError
        return task.result()

    def require_presence(self) -> None:
        """Raise DoorLeftError if the door has left, as far as that is known by now."""
        self._be_listening()
        if self._gone.done():
            raise DoorLeftError

    def why_it_left(self) -> Reason:
        """Return why the door has left, as far as it said."""
        said = self._gone.result() if self._gone.done() else None
        return said or Reason.CLIENT_LEFT

    def give_up(self, why: Reason) -> None:
        """Treat the door as one that leaves for this reason: this program ends. Its answer stays its answer."""
        if not self._gone.done():
            self._gone.set_result(None if self._answered else why)
        if self._listening is None:
            self._stream.stop_receiving()  # its question may never come

    async def objection_within(self, seconds: float) -> Reason | None:
        """Wait until the door leaves. Return what it said on leaving, None if it said nothing: an exec is silent."""
        if self._listening is None:  # it was answered at once, as where a grant covers the login
            await asyncio.wait({self._gone}, timeout=SETTLE_SECONDS)
            self._be_listening()
        done, _ = await asyncio.wait({self._gone}, timeout=seconds)
        return self._gone.result() if done else None

    async def close(self) -> None:
        """Close the stream."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait({self._listening})
            self._listening = None  # its frames know this door: a circle, which would keep what was left unread
        self._stream.close()

    def _be_listening(self) -> None:
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        """Take what the door sends until it leaves. A door that breaks the rules has left."""
        said = None
        try:
            while True:
                message = decode(await self._stream.receive())
                if isinstance(message, KeyLines) and self._key_lines is not None and not self._key_lines.done():
                    self._key_lines.set_result(message)
                    continue
                if isinstance(message, Left) and message.why in _WORDS_OF_A_DOOR:
                    said = Reason(message.why)
                break
        except (EOFError, OSError, WireError) as error:
            # Gone, or not to be talked with any more: the same to us.
            _forget_the_way_of(error)
        finally:
            if not self._gone.done():
                self._gone.set_result(said)

    async def _send(self, message: FindKeyLines | Progress) -> None:
        try:
            await self._stream.send(message.encode())
        except OSError as error:
            # `_listen` sees the same end of the stream and says so.
            _forget_the_way_of(error)


def _forget_the_way_of(error: Exception) -> None:
    """Break a circle: asyncio keeps an error with the stream, and the frames that it went through know the stream.

    Else what a door has sent, which may be much, would stay until Python looks for circles, which may be long.
    """
    error.__traceback__ = None


async def _result_of(future: "asyncio.Future[T]") -> T:
    return await future

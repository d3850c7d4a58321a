"""Work that may take long, each in a thread, so that it keeps nobody waiting but those for whose account it is done."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")

MOST_AT_ONCE = 16


class ThreadsByAccount:
    """Threads, one at a time for each uid and `most` in all. For one event loop.

    Whose uid is what is to be found out goes by the name. A thread cannot be stopped: one that hangs keeps its uid's
    place until it is done, and no other. It keeps no program from ending.
    """

    def __init__(self, most: int = MOST_AT_ONCE) -> None:
        self._most = most
        self._busy: dict[int | str, asyncio.Future[Any]] = {}

    async def result_of(self, work: Callable[[], T], uid: int | str) -> T:
        """Return what `work` returns, or raise what it raises, once it has been the turn of `uid`.

        Who stops waiting before that has not begun it; `work` that has begun goes on.
        """
        while uid in self._busy or len(self._busy) >= self._most:
            before = {self._busy[uid]} if uid in self._busy else set(self._busy.values())
            await asyncio.wait(before, return_when=asyncio.FIRST_COMPLETED)
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def do() -> None:
            try:
                settle = partial(done.set_result, work())
            except Exception as error:  # noqa: BLE001 - it is raised where the result is waited for
                settle = partial(done.set_exception, error)
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(settle)

        threading.Thread(target=do, name=f"uid {uid}", daemon=True).start()
        self._busy[uid] = done
        done.add_done_callback(lambda _: self._leave(uid))
        return await asyncio.shield(done)

    def _leave(self, uid: int | str) -> None:
        self._busy.pop(uid).exception()  # nobody may wait for it any more

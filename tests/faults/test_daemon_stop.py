"""A daemon that is told to stop while nothing ends: not the logins, and not what is under way at the ID server."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, NoReturn

from secsign_gate.broker.daemon import STOP_SECONDS, Daemon
from secsign_gate.broker.service_manager import Notifier

if TYPE_CHECKING:
    from pathlib import Path

ORDERS = '[id_server]\ndialect = "form"\nurl = "https://id.example.org/"\n'


class LoopThatSkips(asyncio.SelectorEventLoop):
    """Its clock does not go by itself: when everybody waits, it is set to when the first of them has waited enough."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__()

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined] # private, and there is no other way in
            self._now = max(self._now, self._scheduled[0].when())  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


async def never() -> NoReturn:
    await asyncio.Event().wait()
    raise AssertionError


def test_logins_and_old_orders_that_do_not_end_have_one_deadline(tmp_path: Path) -> None:
    orders = tmp_path / "secsign-gate.toml"
    orders.write_text(ORDERS)
    (tmp_path / "users").write_text("alice alice\n")

    async def work() -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        daemon = Daemon(str(orders), ours, Notifier({}))
        hanging = [asyncio.create_task(never()) for _ in range(2)]
        daemon._visits.add(hanging[0])
        daemon._closing.add(hanging[1])
        began = asyncio.get_running_loop().time()
        await daemon._send_home()
        assert asyncio.get_running_loop().time() - began == STOP_SECONDS
        daemon._monitor.close()
        theirs.close()
        for task in hanging:
            task.cancel()

    with asyncio.Runner(loop_factory=LoopThatSkips) as runner:
        runner.run(work())

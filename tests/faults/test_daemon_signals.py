"""What the broker says of itself is true when it says it: whoever reads that it serves may ask it, and tell it."""

from __future__ import annotations

import asyncio
import signal
import socket
from typing import TYPE_CHECKING

from secsign_gate.broker import daemon as daemon_module
from secsign_gate.broker.daemon import Daemon
from secsign_gate.broker.listening import Listeners
from secsign_gate.broker.service_manager import Notifier

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

ORDERS = {
    "gate.toml": '[id_server]\ndialect = "form"\nurl = "https://127.0.0.1:9"\n',
    "users": "root alice\n",
}
LONGEST_WAIT = 30.0  # seconds; a guard against hanging, never an expectation


def test_it_says_that_it_serves_once_it_heeds_signals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else `reload`, sent by a script that waited for these words, would end it."""
    for name, text in ORDERS.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    said: dict[str, list[object]] = {}
    heeded = (signal.SIGHUP, signal.SIGTERM)

    async def serve_and_stop() -> None:
        ours, theirs = socket.socketpair()
        listener, control = (socket.socket(socket.AF_UNIX) for _ in range(2))
        for made, name in ((listener, "doors"), (control, "control")):
            made.bind(str(tmp_path / name))
            made.listen()
        daemon = Daemon(str(tmp_path / "gate.toml"), ours, Notifier({}))

        def note(sentence: str) -> None:
            said[sentence] = [signal.getsignal(number) for number in heeded]
            daemon._stopping.set()

        monkeypatch.setattr(daemon_module, "say", note)
        with theirs:
            async with asyncio.timeout(LONGEST_WAIT):
                await daemon.run(Listeners(listener, control))

    asyncio.run(serve_and_stop())
    ((sentence, handlers),) = said.items()
    assert sentence == f"serving doors at {tmp_path / 'doors'} under the orders in {tmp_path / 'gate.toml'}"
    assert signal.SIG_DFL not in handlers

"""A network between client and server that can fail: a relay on loopback that can be cut or go silent."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Self


class FaultyNetwork:
    """A context manager. Clients connect to `port`; what they say reaches `server`, until `cut` or `go_silent`."""

    def __init__(self, server: tuple[str, int]) -> None:
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._ends: list[socket.socket] = []
        self._silent = threading.Event()

    def cut(self) -> None:
        """Close every connection, as a router that restarts does."""
        for end in self._ends:
            with suppress(OSError):  # it has gone down with the one before it
                end.shutdown(socket.SHUT_RDWR)

    def go_silent(self) -> None:
        """Carry nothing any more, without a word to either side, as a cable that is pulled."""
        self._silent.set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        for end in self._ends:
            end.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._server)
            self._ends += [client, server]
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=self._carry, args=(source, target), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while piece := source.recv(65536):
                if not self._silent.is_set():
                    target.sendall(piece)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # one of the two is gone

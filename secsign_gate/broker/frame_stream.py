"""Frames (ask_and_answer.py) to and from a door, by its socket and the event loop, with nothing in between.

asyncio's streams do as much by way of a transport, a protocol and two buffers. Whom a grant covers would wait for that,
and everybody who waits for a phone would keep it in memory.
"""

import asyncio
import socket
from contextlib import suppress

from secsign_gate.wire import HEADER, frame_length

_PIECE = 4096  # bytes; but for what is in key files, a door says less


class FrameStream:
    """Both directions of one door's stream. Made and used in one event loop, which `stream` belongs to from now on.

    One coroutine at a time may receive, and one may send.
    """

    __slots__ = ("_loop", "_received", "_stream")

    def __init__(self, stream: socket.socket) -> None:
        stream.setblocking(False)
        self._stream = stream
        self._received = bytearray()
        self._loop = asyncio.get_running_loop()

    async def receive(self) -> bytes:
        """Return number and payload of the next message.

        Raises WireError as soon as it announces an impossible length, EOFError where the stream ends, and OSError.
        """
        while (frame := self._taken()) is None:
            piece = await self._loop.sock_recv(self._stream, self._missing())
            if not piece:
                raise EOFError
            self._received += piece
        return frame

    def _end(self) -> int:
        """Return where the first frame ends, or at least its header."""
        return HEADER + frame_length(bytes(self._received[:HEADER])) if len(self._received) >= HEADER else HEADER

    def _missing(self) -> int:
        return max(_PIECE, self._end() - len(self._received))

    def _taken(self) -> bytes | None:
        end = self._end()
        if len(self._received) < end:
            return None
        frame = bytes(self._received[HEADER:end])
        del self._received[:end]
        return frame

    async def send(self, frame: bytes) -> None:
        """Send a whole frame, header included. Raises OSError. Who stops it half-way can only `abort`."""
        await self._loop.sock_sendall(self._stream, frame)

    def send_at_once(self, frame: bytes) -> bytes:
        """Send as much of a frame as needs no waiting, and return the rest. Raises OSError."""
        try:
            return frame[self._stream.send(frame) :]
        except (BlockingIOError, InterruptedError):
            return frame

    def stop_receiving(self) -> None:
        """End the direction that comes here: who receives learns it. What can be sent still can."""
        with suppress(OSError):  # it may have ended already
            self._stream.shutdown(socket.SHUT_RD)

    def abort(self) -> None:
        """End both directions: who receives learns it, and nothing can be sent any more."""
        with suppress(OSError):  # it may have ended already
            self._stream.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the stream; nobody may be receiving or sending. What was sent can still be taken."""
        self._stream.close()

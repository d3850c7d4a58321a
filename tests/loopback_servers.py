"""Small servers on loopback for what the simulator cannot do: bytes by script over TLS, a CONNECT proxy, silence."""

import select
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

Script = Callable[[ssl.SSLSocket], None]


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    address_family = socket.AF_INET

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay silent: a client that goes away in the middle is what the tests are about."""


@contextmanager
def _serving(handle: Callable[[socket.socket], None], port: int = 0) -> Iterator[int]:
    """Give each connection to `handle` in a thread of its own; yields the port, a free one unless it is given."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            handle(self.request)

    with _Server(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


class TlsServer:
    """Talks TLS with the certificate in `server_file` and does on each connection what `script` says."""

    def __init__(self, server_file: Path, script: Script, highest: ssl.TLSVersion | None = None) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(server_file)
        if highest is not None:
            self._context.set_ciphers("ALL:@SECLEVEL=0")
            self._context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            self._context.maximum_version = highest
        self._script = script
        self.handshakes = 0

    def without_tickets(self) -> None:
        """Send no session tickets, which come at any time after the handshake."""
        self._context.num_tickets = 0

    @contextmanager
    def running(self) -> Iterator[str]:
        """Yield the URL."""
        with _serving(self._converse) as port:
            yield f"https://127.0.0.1:{port}"

    def _converse(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what is sent is there
        with self._context.wrap_socket(connection, server_side=True) as conversation:
            self.handshakes += 1
            self._script(conversation)


class ByScript:
    """A script for TlsServer: the n-th request of a connection gets the n-th answer, then comes the end.

    Ends: "silence"; "good-bye", which says so in TLS and leaves TCP open; "cut", which ends TCP without. `ended` is set
    when that is sent. `requests` collects what was asked, as it came by each read, which is at most one TLS record.
    """

    def __init__(self, *answers: bytes, end: Literal["silence", "good-bye", "cut"] = "silence") -> None:
        self._answers = answers
        self._end = end
        self.ended = threading.Event()
        self.requests: list[bytes] = []

    def __call__(self, conversation: ssl.SSLSocket) -> None:
        for answer in self._answers:
            request = conversation.recv(65536)
            if not request:
                return
            self.requests.append(request)
            conversation.sendall(answer)
        if self._end == "good-bye":
            conversation.setblocking(False)
            with suppress(ssl.SSLWantReadError):
                conversation.unwrap()
        elif self._end == "cut":
            conversation.shutdown(socket.SHUT_WR)
        self.ended.set()
        conversation.setblocking(True)
        select.select([conversation], [], [])
        with suppress(OSError):
            self.requests.extend(iter(lambda: conversation.recv(65536), b""))


class Wiretap:
    """Passes everything on to `url`, and notes who sent what: `(b">" or b"<", bytes)` for each segment as it came.

    `connections` counts them. `cut` ends all of them at once, by "fin" or "rst", towards the client only.
    """

    def __init__(self, url: str) -> None:
        self._port = int(url.rpartition(":")[2])
        self._cuts: list[tuple[socket.socket, threading.Event]] = []
        self.segments: list[tuple[bytes, bytes]] = []
        self.connections = 0

    @contextmanager
    def running(self, port: int = 0) -> Iterator[str]:
        """Yield the URL."""
        with _serving(self._pass_on, port) as chosen:
            yield f"https://127.0.0.1:{chosen}"

    def directions(self) -> bytes:
        """The order in which both sides spoke: b"><><" are two round trips."""
        spoke = b""
        for direction, _ in self.segments:
            spoke += b"" if spoke.endswith(direction) else direction
        return spoke

    def cut(self, how: Literal["fin", "rst"]) -> None:
        """End all connections towards the client; returns when the system has done so."""
        for order, done in self._cuts:
            order.sendall(how.encode())
            assert done.wait(10)
        self._cuts.clear()

    def _pass_on(self, client: socket.socket) -> None:
        order, heard = socket.socketpair()
        done = threading.Event()
        self.connections += 1
        self._cuts.append((order, done))
        with order, heard, socket.create_connection(("127.0.0.1", self._port)) as server, suppress(OSError):
            across = {client: (server, b">"), server: (client, b"<")}
            while True:
                for ready in select.select([*across, heard], [], [])[0]:
                    piece = ready.recv(65536)
                    if ready is heard:
                        _end(client, abruptly=piece == b"rst")
                        done.set()
                        return
                    if not piece:
                        return
                    other, direction = across[ready]
                    self.segments.append((direction, piece))
                    other.sendall(piece)


def _end(connection: socket.socket, *, abruptly: bool) -> None:
    if abruptly:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    else:
        connection.shutdown(socket.SHUT_WR)


class ConnectProxy:
    """An HTTP proxy that knows CONNECT only. `heads` are the request heads that it saw.

    `refusal`, if given, is its answer to everybody; b"" hangs.
    """

    def __init__(self, refusal: bytes | None = None) -> None:
        self._refusal = refusal
        self.heads: list[bytes] = []

    @contextmanager
    def running(self) -> Iterator[str]:
        """Yield the URL."""
        with _serving(self._serve) as port:
            yield f"http://127.0.0.1:{port}"

    def _serve(self, client: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            piece = client.recv(65536)
            if not piece:
                return
            head += piece
        self.heads.append(head)
        if self._refusal is not None:
            client.sendall(self._refusal)
            client.recv(65536)
            return
        host, _, port = head.split(b" ")[1].decode().rpartition(":")
        with socket.create_connection((host, int(port))) as target:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            _pump(client, target)


def _pump(one: socket.socket, other: socket.socket) -> None:
    across = {one: other, other: one}
    while True:
        for ready in select.select(list(across), [], [])[0]:
            piece = ready.recv(65536)
            if not piece:
                return
            across[ready].sendall(piece)


@contextmanager
def nobody_listens() -> Iterator[str]:
    """Yield the URL of a port that is taken, so that nobody else gets it, and refuses connections."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"https://127.0.0.1:{taken.getsockname()[1]}"


@contextmanager
def nobody_speaks() -> Iterator[tuple[str, socket.socket]]:
    """Yield the URL of a port that accepts connections and says nothing, and the listening socket."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield f"https://127.0.0.1:{listening.getsockname()[1]}", listening


@contextmanager
def nobody_takes() -> Iterator[str]:
    """Yield the URL of a port whose queue is full, so that the system drops who wants to connect."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening:
        address = listening.getsockname()
        filling = [socket.socket() for _ in range(3)]
        for one in filling:
            one.setblocking(False)
            one.connect_ex(address)
        try:
            yield f"https://127.0.0.1:{address[1]}"
        finally:
            for one in filling:
                one.close()

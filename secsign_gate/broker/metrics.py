"""What Prometheus may read of the daemon: how it is at this moment, over a socket of its own, by HTTP.

Whoever may read it learns how much goes on, and nothing of whom: no account, address, SecSign ID or key is in it. What
each number means is said in docs/operations.md. prometheus_client is loaded with this file, which is only loaded where
metrics are wanted.
"""

import asyncio
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from secsign_gate import __version__
from secsign_gate.core.circuit import ServerState

if TYPE_CHECKING:
    from secsign_gate.broker.daemon import Daemon

_STAGES = ("recognising", "queued", "asking", "pushed", "fetched")
_REQUEST_BYTES = 8192
_SECONDS = 10.0
_AT_ONCE = 8  # readers; one Prometheus is one
_PLAIN = "text/plain; charset=utf-8"


class DaemonCollector(Collector):
    """Describes `daemon` as it is when it is asked."""

    def __init__(self, daemon: "Daemon") -> None:
        self._daemon = daemon

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        daemon, kept = self._daemon, self._daemon.kept
        now, limits = daemon.world.clock(), daemon.world.settings.limits
        yield InfoMetricFamily("secsign_gate_build", "The version that runs.", {"version": __version__})
        yield _gauge("start_time_seconds", "When the broker was started, since the epoch.", daemon.started_at)
        yield _gauge("orders_loaded_timestamp_seconds", "When its orders were read, since the epoch.", daemon.loaded_at)
        yield _gauge("configuration_fault", "1 if newer orders are not usable, so that old ones are in force.",
                     bool(daemon.fault))  # fmt: skip
        yield _gauge("monitor_up", "1 if SSH connections can be proven.",
                     kept.proving is not None and kept.proving.monitor.is_running)  # fmt: skip
        verdicts = CounterMetricFamily(
            "secsign_gate_verdicts", "Logins decided, by verdict and by ground or reason.", labels=["verdict", "why"]
        )
        for (verdict, why), count in sorted(kept.tally.items()):
            verdicts.add_metric([verdict, why], count)
        yield verdicts
        yield CounterMetricFamily("secsign_gate_pushes", "Pushes made.", kept.pushes)
        waiting = GaugeMetricFamily("secsign_gate_waiting_logins", "Logins under way, by stage.", labels=["stage"])
        stages = Counter((case.push.stage if case.push else "") or "recognising" for case in kept.present)
        for stage in _STAGES:
            waiting.add_metric([stage], stages[stage])
        yield waiting
        yield _gauge("grants", "Approvals that still cover their SSH connection.", len(daemon.state.grants(now)))
        yield _gauge("ssh_connections", "SSH connections that were proven and are open.",
                     len(kept.proving.connections) if kept.proving is not None else 0)  # fmt: skip
        paused = GaugeMetricFamily(
            "secsign_gate_paused", "Whom nobody is pushed for because of a denial, by kind.", labels=["kind"]
        )
        kinds = Counter(one.kind for one, has in daemon.state.subjects().items() if has.pause_left(now, limits))
        for kind in ("account", "secsign_id"):
            paused.add_metric([kind], kinds[kind])
        yield paused
        up = GaugeMetricFamily("secsign_gate_id_server_up", "0 if the ID server gives no sign of life.", labels=["url"])
        for server in daemon.world.id_server.health():
            up.add_metric([server.url], server.state is not ServerState.DOWN)
        yield up


def _gauge(name: str, documentation: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"secsign_gate_{name}", documentation, value)


class Metrics:
    """Answers `GET /metrics` over HTTP/1.1, one request a connection."""

    def __init__(self, daemon: "Daemon") -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(DaemonCollector(daemon))
        self._readers = 0

    async def visited(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, within _SECONDS. Whoever sends something else than HTTP gets status 400."""
        self._readers += 1
        try:
            async with asyncio.timeout(_SECONDS):
                writer.write(await self._answer(reader))
                await writer.drain()
        except (OSError, EOFError):  # a TimeoutError is an OSError
            pass  # there is nobody to answer
        finally:
            self._readers -= 1
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        if self._readers > _AT_ONCE:
            return _response("503 Service Unavailable")
        try:
            request = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return _response("431 Request Header Fields Too Large")
        match request.partition(b"\r\n")[0].split(b" "):
            case [method, target, b"HTTP/1.1" | b"HTTP/1.0"]:
                if target.partition(b"?")[0] != b"/metrics":
                    return _response("404 Not Found")
                if method not in {b"GET", b"HEAD"}:
                    return _response("405 Method Not Allowed", "Allow: GET, HEAD\r\n")
                page = generate_latest(self._registry)
                return _response("200 OK", body=page, kind=CONTENT_TYPE_LATEST, only_head=method == b"HEAD")
            case _:
                return _response("400 Bad Request")


async def serve_metrics(daemon: "Daemon", listener: socket.socket) -> asyncio.Server:
    """Answer who connects to `listener`, a unix or a TCP socket, until the server is closed."""
    return await asyncio.start_server(Metrics(daemon).visited, sock=listener, limit=_REQUEST_BYTES)


def _response(
    status: str, headers: str = "", *, body: bytes | None = None, kind: str = _PLAIN, only_head: bool = False
) -> bytes:
    content = body if body is not None else f"{status}\n".encode("ascii")
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n{headers}"
        "Connection: close\r\n\r\n"
    )
    return head.encode("ascii") + (b"" if only_head else content)

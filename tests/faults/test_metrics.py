"""What Prometheus reads of a daemon: numbers that are right, no names, and nothing for whoever speaks otherwise."""

from __future__ import annotations

import asyncio
import os
import pwd
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from secsign_gate.broker import start as start_module
from secsign_gate.broker.case import Case
from secsign_gate.broker.daemon import Daemon
from secsign_gate.broker.listening import listen_for_metrics
from secsign_gate.broker.metrics import DaemonCollector, serve_metrics
from secsign_gate.broker.peer import Peer
from secsign_gate.broker.service_manager import Notifier
from secsign_gate.config import load_settings
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.core.verdict import Reason, refuse
from secsign_gate.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

LONGEST_WAIT = 60.0  # seconds; a guard against hanging, never an expectation
OPERATIONS = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
ORDERS = '[id_server]\ndialect = "form"\nurl = "https://id.example.org"\n'


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    path = tmp_path / "gate.toml"
    for name, text in {"gate.toml": ORDERS, "users": "alice alice\n"}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    return path


def with_daemon(orders: Path, test: Callable[[Daemon], Coroutine[object, object, None]]) -> None:
    """Run `test` with a daemon that serves nobody."""

    async def whole() -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        daemon = Daemon(str(orders), ours, Notifier({}))
        with theirs:
            async with asyncio.timeout(LONGEST_WAIT):
                await test(daemon)
            await daemon.world.aclose()
            daemon._monitor.close()

    asyncio.run(whole())


def served(orders: Path, test: Callable[[tuple[str, int]], Coroutine[object, object, None]]) -> None:
    """Run `test` with the address where a daemon's metrics are served."""

    async def whole(daemon: Daemon) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        server = await serve_metrics(daemon, listener)
        try:
            await test(listener.getsockname())
        finally:
            server.close()

    with_daemon(orders, whole)


async def said(address: tuple[str, int], request: bytes) -> bytes:
    """Send `request`, and return all that comes back, also if the rest of the request was not wanted."""
    loop = asyncio.get_running_loop()
    answer = b""
    with socket.socket() as stream:
        stream.setblocking(False)
        await loop.sock_connect(stream, address)
        try:
            await loop.sock_sendall(stream, request)
            while piece := await loop.sock_recv(stream, 65536):
                answer += piece
        except OSError:
            pass
    return answer


def samples(daemon: Daemon) -> dict[str, float]:
    return {
        sample.name + "".join(f" {value}" for value in sample.labels.values()): sample.value
        for family in DaemonCollector(daemon).collect()
        for sample in family.samples
    }


def test_every_number_is_documented_with_its_kind_and_no_other(orders: Path) -> None:
    documented = dict(re.findall(r"(?m)^\| `(secsign_gate_\w+)` \| (\w+) \|", OPERATIONS))

    async def test(daemon: Daemon) -> None:
        daemon.kept.tally["allow", "approved"] += 1
        found = {}
        for family in DaemonCollector(daemon).collect():
            suffix = {"info": "_info", "counter": "_total"}.get(family.type, "")
            found[family.name + suffix] = {"info": "gauge"}.get(family.type, family.type)
        assert found == documented

    with_daemon(orders, test)


def test_what_is_counted(orders: Path) -> None:
    async def test(daemon: Daemon) -> None:
        before = samples(daemon)
        assert before["secsign_gate_id_server_up https://id.example.org"] == 1
        assert before["secsign_gate_configuration_fault"] == 0
        assert before["secsign_gate_monitor_up"] == 1
        assert not {name for name in before if name.startswith("secsign_gate_verdicts")}
        daemon.kept.tally["refuse", "denied_on_phone"] += 2
        daemon.kept.pushes += 3
        daemon.kept.present.add(Case(None, Peer(0, 2001, None), "AAAAAA", 0.0))  # type: ignore[arg-type] # it says none
        limits = daemon.world.settings.limits
        now = daemon.world.clock()
        daemon.state.pushed("alice", SecSignId("alice"), now, limits)
        daemon.state.ended("alice", SecSignId("alice"), refuse(Reason.DENIED_ON_PHONE), now)
        daemon.fault = "a mistake"
        daemon._monitor.close()
        after = samples(daemon)
        assert {name: value for name, value in after.items() if value != before.get(name)} == {
            "secsign_gate_verdicts_total refuse denied_on_phone": 2,
            "secsign_gate_pushes_total": 3,
            "secsign_gate_waiting_logins recognising": 1,
            "secsign_gate_paused account": 1,
            "secsign_gate_paused secsign_id": 1,
            "secsign_gate_configuration_fault": 1,
            "secsign_gate_monitor_up": 0,
        }

    with_daemon(orders, test)


def test_it_is_read_by_http_and_names_nobody(orders: Path) -> None:
    async def test(address: tuple[str, int]) -> None:
        answer = await said(address, b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n")
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=")
        assert f"Content-Length: {len(body)}".encode() in head
        assert {family.name for family in text_string_to_metric_families(body.decode())} >= {"secsign_gate_grants"}
        assert b"alice" not in body
        no_body = await said(address, b"HEAD /metrics?x=1 HTTP/1.0\r\n\r\n")
        assert no_body.endswith(b"\r\n\r\n")

    served(orders, test)


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /metrics/../../etc/passwd HTTP/1.1\r\n\r\n", b"404"),
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n\r\n", b"405"),
        (b"GET /metrics\r\n\r\n", b"400"),
        (b"\xff\xfe \r\n\r\n", b"400"),
        (b"\r\n\r\n", b"400"),
        (b"GET /metrics HTTP/2.0\r\n\r\n", b"400"),
        (b"GET /metrics HTTP/1.1\r\n" + b"x: y\r\n" * 4000, b"431"),
    ],
)
def test_everything_else_is_refused(orders: Path, request_head: bytes, status: bytes) -> None:
    async def test(address: tuple[str, int]) -> None:
        assert (await said(address, request_head)).split(b" ")[1] == status

    served(orders, test)


def test_few_are_answered_at_a_time_and_who_leaves_makes_room(orders: Path) -> None:
    async def test(address: tuple[str, int]) -> None:
        silent = [await asyncio.open_connection(*address) for _ in range(8)]
        whole = b"GET /metrics HTTP/1.1\r\n\r\n"
        assert (await said(address, whole)).split(b" ")[1] == b"503"
        silent[0][1].close()
        while (await said(address, whole)).split(b" ")[1] != b"200":
            pass
        for _, writer in silent[1:]:
            writer.close()

    served(orders, test)


def test_who_says_nothing_is_dropped(orders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secsign_gate.broker.metrics._SECONDS", 0.05)

    async def test(address: tuple[str, int]) -> None:
        assert await said(address, b"GET /metr") == b""

    served(orders, test)


def test_a_port_that_is_taken_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConfigError, match=r"broker\.metrics: the broker cannot listen there \(.*in use\)"):
            listen_for_metrics(place, os.getgid())


def test_without_the_library_it_is_said_before_anybody_is_served(orders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    account = pwd.getpwuid(os.getuid())
    assert start_module._metrics(load_settings(str(orders)), account) is None
    orders.write_text(ORDERS + '[broker]\nmetrics = "127.0.0.1:1"\n')
    monkeypatch.setattr(start_module, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"not installed; install secsign-gate\[metrics\], or take the setting out"):
        start_module._metrics(load_settings(str(orders)), account)

"""Run both ports until SIGTERM or SIGINT: the ID server over TLS, the phone over plain HTTP on loopback."""

import asyncio
import contextlib
import json
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import uvicorn
from starlette.types import ASGIApp

from secsign_gate.simulator import certificates
from secsign_gate.simulator.auth_sessions import AuthSessions, PhoneHabits
from secsign_gate.simulator.bell import Bell
from secsign_gate.simulator.connections import NumberedConnections
from secsign_gate.simulator.fault_queue import FaultQueue
from secsign_gate.simulator.id_server import IdServer, World
from secsign_gate.simulator.journal import Journal
from secsign_gate.simulator.phone import make_phone

STATE_FILE = "simulator.json"
KEEP_ALIVE_SECONDS = 75


class Wishes(NamedTuple):
    """How the simulator is to run. Port 0: any free one."""

    folder: Path
    host: str
    port: int
    phone_port: int
    certificate: certificates.Quality
    pin_account: str | None
    habits: PhoneHabits


class CannotStart(Exception):
    """The simulator cannot start; the text says why and what to do."""


class QuietServer(uvicorn.Server):
    """A uvicorn server beside another one: signals are taken by `run` for both."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take none."""
        yield


def run(wishes: Wishes, tell: Callable[[dict[str, str]], None]) -> None:
    """Run until a signal says to end. `tell` is called once, when both ports answer, with url, phone_url and ca_file.

    The same facts lie in the folder as simulator.json as long as it runs. Raises CannotStart.
    """
    try:
        wishes.folder.mkdir(parents=True, exist_ok=True)
        tls = certificates.prepare(wishes.folder, wishes.certificate, wishes.host)
    except certificates.FolderMistake as mistake:
        raise CannotStart(str(mistake)) from mistake
    except OSError as error:
        raise CannotStart(f"Cannot use the folder {wishes.folder}: {error.strerror}. Name another --folder.") from error
    with _listen(wishes.host, wishes.port) as https, _listen("127.0.0.1", wishes.phone_port) as http:
        asyncio.run(_serve(wishes, tls, https, http, tell))


async def _serve(
    wishes: Wishes,
    tls: certificates.TlsFiles,
    https: socket.socket,
    http: socket.socket,
    tell: Callable[[dict[str, str]], None],
) -> None:
    world = World(AuthSessions(wishes.habits), FaultQueue(), Journal(), Bell(), wishes.pin_account)
    phone_port = http.getsockname()[1]
    servers = (
        (QuietServer(_config(IdServer(world), tls.server_file)), https),
        (QuietServer(_config(make_phone(world, phone_port), None)), http),
    )
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, world.bell.leave)
    async with asyncio.TaskGroup() as tasks:
        for server, listener in servers:
            tasks.create_task(server.serve([listener]))
        facts = {
            "url": f"https://{_bracketed(wishes.host)}:{https.getsockname()[1]}",
            "phone_url": f"http://127.0.0.1:{phone_port}/",
            "ca_file": str(tls.ca_file.absolute()),
        }
        state_file = wishes.folder / STATE_FILE
        state_file.write_text(json.dumps(facts) + "\n")
        tell(facts)
        await world.bell.until_leaving()
        state_file.unlink(missing_ok=True)
        for server, _ in servers:
            server.should_exit = True


def _config(app: ASGIApp, server_file: Path | None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=NumberedConnections if server_file else "h11",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=2,
        ssl_certfile=server_file,
        ssl_keyfile=server_file,
    )


def _listen(host: str, port: int) -> socket.socket:
    """Listen before anybody is told, so that whoever reads the ready line can connect."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise CannotStart(f"Cannot listen on {host} port {port}: {error.strerror}. Name another one.") from error
    # Accepted sockets inherit it; asyncio sets it on none whose protocol number was left to the kernel.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host

"""A broker in this process, visited by a door that the test plays, with an ID server and a log that it rules."""

from __future__ import annotations

import asyncio
import os
import pwd
import socket
from typing import TYPE_CHECKING, Any

from secsign_gate import wire
from secsign_gate.broker.door import Door
from secsign_gate.broker.peer import Peer
from secsign_gate.broker.recorder import Recorder
from secsign_gate.broker.serve import serve
from secsign_gate.broker.state import StateInMemory
from secsign_gate.broker.world import Kept, World
from secsign_gate.config import load_settings
from secsign_gate.core.auth_session import AuthSession, AuthSessionState, PushRequest, StateReport
from secsign_gate.core.circuit import ServerHealth
from secsign_gate.core.verdict import Allow, Refuse
from secsign_gate.directory.users_file import load_users
from secsign_gate.errors import AuditError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from secsign_gate.broker.audit_record import Record
    from secsign_gate.config import Settings

QUESTION = wire.Ask(
    door="force_command",
    ssh_connection=b"192.0.2.1 50022 192.0.2.2 22",
    auth_info=b"password\n",
    auth_info_time=0,
    auth_info_problem="",
    logname=pwd.getpwuid(os.getuid()).pw_name.encode(),
    command=b"uptime",
    terminal=False,
    started_by_key=False,
    restricted_to=None,
)


class IdServerOfFutures:
    """An ID server whose answers the test gives, in its own time: results or exceptions of futures."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.created: asyncio.Future[None] = loop.create_future()
        self.reported: asyncio.Future[AuthSessionState] = loop.create_future()
        self.asked: asyncio.Future[None] = loop.create_future()
        self.disposed: list[str] = []
        self.disposing: Callable[[], Coroutine[Any, Any, object]] | None = None

    async def open(self, request: PushRequest) -> AuthSession:
        self.asked.set_result(None)
        await asyncio.shield(self.created)
        return AuthSession("7", request.secsign_id, None, "https://id.example.org", None)

    async def state_of(self, auth_session: AuthSession) -> StateReport:
        return StateReport(auth_session.id, auth_session.secsign_id, await asyncio.shield(self.reported))

    async def cancel(self, auth_session: AuthSession) -> None:
        await self._dispose("cancel", auth_session)

    async def release(self, auth_session: AuthSession) -> None:
        await self._dispose("release", auth_session)

    async def _dispose(self, how: str, auth_session: AuthSession) -> None:
        self.disposed.append(f"{how} {auth_session.id}")
        if self.disposing is not None:
            await self.disposing()

    async def warm(self) -> None:
        pass

    def health(self) -> tuple[ServerHealth, ...]:
        return ()

    async def aclose(self) -> None:
        pass


class Records(list["Record"]):
    """An audit log in memory; one that is `full` takes nothing."""

    full = False

    def record_at_once(self, record: Record) -> bool:
        if not self.full:
            self.append(record)
        return not self.full

    def record_all(self, records: list[Record]) -> None:
        if self.full:
            raise AuditError("the disk is full; make room")
        self.extend(records)

    def close(self) -> None:
        """Keep the records."""

    def said(self) -> list[str]:
        return [
            f"{record.event}: {record.verdict.ground if isinstance(record.verdict, Allow) else record.verdict.reason}"
            for record in self
            if isinstance(record.verdict, Allow | Refuse)
        ]


def orders_for_alice(folder: Path) -> Settings:
    """Write orders into `folder` by which SecSign ID alice is asked for every login of root's; return them."""
    for name, text in {
        "gate.toml": '[id_server]\ndialect = "form"\nurl = "https://id.example.org"\n',
        "users": "root alice\n",
    }.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    return load_settings(str(folder / "gate.toml"))


def world_with(settings: Settings, id_server: IdServerOfFutures, records: Records) -> World:
    """Return a broker's world under these orders, with nothing remembered."""
    return World(
        settings,
        load_users(settings.users_file),
        Recorder(records),
        lambda: id_server,
        Kept(StateInMemory()),
    )


class Visit:
    """One door's visit to a broker: `reader` and `writer` are the door's end."""

    def __init__(self, world: World, id_server: IdServerOfFutures, records: Records) -> None:
        self.world = world
        self.id_server = id_server
        self.records = records

    async def begin(self, question: wire.Ask | wire.AskForPam | None = QUESTION, uid: int | None = None) -> None:
        """Connect and ask. `uid` is whose the door is to the kernel, ours if it is not given."""
        ours, theirs = socket.socketpair()
        self.reader, self.writer = await asyncio.open_unix_connection(sock=ours)
        self.door = Door(theirs)
        self.serving = asyncio.create_task(
            serve(self.door, Peer(0, os.getuid() if uid is None else uid, None), self.world)
        )
        if question is not None:
            self.say(question)

    def say(self, message: wire.Message) -> None:
        self.writer.write(message.encode())

    async def hear(self) -> wire.Message:
        length = wire.frame_length(await self.reader.readexactly(wire.HEADER))
        return wire.decode(await self.reader.readexactly(length))

    async def answer(self) -> wire.Answer:
        while not isinstance(message := await self.hear(), wire.Answer):
            pass
        return message

    async def leave(self) -> None:
        """Go, and wait until the broker has noticed."""
        self.writer.close()
        await self.serving
        await self.door.close()

    async def end(self) -> None:
        """Wait until the broker has done all that this visit gave it to do."""
        self.writer.close()
        await self.serving
        await self.world.aclose()
        await self.door.close()

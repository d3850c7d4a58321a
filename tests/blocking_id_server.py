"""The ID server client for tests that are no coroutines: one event loop, so connections stay warm between calls."""

import asyncio
import base64
from types import TracebackType
from typing import Literal, Self

import pytest
from running_simulator import RunningSimulator

from secsign_gate.config import IdServerSettings, PinAccount
from secsign_gate.core.auth_session import AuthSession, PushRequest, StateReport
from secsign_gate.core.circuit import ServerHealth
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.errors import IdServerUnreachable
from secsign_gate.id_server.dialects import id_server

Dialect = Literal["form", "rest"]
PIN_ACCOUNT = PinAccount("gate", "correct horse")
PIN_ARGUMENTS = ("--pin-account", f"{PIN_ACCOUNT.name}:{PIN_ACCOUNT.password}")


def settings_for(dialect: Dialect, url: str, ca_file: str | None) -> IdServerSettings:
    """Return settings with the defaults of the configuration file."""
    return IdServerSettings(
        dialect=dialect,
        url=url,
        fallback_url=None,
        ca_file=ca_file,
        pin_account=PIN_ACCOUNT if dialect == "rest" else None,
        proxy=None,
        connect_seconds=5.0,
        total_seconds=15.0,
        requests_per_second=20,
        api_method="SecSignGate",
    )


def push(secsign_id: str, *, access_pass: bool = False) -> PushRequest:
    """Return a plain push request for this SecSign ID."""
    return PushRequest(SecSignId(secsign_id), "web1 login", "web1.example.org", access_pass, None)


class BlockingIdServer:
    """An IdServer whose methods block. Closes its connections at the end of `with`."""

    def __init__(self, settings: IdServerSettings) -> None:
        self._runner = asyncio.Runner()
        self.id_server = id_server(settings)

    def open(self, request: PushRequest) -> AuthSession:
        return self._runner.run(self.id_server.open(request))

    def state_of(self, auth_session: AuthSession) -> StateReport:
        return self._runner.run(self.id_server.state_of(auth_session))

    def cancel(self, auth_session: AuthSession) -> None:
        self._runner.run(self.id_server.cancel(auth_session))

    def release(self, auth_session: AuthSession) -> None:
        self._runner.run(self.id_server.release(auth_session))

    def warm(self) -> None:
        self._runner.run(self.id_server.warm())

    def health(self) -> tuple[ServerHealth, ...]:
        return self.id_server.health()

    def drop_connections(self) -> None:
        self._runner.run(self.id_server.aclose())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.run(self.id_server.aclose())
        self._runner.close()


SECRETS = (PIN_ACCOUNT.password, base64.b64encode(":".join(PIN_ACCOUNT).encode()).decode())


def fault_of(error: IdServerUnreachable, *more_secrets: str | None) -> str:
    """The sentence, after a look for secrets in it and in all that led to it."""
    told: BaseException | None = error
    while told is not None:
        assert not any(secret in f"{told} {told!r}" for secret in (*SECRETS, *more_secrets) if secret)
        told = told.__cause__ or told.__context__
    sentence = str(error)
    assert sentence.isprintable()
    return sentence


def fault_at(settings: IdServerSettings, user: str = "alice") -> IdServerUnreachable:
    """The fault that a create meets."""
    with BlockingIdServer(settings) as server, pytest.raises(IdServerUnreachable) as caught:
        server.open(push(user))
    assert fault_of(caught.value)
    return caught.value


def creates(simulator: RunningSimulator, user: str) -> int:
    """How many creates for this SecSign ID reached the simulator."""
    return sum(entry["parameters"].get("secsignid") == user for entry in simulator.log("create"))


def state_at(settings: IdServerSettings) -> StateReport:
    """What a server in the REST dialect says of `rest_session`."""
    with BlockingIdServer(settings) as server:
        return server.state_of(rest_session(settings.url))


def rest_session(url: str) -> AuthSession:
    """An auth session as if created at `url`."""
    return AuthSession("7", SecSignId("alice"), None, url, None)

"""How far one request came before it failed, and what that means in a sentence. No I/O here."""

import os
import socket
import ssl
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from secsign_gate.core.display_text import display_text
from secsign_gate.errors import IdServerUnreachable

if TYPE_CHECKING:
    from secsign_gate.config import IdServerSettings

_Stage = Literal["", "connect", "tunnel", "tls", "sent"]
_STAGES: dict[str, _Stage] = {
    "connection.connect_tcp": "connect",
    "connection.start_tls": "tls",
    "proxy.start_tls": "tls",
}


class Journey:
    """Follows one request to `server` (host:port) by the events of httpcore's trace extension.

    An event that is not known to belong to making the connection counts as the first byte of the request: should a
    later httpcore rename its events, we only become more careful.
    """

    def __init__(self, server: str, settings: "IdServerSettings") -> None:
        self.server = server
        self._proxy = (settings.proxy or "").rpartition("@")[2].removeprefix("http://")
        self._stage: _Stage = ""

    @property
    def request_may_have_arrived(self) -> bool:
        """Whether the server may have seen any of the request: False only while its own connection is being made."""
        return self._stage in ("", "sent")

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        """Take note of one event of the trace extension."""
        step, _, moment = event.rpartition(".")
        if moment != "started" or self._stage == "sent" or step == "http11.response_closed":
            return
        to_proxy = getattr(info.get("request"), "method", None) == b"CONNECT"
        self._stage = "tunnel" if to_proxy else _STAGES.get(step, "sent")

    def spoiled_by(self, what: str) -> IdServerUnreachable:
        """Return the fault for an answer that cannot be used; `what` says in our own words what the server does."""
        return IdServerUnreachable(
            f"the ID server {self.server} {what}; check url in [id_server]",
            request_may_have_arrived=self.request_may_have_arrived,
        )

    def ended_by(self, error: Exception) -> IdServerUnreachable:
        """Return the fault for `error`, which httpx, ssl or the system raised under the request."""
        causes = list(_causes(error))
        match self._stage:
            case "connect":
                sentence = self._not_connected(causes)
            case "tunnel":
                said = _timed_out(causes) or display_text(str(error), 60) or "broke off"
                sentence = (
                    f"the proxy {self._proxy} does not lead to {self.server} ({said}); check proxy in [id_server]"
                )
            case "tls":
                sentence = f"the ID server {self.server} {_no_tls(causes)} in [id_server]"
            case _:
                # What the server did send is not repeated: it may be anything, even a secret of ours.
                why = _timed_out(causes) or "it broke off, or that was not HTTP"
                sentence = f"the ID server {self.server} gave no complete answer ({why}); check that it runs"
        return IdServerUnreachable(sentence, request_may_have_arrived=self.request_may_have_arrived)

    def _not_connected(self, causes: list[BaseException]) -> str:
        peer, setting = f"the ID server {self.server}", "url"
        if self._proxy:
            peer, setting = f"the proxy {self._proxy}", "proxy"
        for cause in causes:
            if isinstance(cause, socket.gaierror):
                why = display_text(cause.strerror or "no reason given")
                return f"the name of {peer} cannot be resolved ({why}); check {setting} in [id_server], and DNS"
        numbers = (cause.errno for cause in causes if isinstance(cause, OSError) and cause.errno is not None)
        why = _timed_out(causes) or next((os.strerror(number) for number in numbers), "no reason given")
        return f"no connection to {peer} ({why}); check {setting} in [id_server], that it runs, and firewalls"


def _no_tls(causes: list[BaseException]) -> str:
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"has a certificate that is not accepted ({display_text(cause.verify_message)}); check url and ca_file"
            )
    reasons = (display_text(cause.reason or "") for cause in causes if isinstance(cause, ssl.SSLError))
    return f"does not speak TLS ({_timed_out(causes) or next(reasons, '') or 'broke off'}); check url"


def _timed_out(causes: list[BaseException]) -> str:
    return "time limit" if any(isinstance(cause, TimeoutError) for cause in causes) else ""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield `error` and all that led to it. The libraries hide some of it from tracebacks, so not only `__cause__`."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for member in error.exceptions:
                yield from _causes(member)
        error = error.__cause__ or error.__context__

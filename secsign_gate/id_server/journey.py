"""How far one request came before it failed, and what that means: in a sentence, and for the next ones. No I/O here."""

import os
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from enum import Enum, auto

from secsign_gate.core.circuit import Sign
from secsign_gate.core.display_text import display_text
from secsign_gate.errors import IdServerUnreachable

_NUMBER_IN_TEXT = re.compile(r"\[Errno ([0-9]{1,5})\]")  # asyncio joins the faults of several addresses to one text
_OUT_OF_ITS_TIME = {9, 10}  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED (x509_vfy.h)


class Stage(Enum):
    """What is being done."""

    CONNECT = auto()
    TUNNEL = auto()
    TLS = auto()
    SENT = auto()


class SpoiledError(Exception):
    """An answer that cannot be used. `str()` says in our own words what the server does."""


class Journey:
    """One request on its way to `server` (host:port), by way of `proxy` (host:port, or empty).

    `stage` is where it is, set by whoever takes it there; None while nothing has been done. It comes to SENT before
    the first byte of the request is written, by `leaves`, which calls `on_leaving`, and never leaves it.
    """

    def __init__(self, server: str, proxy: str, on_leaving: Callable[[], None] = lambda: None) -> None:
        self.server = server
        self._proxy = proxy
        self._on_leaving = on_leaving
        self.stage: Stage | None = None

    def leaves(self) -> None:
        """Note that the request is about to be written."""
        self.stage = Stage.SENT
        self._on_leaving()

    @property
    def request_may_have_arrived(self) -> bool:
        """Whether the server may have seen any of the request."""
        return self.stage is Stage.SENT

    def sign_in(self, error: Exception) -> Sign:
        """Return what the end by `error` says about the server."""
        if self.stage is not Stage.SENT:
            return Sign.NO_CONNECTION
        return Sign.SILENCE if _timed_out(list(_causes(error))) else Sign.ANSWER

    def ended_by(self, error: Exception) -> IdServerUnreachable:
        """Return the fault for `error`, which httpcore, ssl, asyncio or the system raised under the request."""
        causes = list(_causes(error))
        match self.stage:
            case Stage.SENT if isinstance(error, SpoiledError):
                sentence = f"the ID server {self.server} {error}; check url in [id_server]"
            case Stage.SENT:
                # What the server did send is not repeated: it may be anything, even a secret of ours.
                why = _timed_out(causes) or "it broke off, or that was not HTTP"
                sentence = f"the ID server {self.server} gave no complete answer ({why}); check that it runs"
            case Stage.TLS:
                sentence = f"the ID server {self.server} {_no_tls(causes)} in [id_server]"
            case Stage.TUNNEL:
                said = _timed_out(causes) or display_text(str(error), 60) or "broke off"
                sentence = (
                    f"the proxy {self._proxy} does not lead to {self.server} ({said}); check proxy in [id_server]"
                )
            case _:
                sentence = self._not_connected(causes)
        return IdServerUnreachable(sentence, request_may_have_arrived=self.request_may_have_arrived)

    def _not_connected(self, causes: list[BaseException]) -> str:
        peer, setting = f"the ID server {self.server}", "url"
        if self._proxy:
            peer, setting = f"the proxy {self._proxy}", "proxy"
        for cause in causes:
            if isinstance(cause, socket.gaierror):
                why = display_text(cause.strerror or "no reason given")
                return f"the name of {peer} cannot be resolved ({why}); check {setting} in [id_server], and DNS"
        why = _timed_out(causes) or next(filter(None, map(_reason, causes)), "no reason given")
        return f"no connection to {peer} ({why}); check {setting} in [id_server], that it runs, and firewalls"


def _reason(cause: BaseException) -> str:
    if not isinstance(cause, OSError):
        return ""
    in_text = _NUMBER_IN_TEXT.search(str(cause))
    number = cause.errno or (int(in_text[1]) if in_text else None)
    return os.strerror(number) if number else ""


def _no_tls(causes: list[BaseException]) -> str:
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            check = "this host's clock, url and ca_file" if cause.verify_code in _OUT_OF_ITS_TIME else "url and ca_file"
            return f"has a certificate that is not accepted ({display_text(cause.verify_message)}); check {check}"
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

"""The ID servers, from name to answer, without a push: each step that a login's request takes, and what it met."""

import asyncio
import socket
import ssl
import time
from typing import TYPE_CHECKING, NamedTuple

from secsign_gate.core.auth_session import AuthSession
from secsign_gate.core.pacing import Kind
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.doctor.answers import judged
from secsign_gate.doctor.certificate import (
    Certificate,
    certificate_of,
    context_to_look,
    context_to_read,
    what_is_wrong,
)
from secsign_gate.doctor.clock import skew
from secsign_gate.doctor.finding import Finding, Status, what_and_mend
from secsign_gate.errors import IdServerError, IdServerUnreachable
from secsign_gate.id_server.address import Address, address_of, proxy_address
from secsign_gate.id_server.byte_stream import connect_tcp
from secsign_gate.id_server.dialects import dialect_of
from secsign_gate.id_server.journey import Journey
from secsign_gate.id_server.network import open_stream
from secsign_gate.id_server.tls import tls_context
from secsign_gate.id_server.transport import Transport

if TYPE_CHECKING:
    from secsign_gate.config import IdServerSettings

_SOON = 21  # days; who renews certificates by machine does so a month before they end
_WHY = "nobody who needs an approval is let in while no ID server answers"
_WHY_FALLBACK = "when the main server is down, there is no other"
# An auth session that nobody has made: to ask for its state is a request like any other, and no phone hears of it.
_NOBODYS_ID, _NOBODYS_REQUEST = "0", "0" * 64


class IdServerSeen(NamedTuple):
    """What was found at one server. `answers`: it could be asked for an approval now, as far as that can be told."""

    url: str
    answers: bool
    findings: tuple[Finding, ...]


async def examine_id_servers(settings: "IdServerSettings", secsign_id: SecSignId) -> tuple[IdServerSeen, ...]:
    """Look at the main server and at the fallback, if there is one. Any `secsign_id` will do for the question."""
    urls = [settings.url, *([settings.fallback_url] if settings.fallback_url is not None else [])]
    return tuple([await _examine(settings, url, secsign_id, fallback=url is not urls[0]) for url in urls])


async def _examine(settings: "IdServerSettings", url: str, secsign_id: SecSignId, *, fallback: bool) -> IdServerSeen:
    findings = []
    try:
        address = address_of(url)
        proxy = None if settings.proxy is None else proxy_address(settings.proxy)
        findings.append(await _connection(settings, address, proxy))
        if not _is_broken(findings):
            findings += await _certificate(settings, address, proxy)
        if not _is_broken(findings):
            findings += await _conversation(settings, url, secsign_id)
    except IdServerUnreachable as error:
        findings.append(_failed(str(error)))
    bad, why = (Status.WEAK, _WHY_FALLBACK) if fallback else (Status.BROKEN, _WHY)
    told = [one._replace(status=bad, why=why) if one.status is Status.BROKEN else one for one in findings]
    return IdServerSeen(url, not _is_broken(findings), tuple(told))


def _is_broken(findings: list[Finding]) -> bool:
    return any(finding.status is Status.BROKEN for finding in findings)


async def _connection(settings: "IdServerSettings", address: Address, proxy: Address | None) -> Finding:
    """Resolve the name and connect by TCP, to the proxy where there is one."""
    nearest = proxy or address
    journey = Journey(str(address), str(proxy or ""))
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(settings.connect_seconds):
            found = await loop.getaddrinfo(nearest.host, nearest.port, type=socket.SOCK_STREAM)
            began = loop.time()
            stream = await connect_tcp(nearest.host, nearest.port)
            took = loop.time() - began
    except (OSError, UnicodeError) as error:  # a TimeoutError is an OSError
        return _failed(str(journey.ended_by(error)))
    stream.close()
    numbers = ", ".join(dict.fromkeys(str(one[4][0]) for one in found))
    who = f"the proxy {proxy}" if proxy is not None else f"the ID server {address}"
    return Finding(Status.CLOSED, "", "", f"{who} is at {numbers} and takes connections ({took * 1000:.0f} ms)")


async def _certificate(settings: "IdServerSettings", address: Address, proxy: Address | None) -> list[Finding]:
    """Speak TLS as a login would; where that fails, look at the certificate to say why."""
    journey = Journey(str(address), str(proxy or ""))
    context = tls_context(settings.ca_file)
    try:
        stream = await open_stream(address, proxy, settings.connect_seconds, context, journey)
    except ssl.SSLCertVerificationError as error:
        seen = await _seen_certificate(settings, address, proxy)
        if seen is None:
            return [_failed(str(journey.ended_by(error)))]
        what, mend = what_is_wrong(seen, address.host, error.verify_message, time.time())
        what = f"the certificate of the ID server {address} is not accepted: {what}"
        return [Finding(Status.BROKEN, "", "", what, mend=mend)]
    except Exception as error:  # noqa: BLE001 - journey.py says of whatever it is what it means
        return [_failed(str(journey.ended_by(error)))]
    _, fields = stream.certificate()
    stream.close()
    certificate = certificate_of(fields)
    if certificate is None:
        return [Finding(Status.UNKNOWN, "", "", f"the ID server {address} shows no certificate that can be read")]
    findings = [_until_when(f"the certificate of the ID server {address}", certificate, "renew it on the ID server")]
    authorities = [certificate_of(fields) for fields in context.get_ca_certs()] if settings.ca_file is not None else []
    last = max(filter(None, authorities), key=lambda one: one.not_after, default=None)
    if last is not None:
        findings.append(_until_when(f"the authority in {settings.ca_file}", last, "put the next one beside it in time"))
    return findings


def _until_when(whose: str, certificate: Certificate, mend: str) -> Finding:
    days = certificate.days_left(time.time())
    what = f"{whose} is good until {certificate.last_day}, {days} days"
    if days < _SOON:
        return Finding(Status.WEAK, "", "", what, "when it has ended, nobody who needs an approval is let in", mend)
    return Finding(Status.CLOSED, "", "", what)


async def _seen_certificate(
    settings: "IdServerSettings", address: Address, proxy: Address | None
) -> Certificate | None:
    """Look at a certificate that is not accepted. Nothing is sent but what TLS itself says."""
    try:
        for_itself = Journey(str(address), str(proxy or ""))
        seconds = settings.connect_seconds
        stream = await open_stream(address, proxy, seconds, context_to_look(), for_itself)
        encoded, _ = stream.certificate()
        stream.close()
        stream = await open_stream(address, proxy, seconds, context_to_read(encoded), for_itself)
        _, fields = stream.certificate()
        stream.close()
    except Exception:  # noqa: BLE001 - a second look explains the first, which failed already
        return None
    return certificate_of(fields)


async def _conversation(settings: "IdServerSettings", url: str, secsign_id: SecSignId) -> list[Finding]:
    """Ask for the state of an auth session that does not exist, twice: the second time tells the round trip."""
    dialect, transport = dialect_of(settings), Transport(settings, lambda *_: None)
    nobodys = AuthSession(_NOBODYS_ID, secsign_id, _NOBODYS_REQUEST, url, None)
    loop = asyncio.get_running_loop()
    try:
        await transport.exchange(url, Kind.LOOK, dialect.look(nobodys))
        began, asked_at = loop.time(), time.time()
        reply = await transport.exchange(url, Kind.LOOK, dialect.look(nobodys))
        took = loop.time() - began
    except IdServerUnreachable as error:
        return [_failed(str(error))]
    finally:
        await transport.aclose()
    fault: IdServerError | None = None
    try:
        dialect.state(reply, nobodys)
    except IdServerError as error:
        fault = error
    return [judged(fault, settings, took), skew(reply.date, asked_at + took / 2, reply.server)]


def _failed(sentence: str) -> Finding:
    """Return the finding for a fault's sentence."""
    what, mend = what_and_mend(sentence)
    return Finding(Status.BROKEN, "", "", what, mend=mend)

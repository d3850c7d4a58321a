"""What is wrong with a server's certificate, and until when a good one is good."""

import ssl
import time
from collections.abc import Mapping
from typing import NamedTuple

_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, which Python's ssl does not name (openssl/x509_vfy.h)
_DAY = 86400.0


class Certificate(NamedTuple):
    """A certificate as a person looks at it. Times are seconds since 1970; all texts are of foreign origin."""

    names: tuple[str, ...]
    issuer: str
    not_before: float
    not_after: float

    def days_left(self, now: float) -> int:
        """Return for how many days yet it is valid, below 0 if it is no more."""
        return int((self.not_after - now) // _DAY)

    @property
    def last_day(self) -> str:
        """The day on which it ends, in UTC."""
        return time.strftime("%Y-%m-%d", time.gmtime(self.not_after))


def context_to_look() -> ssl.SSLContext:
    """Return a context that takes any certificate, to look at it. Nothing may be sent over such a connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def context_to_read(encoded: bytes) -> ssl.SSLContext:
    """Return a context that takes this certificate and no other, whoever signed it and whenever it ends.

    Python reads the fields of verified certificates only; so it is declared to be its own authority.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags = ssl.VerifyFlags(context.verify_flags | ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME)
    context.load_verify_locations(cadata=encoded)
    return context


def certificate_of(fields: Mapping[str, object]) -> Certificate | None:
    """Return what `ssl.SSLSocket.getpeercert()` says, None if it says nothing."""
    not_before, not_after = fields.get("notBefore"), fields.get("notAfter")
    if not isinstance(not_before, str) or not isinstance(not_after, str):
        return None
    names = fields.get("subjectAltName")
    return Certificate(
        names=tuple(value for _, value in names) if isinstance(names, tuple) else (),
        issuer=_name(fields.get("issuer")),
        not_before=ssl.cert_time_to_seconds(not_before),
        not_after=ssl.cert_time_to_seconds(not_after),
    )


def what_is_wrong(certificate: Certificate, host: str, said: str, now: float) -> tuple[str, str]:
    """Return what is wrong with a certificate that was not accepted for `host`, and how to mend it.

    `said` is the verifier's own word, for what cannot be told from the certificate itself.
    """
    if now > certificate.not_after:
        return (
            f"it ended on {certificate.last_day}, {-certificate.days_left(now)} days ago",
            "renew it on the ID server; if it should be good, this host's clock is wrong",
        )
    if now < certificate.not_before:
        begins = time.strftime("%Y-%m-%d %H:%M", time.gmtime(certificate.not_before))
        return f"it begins on {begins} UTC only", "set this host's clock, or renew it on the ID server"
    if "mismatch" in said.lower():
        names = ", ".join(certificate.names[:5]) or "nobody"
        return f"it is for {names}, not for {host}", "write one of its names into url in [id_server], or renew it"
    return (
        f"it is signed by {certificate.issuer or 'nobody'}, whom this host does not trust ({said})",
        "write the ID server's own authority into ca_file in [id_server]",
    )


def _name(parts: object) -> str:
    """Return the issuer's common name, or else its organisation."""
    found: dict[str, object] = {}
    for part in parts if isinstance(parts, tuple) else ():
        for key, value in part:
            found.setdefault(key, value)
    return str(found.get("commonName") or found.get("organizationName") or "")

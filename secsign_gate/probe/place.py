"""Where to log in: `[user@]host[:port]` as people write it, IPv6 addresses included."""

import re
from typing import NamedTuple

from secsign_gate.probe.fault import ProbeError

DEFAULT_PORT = 22
_HIGHEST_PORT = 65535
_LONGEST_HOST = 255  # of a name in the DNS (RFC 1035 section 2.3.4)
_LONGEST_ACCOUNT = 255
_HOST = re.compile(r"[A-Za-z0-9._:%-]+")
_PORT = re.compile(r"[0-9]{1,5}")


class Place(NamedTuple):
    """An account on a host. `host` is a name or an address without brackets."""

    account: str
    host: str
    port: int = DEFAULT_PORT

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.account}@{host}" + (f":{self.port}" if self.port != DEFAULT_PORT else "")

    @property
    def known_as(self) -> str:
        """The name that known_hosts has for it (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
        host = self.host.lower()
        return host if self.port == DEFAULT_PORT else f"[{host}]:{self.port}"


def parse_place(text: str, *, account: str, port: int | None = None) -> Place:
    """Return the place that `text` names.

    It is `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 address, with `user@` before it or not. `account`
    and `port` are what holds if the text names none; a port in both must be the same. Raises ProbeError.
    """
    before, at, rest = text.rpartition("@")
    host, written = parse_host_and_port(rest)
    if written is not None and port is not None and written != port:
        raise ProbeError(f"{text!a} names port {written}, and --port says {port}; name it once")
    return Place(checked_account(before if at else account), host, written or port or DEFAULT_PORT)


def parse_host_and_port(text: str) -> tuple[str, int | None]:
    """Return host and port of `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 address. Raises ProbeError."""
    if text.startswith("["):
        host, bracket, behind = text[1:].partition("]")
        if not bracket or (behind and not behind.startswith(":")):
            raise ProbeError(f"{text!a} is no address; write an IPv6 address with a port as [2001:db8::7]:22")
        return _host(host, text), _port(behind[1:], text) if behind else None
    if text.count(":") == 1:
        host, _, number = text.partition(":")
        return _host(host, text), _port(number, text)
    return _host(text, text), None


def checked_account(name: str) -> str:
    """Return `name` if an account may be called so. Raises ProbeError."""
    if not name or len(name) > _LONGEST_ACCOUNT or not name.isprintable() or " " in name:
        raise ProbeError(f"{name[:80]!a} is no account; name one by user@host or --user")
    return name


def _host(host: str, text: str) -> str:
    if len(host) > _LONGEST_HOST or not _HOST.fullmatch(host) or host.startswith("-"):
        raise ProbeError(f"{text[:80]!a} is no host; write a name or an address in ASCII, such as web1.example.org:22")
    return host


def _port(number: str, text: str) -> int:
    if not _PORT.fullmatch(number) or not 1 <= int(number) <= _HIGHEST_PORT:
        raise ProbeError(f"{text[:80]!a} names no port; write a number from 1 to {_HIGHEST_PORT} after the colon")
    return int(number)

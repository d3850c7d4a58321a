"""Where to connect to."""

from typing import NamedTuple
from urllib.parse import urlsplit

from secsign_gate.errors import IdServerUnreachable

_HTTPS_PORT = 443
_HTTP_PORT = 80


class Address(NamedTuple):
    """A host, by name or number, and its port. `base` is the path in front of every target, no slash at its end."""

    host: str
    port: int
    base: str = ""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address_of(server_url: str) -> Address:
    """Return the address in an https URL. Raises IdServerUnreachable if it is none."""
    try:
        url = urlsplit(server_url)
        host, port = url.hostname, url.port
    except ValueError:
        url, host, port = urlsplit(""), None, None
    if url.scheme != "https" or not host or not host.isascii():
        raise no_https_address(server_url)
    return Address(host, _HTTPS_PORT if port is None else port, url.path.removesuffix("/"))


def proxy_address(proxy: str) -> Address:
    """Return the address in the http URL of a proxy."""
    url = urlsplit(proxy)
    return Address(url.hostname or "", url.port or _HTTP_PORT)


def no_https_address(server_url: str) -> IdServerUnreachable:
    """Return the fault for a URL that leads nowhere."""
    return IdServerUnreachable(
        f"{server_url} is no https address; correct url in [id_server]", request_may_have_arrived=False
    )

"""SSH_CONNECTION, as sshd sets it last of all and no client can (ssh(1), ENVIRONMENT)."""

import re
from functools import lru_cache
from ipaddress import ip_address

from secsign_gate.core.login import IpAddress, SshConnection
from secsign_gate.errors import ClaimError

_FIELDS = 4
_MAX_LENGTH = 256
_MAX_PORT = 65535
_REMEMBERED = 1024  # connections; the channels of one all say the same
_SCOPE = re.compile(r"[0-9A-Za-z._-]{1,15}", re.ASCII)  # a name of an interface has at most 15 bytes (netdevice(7))
_NO_SOCKET = ("UNKNOWN", "65535")  # what `sshd -i` says of pipes


def parse_ssh_connection(text: bytes) -> SshConnection:
    """Return the connection that SSH_CONNECTION names: client address, client port, server address, server port.

    An address of an interface (`fe80::1%eth0`) keeps its scope. Raises ClaimError for anything that sshd would not say.
    """
    if not text:
        raise ClaimError("SSH_CONNECTION is missing; this program is started by sshd, see the README")
    if len(text) > _MAX_LENGTH or not text.isascii():
        raise ClaimError("SSH_CONNECTION is not what sshd sets; check AcceptEnv and PermitUserEnvironment")
    return _parsed(text)


@lru_cache(_REMEMBERED)
def _parsed(text: bytes) -> SshConnection:
    fields = text.decode("ascii").split(" ")
    if len(fields) != _FIELDS:
        raise ClaimError("SSH_CONNECTION does not have four fields; check AcceptEnv and PermitUserEnvironment")
    client_address, client_port = _end(fields[0], fields[1])
    server_address, server_port = _end(fields[2], fields[3])
    return SshConnection(client_address, client_port, server_address, server_port)


def is_same_connection(proven: SshConnection, claimed: SshConnection) -> bool:
    """Tell whether both name one TCP connection. The kernel's tables know no scope of a link-local address."""
    return all(_is_same_end(*ends) for ends in zip(_ends(proven), _ends(claimed), strict=True))


def _ends(connection: SshConnection) -> tuple[tuple[IpAddress | None, int], tuple[IpAddress | None, int]]:
    return (
        (connection.client_address, connection.client_port),
        (connection.server_address, connection.server_port),
    )


def _is_same_end(proven: tuple[IpAddress | None, int], claimed: tuple[IpAddress | None, int]) -> bool:
    if proven[0] is None or claimed[0] is None or proven[1] != claimed[1]:
        return False
    return (proven[0].version, int(proven[0])) == (claimed[0].version, int(claimed[0]))


def _end(address: str, port: str) -> tuple[IpAddress | None, int]:
    if (address, port) == _NO_SOCKET:
        return None, _MAX_PORT
    if not port.isdigit() or len(port) > len(str(_MAX_PORT)) or int(port) > _MAX_PORT:
        raise ClaimError("SSH_CONNECTION holds a port that is none; check AcceptEnv and PermitUserEnvironment")
    try:
        parsed = ip_address(address)
    except ValueError:
        raise ClaimError(
            "SSH_CONNECTION holds an address that is none; check AcceptEnv and PermitUserEnvironment"
        ) from None
    if parsed.version == 6 and not _SCOPE.fullmatch(parsed.scope_id or "lo"):  # noqa: PLR2004 - the IP version
        raise ClaimError("SSH_CONNECTION names an interface that is none; check AcceptEnv and PermitUserEnvironment")
    mapped = parsed.ipv4_mapped if parsed.version == 6 else None  # noqa: PLR2004 - the IP version
    return mapped or parsed, int(port)

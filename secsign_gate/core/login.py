"""One login: who asks, over which SSH connection, with which key, for what."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import NamedTuple

from secsign_gate.core.ancestry import SshdProcess

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network


class Account(NamedTuple):
    """A Unix account as the password and group databases know it.

    `groups` are names, primary group first; there are none where one of them has no name.
    """

    name: str
    uid: int
    home: str
    shell: str
    groups: tuple[str, ...]


class SshConnection(NamedTuple):
    """SSH_CONNECTION (ssh(1), ENVIRONMENT). Addresses are None when sshd has no TCP peer (`sshd -i` on pipes)."""

    client_address: IpAddress | None
    client_port: int
    server_address: IpAddress | None
    server_port: int


class PublicKey(NamedTuple):
    """A key or certificate that sshd verified, as in a `publickey` line of ExposeAuthInfo (sshd_config(5)).

    `key_type` is e.g. `ssh-ed25519`; `blob` is the decoded wire encoding (RFC 4253 section 6.6).
    """

    key_type: str
    blob: bytes


class OtherMethod(NamedTuple):
    """An authentication method without a key, e.g. `password` or `keyboard-interactive/pam`."""

    name: str


AuthenticationMethod = PublicKey | OtherMethod


class LoginShell(NamedTuple):
    """The client asked for a shell."""


class Command(NamedTuple):
    """The client asked for a command or subsystem; `line` is what `$SHELL -c` gets, as bytes, possibly empty."""

    line: bytes


class PamService(NamedTuple):
    """PAM asks for a service (pam(7)): what it will be used for, nobody knows yet.

    `name` is PAM_SERVICE, `phase` PAM_TYPE (`auth` or `account`), `terminal` PAM_TTY and `remote_host` PAM_RHOST, each
    printable and possibly empty. `whole_connection`: it is an SSH connection, with all that can be done over one.
    """

    name: str
    phase: str
    terminal: str
    remote_host: str
    whole_connection: bool


Wanted = LoginShell | Command | PamService


class Login(NamedTuple):
    """One request to pass the gate.

    `wanted` is what the client asked for. `restriction` is what the key or certificate allows instead
    (`command="…"`, `force-command`), None if it is unrestricted. `fingerprints` are `SHA256:…` of the keys used,
    for a certificate that of the certified key. `terminal` says whether a pty was allocated.

    `sshd` is the root-owned process that holds the SSH connection, None if that is not proven. `address_counts` says
    whether the client's address may open anything: it is proven, or nobody but the door could have said another.
    """

    door: str
    account: Account
    connection: SshConnection
    methods: tuple[AuthenticationMethod, ...]
    fingerprints: tuple[str, ...]
    wanted: Wanted
    restriction: bytes | None
    terminal: bool
    sshd: SshdProcess | None
    address_counts: bool

    @property
    def executes(self) -> Wanted:
        """What runs if the login is allowed: the key's restriction where there is one, else what was asked for."""
        return self.wanted if self.restriction is None else Command(self.restriction)

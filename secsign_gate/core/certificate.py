"""OpenSSH certificates (PROTOCOL.certkeys): what one says. Whether it is genuine, sshd has found out."""

from enum import IntEnum
from typing import NamedTuple

from secsign_gate.core.address_list import cidr_list_allows
from secsign_gate.core.public_key import canonical, certified_type, is_certificate_type, read_key_fields
from secsign_gate.core.ssh_encoding import EncodingError, SshReader
from secsign_gate.errors import GateError

_MOST_PRINCIPALS = 256  # as for sshd (SSHKEY_CERT_MAX_PRINCIPALS)
_MOST_NETWORKS = 64
_MOST_EXTENSIONS = 64  # OpenSSH knows six; an authority may add some of its own
_FLAGS = frozenset(
    {
        b"no-touch-required",
        b"permit-X11-forwarding",
        b"permit-agent-forwarding",
        b"permit-port-forwarding",
        b"permit-pty",
        b"permit-user-rc",
    },
)


class CertificateError(GateError):
    """A certificate that sshd would not accept, or that says something this program does not understand."""


class CertificateKind(IntEnum):
    """Whom a certificate is for."""

    USER = 1
    HOST = 2


class Certificate(NamedTuple):
    """An OpenSSH certificate.

    `plain_key` and `ca_key` are canonical blobs of the certified key and of the authority's. `valid_after` and
    `valid_before` are seconds since 1970; 2**64 - 1 is for ever. `force_command`, `source_address` and
    `verify_required` are the critical options. `extensions` are the names of all extensions, in order.
    """

    key_type: str
    plain_key: bytes
    serial: int
    kind: CertificateKind
    key_id: bytes
    principals: tuple[bytes, ...]
    valid_after: int
    valid_before: int
    force_command: bytes | None
    source_address: bytes | None
    verify_required: bool
    extensions: tuple[bytes, ...]
    ca_key: bytes

    @property
    def user_rc(self) -> bool:
        """Whether it permits ~/.ssh/rc. A certificate permits only what it names."""
        return b"permit-user-rc" in self.extensions


def parse_certificate(blob: bytes) -> Certificate:
    """Return the certificate that `blob` encodes.

    Raises CertificateError, with a sentence, if it is none, or has a critical option that is not known: "critical"
    means that who does not understand it must refuse (PROTOCOL.certkeys).
    """
    try:
        return _read(SshReader(blob))
    except EncodingError as error:
        raise CertificateError(f"the certificate is malformed: {error}") from None


def _read(reader: SshReader) -> Certificate:
    name = reader.text()
    if not is_certificate_type(name):
        raise CertificateError("the certificate is malformed: its key type is not that of a certificate")
    reader.string()  # the nonce
    plain_key = read_key_fields(certified_type(name), reader)
    serial = reader.uint64()
    kind = reader.uint32()
    key_id = reader.text()
    principals = _principals(reader.string())
    valid_after = reader.uint64()
    valid_before = reader.uint64()
    force_command, source_address, verify_required = _critical_options(reader.string())
    extensions = _extensions(reader.string())
    reader.string()  # reserved
    ca_key = canonical(reader.string())
    reader.string()  # the signature
    reader.end()
    if kind not in tuple(CertificateKind):
        raise CertificateError("the certificate is neither for a user nor for a host")
    return Certificate(
        key_type=name.decode("ascii"),
        plain_key=plain_key.blob,
        serial=serial,
        kind=CertificateKind(kind),
        key_id=key_id,
        principals=principals,
        valid_after=valid_after,
        valid_before=valid_before,
        force_command=force_command,
        source_address=source_address,
        verify_required=verify_required,
        extensions=extensions,
        ca_key=ca_key,
    )


def _principals(packed: bytes) -> tuple[bytes, ...]:
    reader = SshReader(packed)
    principals = []
    while not reader.at_end:
        principals.append(reader.text())
        if len(principals) > _MOST_PRINCIPALS:
            raise CertificateError(f"the certificate names more than {_MOST_PRINCIPALS} principals")
    return tuple(principals)


def _critical_options(packed: bytes) -> tuple[bytes | None, bytes | None, bool]:
    """Return force-command, source-address and verify-required."""
    reader = SshReader(packed)
    texts: dict[bytes, bytes] = {}
    while not reader.at_end:
        name = reader.text()
        data = SshReader(reader.string())
        if name not in (b"force-command", b"source-address", b"verify-required"):
            shown = name[:64].decode("ascii", "backslashreplace")
            raise CertificateError(f"the certificate has the critical option {shown!r}, which is not known")
        if name in texts:
            raise CertificateError(f"the certificate has the critical option {name.decode()} twice")
        texts[name] = b"" if name == b"verify-required" else data.text()
        data.end()
    source_address = texts.get(b"source-address")
    if source_address is not None:
        if source_address.count(b",") >= _MOST_NETWORKS:
            raise CertificateError(f"the certificate is for more than {_MOST_NETWORKS} networks; name fewer")
        try:
            cidr_list_allows(source_address, None)
        except ValueError as error:
            raise CertificateError(f"the certificate is malformed: {error}") from None
    return texts.get(b"force-command"), source_address, b"verify-required" in texts


def _extensions(packed: bytes) -> tuple[bytes, ...]:
    reader = SshReader(packed)
    names = []
    while not reader.at_end:
        name = reader.text()
        data = reader.string()
        if name in _FLAGS and data:
            raise CertificateError(f"the certificate's extension {name.decode()} has a value, which it cannot have")
        names.append(name)
        if len(names) > _MOST_EXTENSIONS:
            raise CertificateError(f"the certificate has more than {_MOST_EXTENSIONS} extensions")
    return tuple(names)

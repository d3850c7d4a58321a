"""TLS for the simulator: a certificate authority of its own, kept in the folder, and a server certificate per start.

The authority stays the same over restarts, so that whoever trusts its `ca.pem` goes on trusting. `cryptography`'s
x509 module writes the certificates: https://cryptography.io/en/latest/x509/
"""

import datetime as dt
import ipaddress
import os
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Quality = Literal["good", "wrong-host", "expired", "self-signed"]
QUALITIES: tuple[str, ...] = get_args(Quality)

WRONG_HOST = "elsewhere.example.org"
_DAY = dt.timedelta(days=1)


class TlsFiles(NamedTuple):
    """PEM files: the authority that clients are to trust, and the server's certificate with its private key."""

    ca_file: Path
    server_file: Path


class FolderMistake(Exception):
    """The folder holds something that is no certificate authority of ours; the text says what to do."""


class _Authority(NamedTuple):
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def prepare(folder: Path, quality: Quality, host: str) -> TlsFiles:
    """Write `ca.pem` (once) and `server.pem` (each time) into the folder.

    A good certificate is valid for 127.0.0.1, ::1, localhost and `host`. Raises FolderMistake, OSError.
    """
    authority = _authority(folder)
    names = ["localhost", "127.0.0.1", "::1", host] if quality != "wrong-host" else [WRONG_HOST]
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = _Authority(_self_signed(key, "localhost", is_ca=False), key) if quality == "self-signed" else authority
    until = _now() - _DAY if quality == "expired" else _now() + 90 * _DAY
    certificate = (
        _begun(names[0], issuer.certificate.subject, key, until)
        .add_extension(x509.SubjectAlternativeName(list(dict.fromkeys(map(_general_name, names)))), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(issuer.key, hashes.SHA256())
    )
    server_file = folder / "server.pem"
    _write_secret(server_file, _pem(key) + certificate.public_bytes(serialization.Encoding.PEM))
    return TlsFiles(folder / "ca.pem", server_file)


def _authority(folder: Path) -> _Authority:
    """Return the folder's certificate authority, made on first use."""
    ca_file, key_file = folder / "ca.pem", folder / "ca-key.pem"
    if not ca_file.exists() and not key_file.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _self_signed(key, "secsign-gate simulator", is_ca=True)
        _write_secret(key_file, _pem(key))
        ca_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return _Authority(certificate, key)
    try:
        certificate = x509.load_pem_x509_certificate(ca_file.read_bytes())
        known = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    except (ValueError, TypeError, FileNotFoundError) as unreadable:
        raise FolderMistake(_NOT_OURS.format(folder=folder)) from unreadable
    if not isinstance(known, ec.EllipticCurvePrivateKey) or known.public_key() != certificate.public_key():
        raise FolderMistake(_NOT_OURS.format(folder=folder))
    if certificate.not_valid_after_utc < _now() + _DAY:
        raise FolderMistake(
            f"The simulator's certificate authority in {folder} has expired: remove ca.pem, ca-key.pem."
        )
    return _Authority(certificate, known)


_NOT_OURS = (
    "The folder {folder} has a ca.pem and ca-key.pem that do not belong together: remove both or name another folder."
)


def _self_signed(key: ec.EllipticCurvePrivateKey, name: str, *, is_ca: bool) -> x509.Certificate:
    begun = _begun(name, _name(name), key, _now() + 3650 * _DAY)
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        begun.add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _begun(
    name: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, until: dt.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_now() - 30 * _DAY)
        .not_valid_after(until)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write_secret(path: Path, content: bytes) -> None:
    """Write a file that only its owner reads, from its first moment on."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)

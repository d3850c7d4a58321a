"""Keys and certificates put together by hand: of every kind, and of kinds that ssh-keygen would not make."""

import base64
import hashlib

from secsign_gate.core.ssh_encoding import ssh_string


def some(length: int, name: str) -> bytes:
    """Return bytes that look like a key's, and are the same each time."""
    return hashlib.shake_256(name.encode()).digest(length)


ED25519 = ssh_string(b"ssh-ed25519") + ssh_string(some(32, "alice"))
OTHER_ED25519 = ssh_string(b"ssh-ed25519") + ssh_string(some(32, "authority"))
MODULUS = b"\0\xc3" + some(255, "modulus")
RSA = ssh_string(b"ssh-rsa") + ssh_string(b"\x01\x00\x01") + ssh_string(MODULUS)
DSA = ssh_string(b"ssh-dss") + b"".join(ssh_string(b"\x01" + some(20, name)) for name in "pqgy")


def ecdsa(bits: int) -> bytes:
    """Return an ECDSA key's blob; its point is on no curve, which only sshd can tell."""
    curve = f"nistp{bits}".encode()
    point = b"\x04" + some(2 * ((bits + 7) // 8), f"point {bits}")
    return ssh_string(b"ecdsa-sha2-" + curve) + ssh_string(curve) + ssh_string(point)


SK_ED25519 = ssh_string(b"sk-ssh-ed25519@openssh.com") + ssh_string(some(32, "token")) + ssh_string(b"ssh:")
SK_ECDSA = (
    ssh_string(b"sk-ecdsa-sha2-nistp256@openssh.com")
    + ssh_string(b"nistp256")
    + ssh_string(b"\x04" + some(64, "token point"))
    + ssh_string(b"ssh:")
)
PLAIN_KEYS = (ED25519, RSA, DSA, ecdsa(256), ecdsa(384), ecdsa(521), SK_ED25519, SK_ECDSA)


def words(blob: bytes) -> bytes:
    """Return type and base64 of a blob as they stand in a file."""
    length = int.from_bytes(blob[:4])
    return blob[4 : 4 + length] + b" " + base64.b64encode(blob)


def options(*pairs: tuple[bytes, bytes]) -> bytes:
    """Return packed critical options or extensions; a value is given without its own length."""
    return b"".join(ssh_string(name) + ssh_string(ssh_string(value) if value else b"") for name, value in pairs)


def certificate(  # every field has a name in PROTOCOL.certkeys
    plain: bytes = ED25519,
    *,
    kind: int = 1,
    principals: tuple[bytes, ...] = (b"alice",),
    critical: bytes = b"",
    extensions: bytes = options((b"permit-pty", b""), (b"permit-user-rc", b"")),
    ca: bytes = OTHER_ED25519,
    after: int = 0,
    before: int = 2**64 - 1,
    rest: bytes = b"",
) -> bytes:
    """Return a certificate's blob, with a signature that is none."""
    length = int.from_bytes(plain[:4])
    name = plain[4 : 4 + length].removesuffix(b"@openssh.com") + b"-cert-v01@openssh.com"
    return (
        ssh_string(name)
        + ssh_string(bytes(32))
        + plain[4 + length :]
        + (7).to_bytes(8)
        + kind.to_bytes(4)
        + ssh_string(b"id")
        + ssh_string(b"".join(map(ssh_string, principals)))
        + after.to_bytes(8)
        + before.to_bytes(8)
        + ssh_string(critical)
        + ssh_string(extensions)
        + ssh_string(b"")
        + ssh_string(ca)
        + ssh_string(ssh_string(b"ssh-ed25519") + ssh_string(bytes(64)))
        + rest
    )

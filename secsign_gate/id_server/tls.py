"""TLS to an ID server: whom we trust."""

import ssl
from pathlib import Path

from secsign_gate.errors import IdServerUnreachable


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Return a context that verifies certificate and host name, against `ca_file` or else the system's trust store.

    Not by ssl.create_default_context, which obeys SSL_CERT_FILE, SSL_CERT_DIR and SSLKEYLOGFILE of the environment.
    Where the system's store is a folder of hashed names, as on Debian, only the certificate needed is ever read.
    Raises IdServerUnreachable if `ca_file` is unusable.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False  # RFC 9525 section 2: the name is in subjectAltName
    context.set_alpn_protocols(["http/1.1"])
    if ca_file is None:
        system = ssl.get_default_verify_paths()
        bundle = system.openssl_cafile if Path(system.openssl_cafile).is_file() else None
        context.load_verify_locations(cafile=bundle, capath=system.openssl_capath)
        return context
    try:
        context.load_verify_locations(cafile=ca_file)
    except OSError as error:
        why = "no PEM certificates in it" if isinstance(error, ssl.SSLError) else error.strerror
        raise IdServerUnreachable(
            f"{ca_file} cannot be used as CA file ({why}); correct ca_file in [id_server]",
            request_may_have_arrived=False,
        ) from error
    return context

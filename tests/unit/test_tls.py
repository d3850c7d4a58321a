"""Whom we trust."""

import ssl

from secsign_gate.id_server.tls import tls_context


def test_row_19_the_systems_trust_is_strict_too() -> None:
    context = tls_context(None)
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2

"""SSH_CONNECTION: what sshd says is taken, what it would not say is refused, one connection is told from another."""

import pytest

from secsign_gate.core.login import SshConnection
from secsign_gate.core.ssh_connection import is_same_connection, parse_ssh_connection
from secsign_gate.errors import ClaimError


def of(text: str) -> SshConnection:
    return parse_ssh_connection(text.encode())


def test_an_interface_of_a_link_local_address_is_kept() -> None:
    assert str(of("fe80::1%eth0 50022 fe80::2%eth0 22").client_address) == "fe80::1%eth0"


@pytest.mark.parametrize("scope", ["\x1b[2J", "a\x07b", "eth0\n", "", "x" * 16, "eth 0", "e;th"])
def test_what_is_no_name_of_an_interface_is_refused(scope: str) -> None:
    """It would reach the terminal of whoever asks for the status."""
    with pytest.raises(ClaimError):
        of(f"fe80::1%{scope} 50022 fe80::2 22")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.7 50022 192.0.2.1 22", "192.0.2.7 50022 192.0.2.1 22", True),
        ("192.0.2.7 50022 192.0.2.1 22", "::ffff:192.0.2.7 50022 192.0.2.1 22", True),
        ("fe80::1 50022 fe80::2 22", "fe80::1%eth0 50022 fe80::2%eth0 22", True),
        ("192.0.2.7 50022 192.0.2.1 22", "192.0.2.8 50022 192.0.2.1 22", False),
        ("192.0.2.7 50022 192.0.2.1 22", "192.0.2.7 50023 192.0.2.1 22", False),
        ("192.0.2.7 50022 192.0.2.1 22", "192.0.2.7 50022 192.0.2.2 22", False),
        ("192.0.2.7 50022 192.0.2.1 22", "192.0.2.7 50022 192.0.2.1 2222", False),
        ("192.0.2.7 50022 192.0.2.1 22", "::c000:207 50022 192.0.2.1 22", False),
        ("UNKNOWN 65535 UNKNOWN 65535", "UNKNOWN 65535 UNKNOWN 65535", False),
    ],
)
def test_two_names_of_one_connection_are_told(one: str, other: str, same: bool) -> None:
    assert is_same_connection(of(one), of(other)) is same

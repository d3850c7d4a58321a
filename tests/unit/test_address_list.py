from ipaddress import ip_address

import pytest

from secsign_gate.core.address_list import Answer, cidr_list_allows, from_list_allows

YES, NO, MAYBE = Answer.YES, Answer.NO, Answer.MAYBE


@pytest.mark.parametrize(
    ("patterns", "address", "answer"),
    [
        # What OpenSSH 9.2p1 did with each of these for a client from 127.0.0.1 (UseDNS no: a MAYBE is its no).
        (b"127.0.0.0/8", "127.0.0.1", YES),
        (b"127.0.0.1", "127.0.0.1", YES),
        (b"127.0.0.1/32", "127.0.0.1", YES),
        (b"127.1", "127.0.0.1", YES),
        (b"0177.0.0.1", "127.0.0.1", YES),
        (b"0x7f000001", "127.0.0.1", YES),
        (b"2130706433", "127.0.0.1", YES),
        (b"127.*", "127.0.0.1", YES),
        (b"127.0.0.?,::1", "127.0.0.1", YES),
        (b"*", "127.0.0.1", YES),
        (b"127.0.0.0/999,*", "127.0.0.1", YES),
        (b"UNKNOWN,*", "127.0.0.1", YES),
        (b"*,!127.0.0.1", "127.0.0.1", NO),
        (b"!127.0.0.1,*", "127.0.0.1", NO),
        (b"!*,127.0.0.1", "127.0.0.1", NO),
        (b"!127.0.0.2", "127.0.0.1", NO),
        (b"10.0.0.0/8", "127.0.0.1", NO),
        (b"127.0.0.1/8", "127.0.0.1", NO),
        (b"127.0.0.0/64", "127.0.0.1", NO),
        (b"*,", "127.0.0.1", NO),
        (b"", "127.0.0.1", NO),
        (b"*,127.0.0.1/8", "127.0.0.1", NO),
        (b"127.0.0.0/ 8", "127.0.0.1", MAYBE),
        (b"127.0.0.0/+8", "127.0.0.1", MAYBE),
        # The other family, and what no address of either is.
        (b"2001:db8::/32", "2001:db8::7", YES),
        (b"2001:DB8::7", "2001:db8::7", YES),
        (b"2001:db8::/33", "2001:db8:8000::1", NO),
        (b"0.0.0.0/0", "2001:db8::7", NO),
        (b"::/0", "192.0.2.7", NO),
        (b"fe80::/10", "fe80::1%eth0", NO),
        (b"fe80::1%eth0", "fe80::1%eth0", YES),
        (b"256.1", "1.0.0.0", MAYBE),
        (b"1.256", "1.0.1.0", YES),
        (b"1.2.3.4/" + b"0" * 60 + b"32", "1.2.3.4", MAYBE),
        (b"1:2:3", "1.2.3.4", MAYBE),
        (b"1.2.3.4.5,08", "1.2.3.4", MAYBE),
        # A name can turn these where UseDNS is set.
        (b"*.example.org", "192.0.2.7", MAYBE),
        (b"host,10.0.0.0/8", "192.0.2.7", MAYBE),
        (b"!*.example.org,192.0.2.0/24", "192.0.2.7", MAYBE),
        (b"!*.example.org,10.0.0.0/8", "192.0.2.7", NO),
        (b"*.example.org,!192.0.2.0/24", "192.0.2.7", NO),
    ],
)
def test_what_a_from_list_allows(patterns: bytes, address: str, answer: Answer) -> None:
    assert from_list_allows(patterns, ip_address(address)) is answer


@pytest.mark.parametrize(
    ("patterns", "answer"),
    [(b"*", YES), (b"unk*", YES), (b"UNKNOWN", YES), (b"10.0.0.0/8", NO), (b"*,!unknown", NO), (b"", NO)],
)
def test_a_client_without_an_address_is_one_that_only_names_allow(patterns: bytes, answer: Answer) -> None:
    assert from_list_allows(patterns, None) is answer


def test_a_pattern_too_long_ends_the_matching_of_names() -> None:
    assert from_list_allows(b"*," + b"a" * 1023, None) is NO
    assert from_list_allows(b"*," + b"a" * 1022, None) is YES


@pytest.mark.parametrize(
    ("networks", "address", "allowed"),
    [
        (b"10.0.0.0/8", "10.1.2.3", True),
        (b"192.0.2.7,10.0.0.0/8", "10.1.2.3", True),
        (b"10.0.0.0/8", "11.0.0.1", False),
        (b"::1,10.0.0.0/8", "::1", True),
        (b"10.0.0.0/8", None, False),
    ],
)
def test_where_a_certificate_may_be_used(networks: bytes, address: str | None, allowed: bool) -> None:
    assert cidr_list_allows(networks, None if address is None else ip_address(address)) is allowed


@pytest.mark.parametrize(
    "networks", [b"", b"10.0.0.0/8,", b"!10.0.0.0/8", b"10.*", b"host", b"10.0.0.1/8", b"fe80::1%eth0", b"1" * 60]
)
def test_a_list_of_networks_that_sshd_refuses_is_an_error(networks: bytes) -> None:
    with pytest.raises(ValueError, match=r"network|length|empty"):
        cidr_list_allows(networks, ip_address("10.1.2.3"))

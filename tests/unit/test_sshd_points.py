"""Which logins sshd is asked about."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

import pytest

from secsign_gate.core.login import Account
from secsign_gate.doctor.sshd import points as sshd_points
from secsign_gate.doctor.sshd.points import account_classes, addresses_like, lines_about
from secsign_gate.sshd.config_lines import Line, parse_criteria, parse_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secsign_gate.doctor.sshd.session import Connection


def block(text: str) -> Line:
    line = parse_line("/f", 1, parse_criteria(text), "Banner none")
    assert line is not None
    return line


def account(name: str, *groups: str) -> Account:
    return Account(name, 1000, f"/home/{name}", "/bin/bash", (name, *groups))


def connections(lines: list[Line], ports: Sequence[int], *, names_looked_up: bool = False) -> tuple[Connection, ...]:
    return sshd_points.connections(lines, ports, names_looked_up=names_looked_up).connections


def names(classes: list[tuple[Account, ...]]) -> list[list[str]]:
    return sorted([one.name for one in accounts] for accounts in classes)


def test_accounts_that_no_match_tells_apart_are_asked_about_once() -> None:
    people = [account("alice", "wheel"), account("bob"), account("carol", "wheel"), account("svc-a"), account("svc-b")]
    assert names(account_classes(people, [])) == [["alice", "bob", "carol", "svc-a", "svc-b"]]
    lines = [block("Group wheel"), block("User svc-*,!svc-b"), block("Address 10.0.0.0/8")]
    assert names(account_classes(people, lines)) == [["alice", "carol"], ["bob", "svc-b"], ["svc-a"]]


def test_a_group_that_is_ruled_out_counts() -> None:
    people = [account("alice", "wheel", "guests"), account("bob", "wheel")]
    assert names(account_classes(people, [block("Group wheel,!guests")])) == [["alice"], ["bob"]]


ELSEWHERE = block("Address 203.0.113.1")


def test_where_blocks_are_about_places_it_is_both_loopbacks_and_outside_too() -> None:
    found = connections([ELSEWHERE], [22])
    assert {one.address for one in found} >= {"127.0.0.1", "::1", "192.0.2.7", "2001:db8::7", "203.0.113.1"}
    assert {one.local_port for one in found} == {22}


@pytest.mark.parametrize("lines", [[], [block("all")], [block("User alice Group wheel")]])
def test_where_no_block_is_about_places_one_login_stands_for_all(lines: list[Line]) -> None:
    assert [one.address for one in connections(lines, [22, 2222])] == ["192.0.2.7"]


def test_what_is_new_in_a_match_line_may_be_about_anything() -> None:
    assert len(connections([block("localnetwork 10.0.0.0/8")], [22])) == 4


def test_every_port_is_asked_about() -> None:
    assert {one.local_port for one in connections([ELSEWHERE], [2222, 22])} == {22, 2222}
    assert {one.local_port for one in connections([ELSEWHERE], [])} == {22}


def test_blocks_of_other_people_are_not_looked_at() -> None:
    lines = [block("User alice Address 10.0.0.0/8"), block("Group wheel"), block("all")]
    assert lines_about(account("bob"), lines) == [lines[2]]
    assert lines_about(account("alice", "wheel"), lines) == lines


@pytest.mark.parametrize(
    ("match", "wanted"),
    [
        ("Address 10.1.0.0/16", [("10.1.0.1", "192.0.2.1", 22)]),
        ("Address *,!10.1.0.0/16", [("10.1.0.1", "192.0.2.1", 22)]),
        ("Address 2001:db8:1::/48", [("2001:db8:1::1", "2001:db8::1", 22)]),
        ("LocalPort 2222", [("192.0.2.7", "192.0.2.1", 2222)]),
        ("LocalAddress 10.0.0.5", [("192.0.2.7", "10.0.0.5", 22)]),
        ("Address 10.1.2.3 LocalPort 2222,2223", [("10.1.2.3", "192.0.2.1", 2222), ("10.1.2.3", "192.0.2.1", 2223)]),
    ],
)
def test_each_block_is_looked_at_from_inside(match: str, wanted: list[tuple[str, str, int]]) -> None:
    found = connections([block(match)], [22])
    assert {(one.address, one.local_address, one.local_port) for one in found} >= set(wanted)


def test_names_of_hosts_count_only_where_sshd_looks_them_up() -> None:
    lines = [block("Host *.example.org,10.2.0.1")]
    assert {one.host for one in connections(lines, [22], names_looked_up=True)} >= {"x.example.org", "10.2.0.1"}
    without = connections(lines, [22])
    assert "10.2.0.1" in {one.host for one in without}
    assert all(one.host == one.address for one in without)


def tried(lines: list[Line], ports: tuple[int, ...] = (22,)) -> set[tuple[str, int]]:
    return {(one.address, one.local_port) for one in connections(lines, ports)}


def test_what_two_blocks_are_about_is_tried_together() -> None:
    lines = [block("LocalPort 22"), block("Address 10.0.0.0/8")]
    assert tried(lines, (22, 2222)) >= {("10.0.0.1", 22), ("10.0.0.1", 2222), ("192.0.2.7", 2222)}


@pytest.mark.parametrize("inner", ["10.0.0.0/24", "10.0.0.1", "10.0.0.*"])
def test_a_network_around_another_is_tried_outside_of_that(inner: str) -> None:
    found = tried([block(f"Address {inner}"), block("Address 10.0.0.0/8")])
    outside = ip_network("10.0.0.0/8")
    within = ip_network("10.0.0.1" if inner == "10.0.0.1" else "10.0.0.0/24")
    addresses = [ip_address(address) for address, _ in found]
    assert any(one in outside and one not in within for one in addresses)
    assert any(one in within for one in addresses)


def test_routing_domains_are_tried_and_none_is() -> None:
    assert {one.routing_domain for one in connections([block("RDomain mgmt,vrf-*")], [22])} >= {"", "mgmt", "vrf-x"}


def test_that_not_all_was_tried_is_said() -> None:
    addresses = ",".join(f"10.{one}.0.0/16" for one in range(0, 400, 2) if one < 256)
    long = [block(f"Address {addresses}"), block("LocalPort 1022"), block("LocalAddress 10.0.0.5")]
    places = sshd_points.connections(long, [22], names_looked_up=False)
    assert not places.all_of_them
    assert len(places.connections) <= 256
    assert {one.local_port for one in places.connections} == {22, 1022}
    assert sshd_points.connections(long[1:], [22], names_looked_up=False).all_of_them


@pytest.mark.parametrize(
    "pattern", ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "::1", "10.1.*", "10.?.2.3", "*", "fe80::*", "0.0.0.0/0"]
)
def test_an_address_is_made_that_the_pattern_matches(pattern: str) -> None:
    address = ip_address(addresses_like(pattern)[0])
    if "/" in pattern:
        assert address in ip_network(pattern)


@pytest.mark.parametrize("pattern", ["", "host.example.org", "*.example.org", "300.1.1.1", "x", "300.*"])
def test_of_what_is_no_address_there_is_none(pattern: str) -> None:
    assert addresses_like(pattern) == ()

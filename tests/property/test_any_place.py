"""Hosts and ports as people write them, and lines of known_hosts: read as meant, or refused in a sentence."""

from __future__ import annotations

import base64
import ipaddress
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secsign_gate.probe.fault import ProbeError
from secsign_gate.probe.known_hosts import known_keys
from secsign_gate.probe.place import Place, parse_host_and_port, parse_place

if TYPE_CHECKING:
    from pathlib import Path

NAMES = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,30}[a-z0-9])?", fullmatch=True)
PORTS = st.integers(1, 65535)
ACCOUNTS = st.from_regex(r"[a-z_][a-z0-9_.@-]{0,20}", fullmatch=True)


@given(st.text(max_size=60))
def test_any_text_is_a_place_or_refused(text: str) -> None:
    with suppress(ProbeError):
        place = parse_place(text, account="alice")
        assert place.host
        assert place.host.isascii()
        assert 1 <= place.port <= 65535
        assert parse_place(str(place), account="nobody") == place


@given(ACCOUNTS, st.one_of(NAMES, st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(str)), PORTS)
def test_what_is_written_is_read(account: str, host: str, port: int) -> None:
    place = Place(account, host, port)
    assert parse_place(str(place), account="nobody") == place
    assert parse_place(f"{account}@{host}", account="nobody", port=port) == place


@given(st.ip_addresses(v=6), PORTS)
def test_an_ipv6_address_with_and_without_brackets(address: ipaddress.IPv6Address, port: int) -> None:
    assert parse_host_and_port(str(address)) == (str(address), None)
    assert parse_host_and_port(f"[{address}]") == (str(address), None)
    assert parse_host_and_port(f"[{address}]:{port}") == (str(address), port)


@pytest.mark.parametrize(
    "text",
    ["", "@", "alice@", "@web1", ":22", "web1:", "web1:0", "web1:65536", "web1:22x", "[::1", "[::1]22", "[::1]:",
     "[]:22", "-oProxyCommand=x", "web 1", "web1\n", "wéb1", "web1:２２", "a" * 300, "alice @web1", "web1:-1",
     "web1:+22"],
)  # fmt: skip
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(ProbeError) as refused:
        parse_place(text, account="alice")
    assert len(str(refused.value)) < 300
    assert str(refused.value).isprintable()


def test_a_port_is_named_once() -> None:
    with pytest.raises(ProbeError, match="names port 22, and --port says 23"):
        parse_place("web1:22", account="alice", port=23)
    assert parse_place("web1:22", account="alice", port=22).port == 22


@given(st.text(max_size=200), NAMES)
def test_any_known_hosts_is_read(text: str, name: str) -> None:
    known_keys(text, name)


BLOB = base64.b64encode(b"\0\0\0\x07ssh-foo").decode()


@given(NAMES, PORTS)
def test_a_host_is_found_by_the_name_that_ssh_writes(host: str, port: int) -> None:
    name = Place("alice", host, port).known_as
    text = f"other {BLOB} {BLOB}\n{name} ssh-foo {BLOB}\n"
    assert [key.kind for key in known_keys(text, name)] == ["ssh-foo"]


@pytest.fixture
def hashed(tmp_path: Path) -> str:
    """A file of ssh-keygen -H, with a real key for web1 and for [2001:db8::7]:2222."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    key = " ".join((tmp_path / "key.pub").read_text().split()[:2])
    path = tmp_path / "known_hosts"
    path.write_text(f"web1 {key}\n[2001:db8::7]:2222 {key}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", path], check=True, capture_output=True)
    text = path.read_text()
    assert "web1" not in text
    return text


@pytest.mark.parametrize(("name", "times"), [("web1", 1), ("[2001:db8::7]:2222", 1), ("web2", 0), ("[web1]:2222", 0)])
def test_hashed_names(hashed: str, name: str, times: int) -> None:
    assert len(known_keys(hashed, name)) == times


@pytest.mark.parametrize(
    ("line", "times"),
    [
        ("web1,192.0.2.7 ssh-foo {}", 1),
        ("WEB1 ssh-foo {}", 1),
        ("web? ssh-foo {}", 1),
        ("*,!web1 ssh-foo {}", 0),
        ("# web1 ssh-foo {}", 0),
        ("web1 ssh-foo", 0),
        ("web1 ssh-foo not-base64!", 0),
        ("@cert-authority web1 ssh-foo {}", 0),
        ("@revoked web1 ssh-foo {}", 1),
        ("|1|nonsense ssh-foo {}", 0),
        ("|1|not!|base64! ssh-foo {}", 0),
    ],
)
def test_lines_of_known_hosts(line: str, times: int) -> None:
    found = known_keys(line.format(BLOB), "web1")
    assert len(found) == times
    assert [key.revoked for key in found] == [line.startswith("@revoked")] * times

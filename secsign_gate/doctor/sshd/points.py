"""Which accounts on which connections sshd is asked about, so that every Match block is seen from inside and outside.

Pure. Accounts that no Match can tell apart are asked about once.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from ipaddress import ip_address, ip_network
from itertools import islice, product
from typing import NamedTuple

from secsign_gate.core.login import Account
from secsign_gate.core.patterns import split_patterns, verdict_on
from secsign_gate.doctor.sshd.session import Connection
from secsign_gate.sshd.config_lines import Criterion, Line

OUTSIDE, OUTSIDE_V6 = "192.0.2.7", "2001:db8::7"  # addresses that nobody has (RFC 5737, RFC 3849)
_HERE, _HERE_V6 = "192.0.2.1", "2001:db8::1"
_EVERYWHERE = (("127.0.0.1", "127.0.0.1"), ("::1", "::1"), (OUTSIDE, _HERE), (OUTSIDE_V6, _HERE_V6))
_MOST_CONNECTIONS = 256  # of one account; each is a question to sshd of some ten milliseconds
_FROM_ONE_BLOCK = 64  # of them, where there are more
# What sshd can be asked about, or has no account: `invalid-user` is about names that nobody has.
ASKED_OF_SSHD = frozenset(
    {"all", "user", "group", "host", "address", "localaddress", "localport", "rdomain", "version", "invalid-user"}
)

_ABOUT_ACCOUNTS = frozenset({"all", "user", "group", "invalid-user"})
_LETTERS = ("x", "x.y")  # in place of a `*` in a name; two, for the one may be ruled out
_OCTETS = re.compile(r"((?:\d{1,3}\.){1,3})\*")


class Places(NamedTuple):
    """Connections to be asked about. `all_of_them`: no other one could be seen otherwise by the Match lines."""

    connections: tuple[Connection, ...]
    all_of_them: bool


def account_classes(accounts: Iterable[Account], lines: Iterable[Line]) -> list[tuple[Account, ...]]:
    """Return the accounts in groups of which every Match line takes all or none."""
    lists = dict.fromkeys(
        (criterion.name, criterion.argument)
        for line in lines
        for criterion in line.match
        if criterion.name in ("user", "group")
    )
    classes: dict[tuple[bool | None, ...], list[Account]] = {}
    for account in accounts:
        classes.setdefault(tuple(_taken(account, *one) for one in lists), []).append(account)
    return [tuple(one) for one in classes.values()]


def speakable(alike: tuple[Account, ...]) -> str:
    """Return the name of one of accounts that no Match tells apart: one that can be said to sshd, if there is one."""
    return next((one.name for one in alike if one.name.isprintable() and "," not in one.name), alike[0].name)


def _taken(account: Account, name: str, argument: str) -> bool:
    patterns = list(split_patterns(argument))
    if name == "user":
        return verdict_on(account.name, patterns) is True
    verdicts = [verdict_on(group, patterns) for group in account.groups]
    return True in verdicts and False not in verdicts


def lines_about(account: Account, lines: Iterable[Line]) -> list[Line]:
    """Return the lines that may hold for a login of `account`: no Match User or Match Group keeps them from it."""
    return [line for line in lines if all(_taken(account, *one) for one in line.match if one.name in ("user", "group"))]


def connections(lines: Iterable[Line], ports: Iterable[int], *, names_looked_up: bool) -> Places:
    """Return connections from which every Match line is seen from inside and outside, alone and beside each other.

    Of a network that is its first host and the first address behind it: where one network lies in another, each part of
    the two has one of these. What several blocks are about is combined, for a block that comes first may rule one of
    its criteria out (`Match LocalPort 22` before `Match Address 10.0.0.0/8`: who comes from there to another port?).

    Where no block is about anything but accounts, all connections are alike, and one from outside stands for them.
    `names_looked_up`: UseDNS is on. Else the client's host is its address, and no name in a Match Host is ever matched.
    """
    listening = sorted(set(ports)) or [22]
    matches = [match for match in dict.fromkeys(line.match for line in lines) if match]
    criteria = [criterion for match in matches for criterion in match]
    if all(criterion.name in _ABOUT_ACCOUNTS for criterion in criteria):
        return Places((Connection(OUTSIDE, OUTSIDE, _HERE, listening[0]),), all_of_them=True)
    everything = [*islice(_combined(criteria, listening, names_looked_up=names_looked_up), _MOST_CONNECTIONS + 1)]
    if len(everything) <= _MOST_CONNECTIONS:
        return Places(tuple(everything), all_of_them=True)
    found: dict[Connection, None] = {}
    for match in [(), *matches]:
        block = _combined(match, listening, names_looked_up=names_looked_up)
        found |= dict.fromkeys(islice(block, _FROM_ONE_BLOCK))
    return Places(tuple(islice(found, _MOST_CONNECTIONS)), all_of_them=False)


def _combined(criteria: Iterable[Criterion], listening: list[int], *, names_looked_up: bool) -> Iterator[Connection]:
    """Yield each combination of what the criteria are about, and of what none of them is about."""
    patterns: dict[str, dict[str, None]] = {}
    for criterion in criteria:
        patterns.setdefault(criterion.name, {}).update((one.text, None) for one in split_patterns(criterion.argument))
    addresses = {address: own for address, own in _EVERYWHERE}  # noqa: C416 - `dict` does not take it under mypy
    hosts: dict[str, None] = {"": None}
    for text in (*patterns.get("address", ()), *patterns.get("host", ())):
        addresses = {one: _HERE_V6 if ":" in one else _HERE for one in addresses_like(text)} | addresses
    for text in patterns.get("host", ()):
        if names_looked_up and not addresses_like(text):
            hosts |= {_filled(text, letters).lower(): None for letters in _LETTERS}
    here = ["", *dict.fromkeys(one for text in patterns.get("localaddress", ()) for one in addresses_like(text))]
    ports = dict.fromkeys([*listening, *_ports(patterns.get("localport", ()))])
    named = (_filled(text, letters) for text in patterns.get("rdomain", ()) if text for letters in _LETTERS)
    domains = ["", *dict.fromkeys(named)]
    for (address, own), host, local, port, domain in product(addresses.items(), hosts, here, ports, domains):
        yield Connection(address, host or address, local or own, port, domain)


def _ports(patterns: Iterable[str]) -> Iterator[int]:
    for text in patterns:
        if text.isdecimal() and len(text) < 6:  # noqa: PLR2004 - digits of a port
            yield int(text)


def addresses_like(pattern: str) -> tuple[str, ...]:
    """Return addresses at which a pattern of Match Address begins or ceases to hold.

    Of a network (`10.1.*` is one, too) its first host, and the first address behind it; else what the pattern becomes
    with `*` and `?` filled in. None if it is for no address.
    """
    whole = _OCTETS.fullmatch(pattern)
    if whole is not None:
        octets = whole[1].rstrip(".").split(".")
        pattern = f"{'.'.join([*octets, *['0'] * (4 - len(octets))])}/{8 * len(octets)}"
    with suppress(ValueError):
        network = ip_network(pattern, strict=False)
        found = [network[1 if network.num_addresses > 1 else 0]]
        with suppress(ValueError):  # behind the last address there is none
            found.append(network.broadcast_address + 1)
        return tuple(map(str, found))
    fillings = (("1", "1.1", "1.1.1", "1.1.1.1"), ("77", "77.77", "77.77.77"), ("::1", ":1", "1::1"))
    made = (_address(pattern, some) for some in fillings)
    return tuple(dict.fromkeys(one for one in made if one))


def _address(pattern: str, fillings: Iterable[str]) -> str:
    for filling in fillings:
        with suppress(ValueError):
            return str(ip_address(_filled(pattern, filling)))
    return ""


def _filled(pattern: str, filling: str) -> str:
    return re.sub(r"\*+", filling, pattern).replace("?", "1")

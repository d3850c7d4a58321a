"""Which accounts on which connections sshd is asked about, so that every Match block is seen from inside and outside.

Pure. Accounts that no Match can tell apart are asked about once.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from ipaddress import ip_address, ip_network
from itertools import islice, product

from secsign_gate.core.login import Account
from secsign_gate.core.patterns import Pattern, split_patterns, verdict_on
from secsign_gate.doctor.sshd_session import Connection
from secsign_gate.sshd.config_lines import Criterion, Line

OUTSIDE, OUTSIDE_V6 = "192.0.2.7", "2001:db8::7"  # addresses that nobody has (RFC 5737, RFC 3849)
_HERE, _HERE_V6 = "192.0.2.1", "2001:db8::1"
_EVERYWHERE = (("127.0.0.1", "127.0.0.1"), ("::1", "::1"), (OUTSIDE, _HERE), (OUTSIDE_V6, _HERE_V6))
_FROM_ONE_BLOCK = 64  # connections; a block with longer lists is seen from some of its places
ASKED_OF_SSHD = frozenset({"all", "user", "group", "host", "address", "localaddress", "localport", "version"})

_ABOUT_ACCOUNTS = frozenset({"all", "user", "group"})


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


def _taken(account: Account, name: str, argument: str) -> bool:
    patterns = list(split_patterns(argument))
    if name == "user":
        return verdict_on(account.name, patterns) is True
    verdicts = [verdict_on(group, patterns) for group in account.groups]
    return True in verdicts and False not in verdicts


def lines_about(account: Account, lines: Iterable[Line]) -> list[Line]:
    """Return the lines that may hold for a login of `account`: no Match User or Match Group keeps them from it."""
    return [line for line in lines if all(_taken(account, *one) for one in line.match if one.name in ("user", "group"))]


def connections(lines: Iterable[Line], ports: Iterable[int], *, names_looked_up: bool) -> tuple[Connection, ...]:
    """Return connections from the loopback and from outside to each port, and those that Match blocks are about.

    Where no block is about anything but accounts, all connections are alike, and one from outside stands for them.
    `names_looked_up`: UseDNS is on. Else the client's host is its address, and no name in a Match Host is ever matched.
    """
    listening = sorted(set(ports)) or [22]
    matches = [match for match in dict.fromkeys(line.match for line in lines) if match]
    if all(criterion.name in _ABOUT_ACCOUNTS for match in matches for criterion in match):
        return (Connection(OUTSIDE, OUTSIDE, _HERE, listening[0]),)
    found = dict.fromkeys(
        Connection(address, address, here, port) for port in listening for address, here in _EVERYWHERE
    )
    for match in matches:
        block = _of_block(match, listening[0], names_looked_up=names_looked_up)
        found |= dict.fromkeys(islice(block, _FROM_ONE_BLOCK))
    return tuple(found)


def _of_block(match: tuple[Criterion, ...], port: int, *, names_looked_up: bool) -> Iterator[Connection]:
    """Yield connections that the criteria of a block are about: one for each pattern, negated ones too."""
    patterns: dict[str, list[Pattern]] = {}
    for criterion in match:
        patterns.setdefault(criterion.name, []).extend(split_patterns(criterion.argument))
    addresses = [example for one in patterns.get("address", ()) if (example := address_like(one.text))]
    hosts: list[str] = []
    for one in patterns.get("host", ()):
        address = address_like(one.text)
        if address:
            addresses.append(address)
            hosts.append("")
        elif names_looked_up:
            hosts.append(_filled(one.text, "x").lower())
    here = [example for one in patterns.get("localaddress", ()) if (example := address_like(one.text))]
    ports = [int(one.text) for one in patterns.get("localport", ()) if one.text.isdecimal() and len(one.text) < 6]  # noqa: PLR2004 - digits of a port
    if not (addresses or hosts or here or ports):
        return
    places = product(addresses or [OUTSIDE], dict.fromkeys(hosts or [""]), here or [""], ports or [port])
    for address, host, local, number in places:
        own = _HERE_V6 if ":" in address else _HERE
        yield Connection(address, host or address, local or own, number)


def address_like(pattern: str) -> str:
    """Return an address that a pattern of Match Address matches: a network's, or one with `*` and `?` filled in.

    Empty if the pattern is for no address.
    """
    with suppress(ValueError):
        network = ip_network(pattern, strict=False)
        return str(network[1] if network.num_addresses > 1 else network[0])
    for filling in ("1", "1.1", "1.1.1", "1.1.1.1", "::1", ":1", "1::1"):
        with suppress(ValueError):
            return str(ip_address(_filled(pattern, filling)))
    return ""


def _filled(pattern: str, filling: str) -> str:
    return re.sub(r"\*+", filling, pattern).replace("?", "1")

"""Lists of client addresses: `from="…"` of a key line (sshd(8)) and `source-address` of a certificate.

sshd reads the elements of a from= list twice, as networks or wildcards for the address, and as wildcards for the
host name, and so do we. What sshd took for the host name is not told to anybody: it is the address unless UseDNS is
set. Where a name could turn the answer, the answer is MAYBE.
"""

import re
from enum import IntEnum
from ipaddress import IPv6Address
from typing import NamedTuple

from secsign_gate.core.login import IpAddress
from secsign_gate.core.patterns import Pattern, matches_pattern, split_patterns, verdict_on

_NO_PEER = "unknown"  # what sshd matches for a client without an address, in the lower case that it uses here
_LONGEST_PATTERN = 1022
_LONGEST_ADDRESS = 63
_LONGEST_CIDR = 46 + 3
_MASK = re.compile(r"0*([0-9]{1,3})")
_CIDR_CHARACTERS = re.compile(r"[0-9a-fA-F.:/]+")
_IPV4_PART = re.compile(r"0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*")
_BITS = {4: 32, 6: 128}


class Answer(IntEnum):
    """Did sshd say yes? Of several answers that must all be yes, the least one counts: `min`."""

    NO = 0
    MAYBE = 1
    YES = 2


class _Network(NamedTuple):
    version: int
    scope: str
    number: int
    prefix: int

    def contains(self, other: "_Network") -> bool:
        shift = _BITS[self.version] - self.prefix
        same_kind = (self.version, self.scope) == (other.version, other.scope)
        return same_kind and self.number >> shift == other.number >> shift


def from_list_allows(patterns: bytes, address: IpAddress | None) -> Answer:
    """Tell whether sshd took `address` for one that the from= list `patterns` allows.

    None stands for a client without an address (`sshd -i` on a pipe), which matches wildcards for any name only.
    """
    elements = tuple(split_patterns(patterns.decode("latin-1")))
    lowered = tuple(Pattern(_lower(element.text), element.negated) for element in elements)
    if address is None:
        return Answer.YES if _verdict_on_name(_NO_PEER, lowered) else Answer.NO
    by_address = _verdict_on_address(str(address), _single(address), elements)
    names = [element for element in lowered if _network_or_none(element.text) is None]
    if by_address is False or not (by_address or any(not name.negated for name in names)):
        return Answer.NO
    ruled_out_by_name = _verdict_on_name(str(address), lowered) is False or any(name.negated for name in names)
    return Answer.MAYBE if ruled_out_by_name or not by_address else Answer.YES


def cidr_list_allows(networks: bytes, address: IpAddress | None) -> bool:
    """Tell whether `address` is in one of `networks` (PROTOCOL.certkeys, source-address). None is in none.

    Raises ValueError, with a sentence, if the list is one that sshd does not accept.
    """
    allowed = False
    for element in networks.decode("latin-1").split(","):
        network = _network(element) if _is_cidr(element) else None
        if network is None:
            raise ValueError("its list of source addresses holds something that is no network")
        allowed |= address is not None and network.contains(_single(address))
    return allowed


def _is_cidr(element: str) -> bool:
    return len(element) <= _LONGEST_CIDR and _CIDR_CHARACTERS.fullmatch(element) is not None


def _verdict_on_address(client: str, address: _Network, elements: tuple[Pattern, ...]) -> bool | None:
    """Return what the list says of an address: False ruled out or malformed, True matched, None neither."""
    verdict = None
    for element in elements:
        try:
            network = _network(element.text)
        except ValueError:
            return False
        matched = network.contains(address) if network else matches_pattern(client, element.text)
        if matched and element.negated:
            return False
        verdict = matched or verdict
    return verdict


def _verdict_on_name(name: str, elements: tuple[Pattern, ...]) -> bool | None:
    verdict = None
    for element in elements:
        if len(element.text) > _LONGEST_PATTERN:
            return None  # sshd gives up here, and forgets what matched before
        verdict_here = verdict_on(name, (element,))
        if verdict_here is False:
            return False
        verdict = verdict_here or verdict
    return verdict


def _network_or_none(text: str) -> _Network | None:
    try:
        return _network(text)
    except ValueError:
        return None


def _network(text: str) -> _Network | None:
    """Return what `text` (an address, or address/length) names, None if sshd takes it for a wildcard pattern.

    Raises ValueError for what spoils the whole list: nothing at all, a length too great, bits set beyond the length.
    """
    if not text:
        raise ValueError("an element is empty")
    host, slash, mask = text.partition("/")
    if len(text) > _LONGEST_ADDRESS:
        return None
    length = -1
    if slash:
        written = _MASK.fullmatch(mask)
        if written is None or int(written[1]) > _BITS[6]:
            return None
        length = int(written[1])
    single = _parsed(host)
    if single is None:
        return None
    length = length if slash else single.prefix
    if length > single.prefix or single.number & ((1 << (single.prefix - length)) - 1):
        raise ValueError("an element has bits set beyond its length")
    return single._replace(prefix=length)


def _parsed(host: str) -> _Network | None:
    """Return the numeric address that `host` is, None if it is none and must be a name or a wildcard."""
    if ":" not in host:
        number = _ipv4(host)
        return None if number is None else _Network(4, "", number, _BITS[4])
    try:
        return _single(IPv6Address(host))
    except ValueError:
        return None


def _ipv4(text: str) -> int | None:
    """Return the address in the notations of inet_aton(3), which sshd takes: `10.1` is 10.0.0.1, 010 is 8."""
    parts = text.split(".")
    if len(parts) > 4 or not all(_IPV4_PART.fullmatch(part) for part in parts):  # noqa: PLR2004 - the bytes of IPv4
        return None
    # A number without 0x but with a zero before it is octal.
    values = [int(part, 8 if part.isdigit() and part.startswith("0") else 0) for part in parts]
    last_limit = 1 << 8 * (5 - len(parts))
    if values[-1] >= last_limit or any(value > 0xFF for value in values[:-1]):  # noqa: PLR2004 - a byte
        return None
    return values[-1] + sum(value << 8 * (3 - place) for place, value in enumerate(values[:-1]))


def _single(address: IpAddress) -> _Network:
    scope = getattr(address, "scope_id", None) or ""
    return _Network(address.version, scope, int(address), _BITS[address.version])


def _lower(text: str) -> str:
    return "".join(chr(ord(char) + 32) if "A" <= char <= "Z" else char for char in text)

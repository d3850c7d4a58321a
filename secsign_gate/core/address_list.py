"""Lists of client addresses: `from="…"` of a key line (sshd(8)) and `source-address` of a certificate.

sshd reads the elements of a from= list twice, as networks or wildcards for the address, and as wildcards for the
host name, and so do we. What sshd took for the host name is not told to anybody: it is the address unless UseDNS is
set. Where a name could turn the answer, the answer is MAYBE.
"""

import re
import socket
from enum import IntEnum
from typing import NamedTuple

from secsign_gate.core.login import IpAddress
from secsign_gate.core.patterns import Pattern, matches_pattern, split_patterns, verdict_on

_NO_PEER = "unknown"  # what sshd matches for a client without an address, in the lower case that it uses here
_LONGEST_PATTERN = 1022
_LONGEST_ADDRESS = 63
_LONGEST_CIDR = 46 + 3
_MASK = re.compile(r"0*([0-9]{1,3})")
_CIDR_CHARACTERS = re.compile(r"[0-9a-fA-F.:/]+")
_BITS = {socket.AF_INET: 32, socket.AF_INET6: 128}


class Answer(IntEnum):
    """Did sshd say yes? Of several answers that must all be yes, the least one counts: `min`."""

    NO = 0
    MAYBE = 1
    YES = 2


class _Network(NamedTuple):
    family: socket.AddressFamily
    scope: str
    number: int
    prefix: int

    def contains(self, other: "_Network") -> bool:
        shift = _BITS[self.family] - self.prefix
        same_kind = (self.family, self.scope) == (other.family, other.scope)
        return same_kind and self.number >> shift == other.number >> shift


def from_list_allows(patterns: bytes, address: IpAddress | None) -> Answer:
    """Tell whether sshd took `address` for one that the from= list `patterns` allows.

    None stands for a client without an address (`sshd -i` on a pipe), which matches wildcards for any name only.
    """
    elements = tuple(split_patterns(patterns.decode("latin-1")))
    lowered = tuple(Pattern(_lower(element.text), element.negated) for element in elements)
    if address is None:
        return Answer.YES if _verdict_on_name(_NO_PEER, lowered) else Answer.NO
    by_address = _verdict_on_address(_text(address), _single(address), elements)
    names = [element for element in lowered if _network_or_none(element.text) is None]
    if by_address is False or not (by_address or any(not name.negated for name in names)):
        return Answer.NO
    ruled_out_by_name = _verdict_on_name(_text(address), lowered) is False or any(name.negated for name in names)
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
        if written is None or int(written[1]) > _BITS[socket.AF_INET6]:
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
    """Return a numeric address in any notation that the C library takes (`10.1` is 10.0.0.1), None for a name."""
    address, _, scope = host.partition("%")
    if not host.isascii() or re.search(r"\s|\0", host):
        return None
    try:
        if ":" in address:
            packed = socket.inet_pton(socket.AF_INET6, address)
            return _Network(socket.AF_INET6, scope, int.from_bytes(packed), _BITS[socket.AF_INET6])
        packed = socket.inet_aton(host)
        return _Network(socket.AF_INET, "", int.from_bytes(packed), _BITS[socket.AF_INET])
    except OSError:
        return None


def _single(address: IpAddress) -> _Network:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004 - the IP version
    scope = getattr(address, "scope_id", None) or ""
    return _Network(family, scope, int(address), _BITS[family])


def _text(address: IpAddress) -> str:
    """Return the address as sshd writes it, which is the C library's way."""
    network = _single(address)
    text = socket.inet_ntop(network.family, address.packed)
    return f"{text}%{network.scope}" if network.scope else text


def _lower(text: str) -> str:
    return "".join(chr(ord(char) + 32) if "A" <= char <= "Z" else char for char in text)

"""The options before a key (sshd(8), AUTHORIZED_KEYS FILE FORMAT), as data that can be judged and written again."""

import re
from calendar import timegm
from collections import Counter
from typing import NamedTuple

from secsign_gate.errors import GateError

_PERMISSIONS = ("port-forwarding", "agent-forwarding", "X11-forwarding", "pty", "user-rc")
_SWITCHES = (*_PERMISSIONS, "touch-required", "verify-required")
_FLAGS = ("restrict", "cert-authority", *_SWITCHES, *(f"no-{switch}" for switch in _SWITCHES))
_VALUES = ("command", "principals", "from", "expiry-time", "environment", "permitopen", "permitlisten", "tunnel")
_ONCE = ("command", "principals", "from")
_NAMES = {name.lower().encode(): name for name in (*_FLAGS, *_VALUES)}

_OPTION = re.compile(rb'([a-z0-9-]+)(?:="((?:\\"|\\(?!")|[^"\\])*)")?', re.IGNORECASE)
_NUMBER = re.compile(rb"[ \t\n\v\f\r]*[+-]?0*(\d{1,10})")
_TIME = re.compile(rb"(.{4})(.{2})(.{2})(?:(.{2})(.{2})(.{2})?)?(Z|UTC)?", re.IGNORECASE | re.DOTALL)
_TIME_RANGES = ((0, 9999), (1, 12), (1, 31), (0, 23), (0, 59), (0, 61))
_ENVIRONMENT = re.compile(rb"[A-Za-z0-9_]+=")
_HOST_AND_PORT = re.compile(rb"(\[[^\]]*\]|[^\[:/][^:/]*|)[:/](.*)", re.DOTALL)
_SERVICE = re.compile(rb"[A-Za-z0-9][A-Za-z0-9+._*-]*")
_LONGEST_HOST = 1024
_MOST = {"environment": 1025, "permitopen": 4097, "permitlisten": 4097}
_MOST_TUNNEL = 0x7FFFFFFF - 2


class KeyLineError(GateError):
    """A line that sshd passes over, or a change to one that sshd could not read."""


class KeyOption(NamedTuple):
    """One option: its name as the manual spells it, and its value without the quotes, None for an option without."""

    name: str
    value: bytes | None = None


class Expiry(NamedTuple):
    """An expiry-time. `seconds` since 1970 if its digits are read as UTC; unless `utc`, sshd means its local time."""

    seconds: int
    utc: bool


class KeyOptions(NamedTuple):
    """The options of one line, in their order, which counts: `restrict,pty` allows a pty, `pty,restrict` does not."""

    entries: tuple[KeyOption, ...] = ()

    @property
    def cert_authority(self) -> bool:
        """Whether the key is that of an authority whose certificates may log in, and not itself allowed to."""
        return any(entry.name == "cert-authority" for entry in self.entries)

    @property
    def force_command(self) -> bytes | None:
        """The value of `command`, possibly empty; None if there is none."""
        return next(iter(self.values("command")), None)

    @property
    def principals(self) -> bytes | None:
        """The value of `principals`, a list with commas."""
        return next(iter(self.values("principals")), None)

    @property
    def from_list(self) -> bytes | None:
        """The value of `from`, a list with commas (core/address_list.py)."""
        return next(iter(self.values("from")), None)

    @property
    def expiries(self) -> tuple[Expiry, ...]:
        """Every `expiry-time`; the earliest counts."""
        return tuple(_expiry(value) for value in self.values("expiry-time"))

    @property
    def names_a_service(self) -> bool:
        """Whether a port is given by name: sshd then takes the line only if its host's services(5) knows the name."""
        return any(_SERVICE.fullmatch(_port(entry)) and not _NUMBER.fullmatch(_port(entry)) for entry in self.entries)

    def permits(self, what: str) -> bool:
        """Tell whether `what` is permitted: port-forwarding, agent-forwarding, X11-forwarding, pty or user-rc."""
        if what not in _PERMISSIONS:
            raise ValueError(f"{what} is not what an option permits")
        permitted = True
        for name, _ in self.entries:
            if name in ("restrict", f"no-{what}"):
                permitted = False
            elif name == what:
                permitted = True
        return permitted

    def values(self, name: str) -> tuple[bytes, ...]:
        """Return the values of the options called `name`, in order."""
        return tuple(entry.value for entry in self.entries if entry.name == name and entry.value is not None)

    def emit(self) -> bytes:
        """Return the options as they stand before a key, empty if there are none."""
        return b",".join(_emitted(entry) for entry in self.entries)


def parse_key_options(field: bytes) -> KeyOptions:
    """Return the options in `field`, the part of a line before the blank and the key.

    Raises KeyLineError for what makes sshd pass the line over: an option that is unknown or has a wrong value, a
    missing quote, `command`, `from` or `principals` twice.
    """
    entries: list[KeyOption] = []
    so_far: Counter[str] = Counter()
    at = 0
    while at < len(field):
        if field[at : at + 1] != b",":  # sshd takes an empty place between commas for nothing at all
            found = _OPTION.match(field, at)
            if found is None:
                raise KeyLineError("the line has something before the key that is no option")
            entries.append(_option(found[1], found[2], so_far))
            so_far[entries[-1].name] += 1
            at = found.end()
            if at < len(field) and field[at : at + 1] != b",":
                raise KeyLineError(f"the line's option {entries[-1].name} is not followed by a comma or a blank")
        at += 1
    return KeyOptions(tuple(entries))


def _option(word: bytes, value: bytes | None, so_far: Counter[str]) -> KeyOption:
    """Return the option that is spelled `word`, with its `value` still quoted. Raises KeyLineError."""
    name = _NAMES.get(word.lower(), "")
    if name not in (_FLAGS if value is None else _VALUES):
        raise KeyLineError(
            f"the line has the option {word[:40].decode('ascii')!r}, which sshd does not know in this form"
        )
    if name in _ONCE and so_far[name]:
        raise KeyLineError(f"the line has the option {name} twice")
    if value is None:
        return KeyOption(name)
    option = KeyOption(name, value.replace(b'\\"', b'"'))
    if so_far[name] >= _MOST.get(name, so_far[name] + 1) or not _is_acceptable(option):
        raise KeyLineError(f"the line's option {name} has a value that sshd does not take")
    return option


def _is_acceptable(option: KeyOption) -> bool:
    """Tell whether sshd takes the value of `option`."""
    value = option.value or b""
    match option.name:
        case "expiry-time":
            return _expiry(value).seconds > 0
        case "environment":
            return _ENVIRONMENT.match(value) is not None
        case "permitopen" | "permitlisten":
            port = _port(option)
            number = _NUMBER.fullmatch(port)
            is_number = number is not None and _in_range(port, number, 1, 65535)
            return port == b"*" or is_number or (number is None and _SERVICE.fullmatch(port) is not None)
        case "tunnel":
            number = _NUMBER.fullmatch(value)
            return value.lower() == b"any" or (number is not None and _in_range(value, number, 0, _MOST_TUNNEL))
    return True


def _port(option: KeyOption) -> bytes:
    """Return the port in a `permitopen` or `permitlisten`, empty if there is none, and for any other option."""
    if option.name not in ("permitopen", "permitlisten") or option.value is None:
        return b""
    bare_port = option.name == "permitlisten" and b":" not in option.value
    parts = _HOST_AND_PORT.fullmatch(b"*:" + option.value if bare_port else option.value)
    return b"" if parts is None or len(parts[1]) > _LONGEST_HOST else parts[2]


def _in_range(text: bytes, number: re.Match[bytes], least: int, most: int) -> bool:
    value = -int(number[1]) if b"-" in text else int(number[1])
    return least <= value <= most


def _expiry(value: bytes) -> Expiry:
    """Return the time that `value` writes down, with `seconds` -1 if there is no such time.

    As strptime(3) reads it, blanks before digits do not count, and the 31st of June is the 1st of July.
    """
    parts = _TIME.fullmatch(value)
    nowhere = Expiry(-1, utc=False)
    if parts is None:
        return nowhere
    numbers = []
    for text, (least, most) in zip(parts.groups()[:6], _TIME_RANGES, strict=True):
        digits = b"0" if text is None else text.lstrip(b" ")
        if not digits.isdigit() or not least <= int(digits) <= most:
            return nowhere
        numbers.append(int(digits))
    if numbers[0] == 0:
        return nowhere
    year, month, day, hour, minute, second = numbers
    return Expiry(timegm((year, month, day, hour, minute, second)), utc=parts[7] is not None)


def _emitted(option: KeyOption) -> bytes:
    name = option.name.encode("ascii")
    return name if option.value is None else name + b'="' + option.value.replace(b'"', b'\\"') + b'"'

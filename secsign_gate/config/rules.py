"""What a setting may hold: each rule takes what TOML gave and returns the value, or says why it is not acceptable.

A rule knows nothing of files, lines, or other settings.
"""

import os
import re
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import TypeVar

from secsign_gate.core.login import IpNetwork
from secsign_gate.core.patterns import PatternList

_T = TypeVar("_T")
_Name = TypeVar("_Name", bound=str)
Rule = Callable[[object], _T]

_MAX_PORT = 65535
_MAX_TEXT = 255
_MAX_LABEL = 63  # of a host name (RFC 1035, 2.3.4)
_HOST_AND_PORT = r"(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
_HTTPS = re.compile(rf"https://{_HOST_AND_PORT}(?P<base>(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*)/?")
_PROXY = re.compile(rf"http://{_HOST_AND_PORT}/?")
_ACCOUNT = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}", re.ASCII)
_PLACEHOLDER = re.compile(r"\{(?:account|host|client|command)\}")
_SWITCH_OFF = "take ForceCommand out of sshd's configuration if no login needs an approval"
_KINDS = {
    bool: "true or false",
    str: "a text",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a table",
}


class Unacceptable(Exception):
    """Why a value cannot stand; it never leaves this package. `what` and `remedy` are the halves of a Problem."""

    def __init__(self, what: str, remedy: str) -> None:
        self.what = what
        self.remedy = remedy
        super().__init__(f"{what}; {remedy}")


def _wrong_type(value: object, wanted: str) -> Unacceptable:
    return Unacceptable(f"is {_KINDS.get(type(value), 'a date or time')}", f"write {wanted}")


def flag(value: object) -> bool:
    """Take true or false."""
    if not isinstance(value, bool):
        raise _wrong_type(value, "true or false, without quotes")
    return value


def text(value: object) -> str:
    """Take a text in one line that says something."""
    if not isinstance(value, str):
        raise _wrong_type(value, 'a text in quotes, like "this"')
    if not value.strip():
        raise Unacceptable("is empty", "give it a value or leave the setting out")
    if not value.isprintable():
        raise Unacceptable("holds a control character", "write printable characters only")
    return value


def whole_number(low: int, high: int) -> Rule[int]:
    """Take a whole number from `low` to `high`."""

    def rule(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise _wrong_type(value, f"a whole number from {low} to {high}")
        if not low <= value <= high:
            raise Unacceptable("is out of range", f"write a whole number from {low} to {high}")
        return value

    return rule


def seconds(low: float, high: float) -> Rule[float]:
    """Take a number of seconds from `low` to `high`, fractions allowed."""

    def rule(value: object) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise _wrong_type(value, f"a number of seconds from {low:g} to {high:g}")
        if not low <= value <= high:  # not a number is in no range
            raise Unacceptable("is out of range", f"write a number of seconds from {low:g} to {high:g}")
        return float(value)

    return rule


def one_of(*names: _Name) -> Rule[_Name]:
    """Take one of `names`."""

    def rule(value: object) -> _Name:
        for name in names:
            if value == name:
                return name
        wanted = " or ".join(f'"{name}"' for name in names)
        if not isinstance(value, str):
            raise _wrong_type(value, wanted)
        raise Unacceptable("is none of the choices", f"write {wanted}")

    return rule


def list_of(rule_of_each: Rule[_T]) -> Rule[tuple[_T, ...]]:
    """Take a list whose entries all follow one rule."""

    def rule(value: object) -> tuple[_T, ...]:
        if not isinstance(value, list):
            raise _wrong_type(value, "a list in square brackets")
        taken = []
        for number, entry in enumerate(value, 1):
            try:
                taken.append(rule_of_each(entry))
            except Unacceptable as fault:
                raise Unacceptable(f"entry {number} {fault.what}", fault.remedy) from None
        return tuple(taken)

    return rule


def file_below(folder: str) -> Rule[str]:
    """Take the name of a file; a relative one is below `folder`."""

    def rule(value: object) -> str:
        name = text(value)
        if name.startswith("~"):
            raise Unacceptable("begins with ~, which only a shell knows", "write the directory in full")
        return os.path.join(folder, name)  # noqa: PTH118 - pathlib would cost each login some milliseconds

    return rule


def absolute_file(value: object) -> str:
    """Take the absolute name of a file."""
    name = text(value)
    if not name.startswith("/"):
        raise Unacceptable("is no absolute file name", "begin it with /")
    return name


def sshd_file_pattern(value: object) -> str:
    """Take a name with the tokens of sshd_config(5), AuthorizedKeysFile: %% %h %U %u."""
    name = text(value)
    if name.lower() == "none":
        raise Unacceptable('is "none"', "write [] if there is none")
    if re.search(r"%(?![%hUu])", name.replace("%%", "")):
        raise Unacceptable("holds a token that sshd does not know here", "use %h, %u, %U and %%")
    if name.startswith("~") or (" " in name):
        raise Unacceptable(
            "is not one file name as sshd writes it", "one entry for each name; %h is the home directory"
        )
    return name


def https_url(value: object) -> str:
    """Take `https://host[:port][/base]`, and drop a trailing slash."""
    url = text(value)
    if url.startswith("http://"):
        raise Unacceptable("is not encrypted", "use https://")
    found = _HTTPS.fullmatch(url)
    if found is None or not _names_a_server(found):
        raise Unacceptable("is no address of a server", "write https://host, https://host:port or https://host/base")
    return url.removesuffix("/")


def proxy_url(value: object) -> str:
    """Take `http://host:port`."""
    url = text(value)
    if "@" in url:
        raise Unacceptable("holds credentials, which this file must not", "use a proxy that asks for none")
    found = _PROXY.fullmatch(url)
    if found is None or found["port"] is None or not _names_a_server(found):
        raise Unacceptable("is no address of a proxy", "write http://host:port")
    return url.removesuffix("/")


def _names_a_server(found: re.Match[str]) -> bool:
    """Tell whether host and port of a URL can exist."""
    if found["port"] is not None and not 1 <= int(found["port"]) <= _MAX_PORT:
        return False
    host = found["host"]
    if host.startswith("["):
        try:
            return ip_address(host[1:-1]).version == 6  # noqa: PLR2004 - brackets are for IPv6 (RFC 3986, 3.2.2)
        except ValueError:
            return False
    labels = host.removesuffix(".").split(".")
    return len(host) <= _MAX_TEXT and all(
        0 < len(label) <= _MAX_LABEL and label[0] != "-" and label[-1] != "-" for label in labels
    )


def shown_on_phone(value: object) -> str:
    """Take a text for the phone, with the placeholders {account} {host} {client} {command}."""
    shown = text(value)
    rest = _PLACEHOLDER.sub("", shown)
    if "{" in rest or "}" in rest:
        raise Unacceptable(
            "holds a placeholder that does not exist", "use {account}, {host}, {client}, {command}, and no other braces"
        )
    return _display_field(shown, rest)


def api_method(value: object) -> str:
    """Take the name under which the form dialect knows its caller."""
    name = text(value)
    return _display_field(name, name)


def _display_field(value: str, literal: str) -> str:
    """Refuse what core.display_text would blank out in silence."""
    if len(value) > _MAX_TEXT:
        raise Unacceptable(f"is longer than {_MAX_TEXT} characters", "shorten it")
    if not literal.isascii() or set(literal) & set("&=;%"):
        raise Unacceptable(
            "holds a character that the ID server's protocol cannot carry", "write ASCII without & = ; %"
        )
    return value


def network(value: object) -> IpNetwork:
    """Take an IP network in CIDR notation, or one address."""
    name = text(value)
    try:
        taken = ip_network(name, strict=False)
    except ValueError:
        raise Unacceptable("is no network", "write it like 192.0.2.0/24 or 2001:db8::/32") from None
    if "%" in name or (taken.version == 6 and taken.network_address.ipv4_mapped is not None):  # noqa: PLR2004 - IPv6
        raise Unacceptable("is no network that sshd names", "write an IPv4 network as such, and no interface")
    if taken.prefixlen == 0:
        raise Unacceptable("is the whole Internet", _SWITCH_OFF)
    if str(taken.network_address) != str(ip_address(name.partition("/")[0])):
        raise Unacceptable("has bits set beyond its prefix", f"write {taken}")
    return taken


def command_line(value: object) -> bytes:
    """Take a command, byte for byte as the client sends it."""
    if not isinstance(value, str):
        raise _wrong_type(value, "a text in quotes")
    if not value or "\0" in value:
        raise Unacceptable("is no command that a client can send", "write the command as `ssh host command` sends it")
    return value.encode()


def pattern_list(value: object) -> PatternList:
    """Take a list of OpenSSH patterns in one text (ssh_config(5), PATTERNS)."""
    if not isinstance(value, str):
        raise _wrong_type(value, 'one text with commas, like "backup,svc-*,!svc-deploy"')
    written = text(value)
    try:
        return PatternList.parse(written)
    except ValueError as error:
        raise Unacceptable(f"cannot be used: {error}", "see PATTERNS in ssh_config(5)") from None


def command_pattern(value: object) -> str:
    """Take a pattern for a command: `*` and `?` are wildcards, everything else is meant as written, commas too."""
    pattern = text(value)
    if not pattern.strip("*"):
        raise Unacceptable("is every command", 'write per = "channel" for that')
    return pattern


def account_name(value: object) -> str:
    """Take the name of an account of this host. Whether there is one is seen when it is needed."""
    name = text(value)
    if not _ACCOUNT.fullmatch(name):
        raise Unacceptable("is no name of an account", "write it as in /etc/passwd")
    if name == "root":
        raise Unacceptable("is root", "name an account of its own, see systemd/sysusers.d/secsign-gate.conf")
    return name


def metrics_place(value: object) -> str:
    """Take the absolute path of a unix socket, or an address of the loopback with a port."""
    name = text(value)
    if name.startswith("/"):
        return name
    address, colon, port = name.rpartition(":")
    try:
        loopback = ip_address(address.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        loopback = False
    if not (loopback and colon and port.isdecimal() and port.isascii() and 1 <= int(port) <= _MAX_PORT):
        raise Unacceptable(
            "is neither a unix socket nor on the loopback", "write an absolute path, or 127.0.0.1:PORT or [::1]:PORT"
        )
    return name


def exempting(value: object) -> PatternList:
    """Take a list of patterns that need no approval. Everybody is not a list."""
    patterns = pattern_list(value)
    everybody = any(not pattern.text.strip("*") and not pattern.negated for pattern in patterns.patterns)
    if everybody and not any(pattern.negated for pattern in patterns.patterns):
        raise Unacceptable("is everybody", _SWITCH_OFF)
    return patterns

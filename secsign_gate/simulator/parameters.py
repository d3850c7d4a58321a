"""The strict reader of parameters, as the firewall before the real server is: it counts them and checks each one.

Form bodies and REST query strings are written alike, so both dialects read through here.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from secsign_gate.simulator.refusals import BadRequest

SHOWN_NAME = 40


class Format(NamedTuple):
    """What a parameter's value must look like, in words and as a pattern for the whole value."""

    words: str
    pattern: re.Pattern[str]


TRUTH = Format("true or false", re.compile("true|false"))
SECSIGN_ID = Format("letters, digits and @ _ - . only, 1 to 255 of them", re.compile(r"[A-Za-z0-9@_.-]{1,255}"))
API_METHOD = Format("a short ASCII word", re.compile(r"[A-Za-z0-9._-]{1,64}"))
DISPLAY_TEXT = Format("1 to 255 characters", re.compile(r".{1,255}", re.DOTALL))
LONG_TEXT = Format("1 to 2048 characters", re.compile(r".{1,2048}", re.DOTALL))
PAIRS = Format("key1=value1;key2=value2;", re.compile(r"(?:[^=;]+=[^;]*;){1,64}"))
AUTH_SESSION_ID = Format("a decimal number", re.compile(r"0|-?[1-9][0-9]{0,18}"))
REQUEST_ID = Format("64 upper-case hexadecimal digits", re.compile(r"[0-9A-F]{64}"))

_ESCAPED = re.compile(rb"(?:[\x21-\x24\x26-\x7e]|%[0-9A-Fa-f]{2})*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def read(encoded: bytes) -> dict[str, str]:
    """Read `name=value&name=value`, percent-encoded UTF-8; a blank is `+` or `%20`, one trailing `&` is harmless.

    Raises BadRequest for a piece without `=`, a name given twice, a broken escape, a byte that should have been
    escaped, invalid UTF-8, or a control character.
    """
    found: dict[str, str] = {}
    for piece in encoded.removesuffix(b"&").split(b"&") if encoded else ():
        name_text, equals, value_text = piece.partition(b"=")
        if not equals:
            raise BadRequest("A parameter has no value.")
        name, value = _decode(name_text), _decode(value_text)
        if name in found:
            raise BadRequest(f"The parameter {name[:SHOWN_NAME]} is given twice.")
        found[name] = value
    return found


def _decode(encoded: bytes) -> str:
    if not _ESCAPED.fullmatch(encoded):
        raise BadRequest("A parameter is not percent-encoded.")
    unescaped = re.sub(rb"%(..)", lambda escape: bytes.fromhex(escape[1].decode()), encoded.replace(b"+", b" "))
    try:
        text = unescaped.decode()
    except UnicodeDecodeError as undecodable:
        raise BadRequest("A parameter is not UTF-8.") from undecodable
    if _CONTROL.search(text):
        raise BadRequest("A parameter contains a control character.")
    return text


def check(given: Mapping[str, str], required: Mapping[str, Format], optional: Mapping[str, Format]) -> None:
    """Raise BadRequest unless exactly the required and perhaps some optional parameters are there, each well formed."""
    for name, form in required.items():
        if name not in given:
            raise BadRequest(f"The parameter {name} is missing.")
        _check_format(name, given[name], form)
    for name, value in given.items():
        if name in required:
            continue
        if name not in optional:
            raise BadRequest(f"The parameter {name[:SHOWN_NAME]} is unknown here.")
        _check_format(name, value, optional[name])


def _check_format(name: str, value: str, form: Format) -> None:
    if not form.pattern.fullmatch(value):
        raise BadRequest(f"The parameter {name} is badly formed: {form.words}.")


def int64(text: str) -> int:
    """Return the number of an auth session id. Raises BadRequest outside the signed 64-bit range."""
    number = int(text)
    if not -(2**63) <= number < 2**63:
        raise BadRequest("The authentication session id is out of range.")
    return number

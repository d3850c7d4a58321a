"""The name of a user at the ID server. Built-in modules only, see core/registry_line.py."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NewType

    SecSignId = NewType("SecSignId", str)
else:
    SecSignId = str  # what NewType makes of it, without loading typing

_ALLOWED = frozenset("abcdefghijklmnopqrstuvwxyz0123456789@_-.")
_MAX_LENGTH = 255  # the longest that the vendor's plug-ins store (protocol reference 4.5)


def parse_secsign_id(text: str) -> SecSignId:
    """Return `text` as a SecSign ID: white space trimmed, ASCII letters lower-cased (protocol reference 4.5).

    Raises ValueError, with a sentence that names the rule, for anything that is no SecSign ID.
    """
    trimmed = text.strip(" \t\r\n")
    if not trimmed:
        raise ValueError("a SecSign ID cannot be empty")
    if len(trimmed) > _MAX_LENGTH:
        raise ValueError(f"a SecSign ID has at most {_MAX_LENGTH} characters")
    # ASCII rules only: str.lower() would fold the Kelvin sign and the Turkish I into ASCII letters.
    lowered = "".join(chr(ord(char) + 32) if "A" <= char <= "Z" else char for char in trimmed)
    if not _ALLOWED.issuperset(lowered):
        raise ValueError("a SecSign ID consists of ASCII letters, digits and @ _ - .")
    return SecSignId(lowered)

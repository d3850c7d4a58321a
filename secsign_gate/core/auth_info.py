"""How sshd came to trust this client: the file that SSH_USER_AUTH names (sshd_config(5), ExposeAuthInfo).

One line for each method that succeeded, in order: the method, and for `publickey` and `hostbased` the key. After that
sshd may say more (for a key on a security token the count of its signatures), which nobody needs.
"""

import binascii
from functools import lru_cache

from secsign_gate.core.login import AuthenticationMethod, OtherMethod, PublicKey
from secsign_gate.core.public_key import is_certificate_type, parse_public_key
from secsign_gate.core.ssh_encoding import EncodingError, SshReader
from secsign_gate.errors import GateError

_LONGEST_CONTENT = 1024 * 1024
_MOST_METHODS = 8  # AuthenticationMethods rarely names three, and MaxAuthTries ends a client after six failures
_LONGEST_NAME = 256
_REMEMBERED, _LONGEST_REMEMBERED = 256, 4096  # the channels of one SSH connection all say the same


class AuthInfoError(GateError):
    """Something that sshd would not have written."""


def parse_auth_info(content: bytes) -> tuple[AuthenticationMethod, ...]:
    """Return the methods that `content` lists, at least one.

    Raises AuthInfoError, with a sentence, for anything that sshd does not write: an unfinished line, a key that is not
    of the type it is said to be, base64 that is not exact.
    """
    if not content.endswith(b"\n"):
        raise AuthInfoError(
            "the file that SSH_USER_AUTH names is empty or cut off; set ExposeAuthInfo in sshd's settings"
        )
    if len(content) > _LONGEST_CONTENT:
        raise AuthInfoError("the file that SSH_USER_AUTH names is longer than sshd makes it")
    if content.count(b"\n") > _MOST_METHODS:
        raise AuthInfoError(
            f"the file that SSH_USER_AUTH names lists more than {_MOST_METHODS} methods; see AuthenticationMethods"
        )
    return _parsed_before(content) if len(content) <= _LONGEST_REMEMBERED else _parsed(content)


def _parsed(content: bytes) -> tuple[AuthenticationMethod, ...]:
    lines = content.split(b"\n")[:-1]
    return tuple(_method(line) for line in lines)


_parsed_before = lru_cache(_REMEMBERED)(_parsed)


def _method(line: bytes) -> AuthenticationMethod:
    name, *words = line.split(b" ")
    if not name or len(name) > _LONGEST_NAME or not all(0x21 <= byte <= 0x7E for byte in name):  # noqa: PLR2004 - ASCII
        raise AuthInfoError("the file that SSH_USER_AUTH names holds a method that is none")
    if name != b"publickey":
        return OtherMethod(name.decode("ascii"))
    try:
        key_type, text = words[:2]
        blob = binascii.a2b_base64(text, strict_mode=True)
        named = SshReader(blob).text()
        if named == key_type and not is_certificate_type(named):
            parse_public_key(blob)
        well_formed = named == key_type and binascii.b2a_base64(blob, newline=False) == text
        return PublicKey(_ascii(key_type, well_formed=well_formed), blob)
    except (ValueError, EncodingError):  # binascii.Error is a ValueError, as is an unpacking of too little
        raise AuthInfoError("the file that SSH_USER_AUTH names holds a key that is none") from None


def _ascii(key_type: bytes, *, well_formed: bool) -> str:
    if not well_formed:
        raise ValueError(key_type)
    return key_type.decode("ascii")

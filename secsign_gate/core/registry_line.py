"""A line of the registry: for which accounts a key may log in, whose it is, and a line as in authorized_keys (sshd(8)).

    # accounts      SecSign ID    [options] type key [comment]
    deploy,root     alice         ssh-ed25519 AAAAC3Nz… alice's laptop
    deploy          bob           restrict,command="/usr/bin/rrsync -ro /srv" ssh-ed25519 AAAAC3Nz… bob's backup

Blanks or tabs separate the fields; a SecSign ID of `-` leaves it to the users file whom to ask. Built-in modules only:
sshd starts a program for each key that is offered (scanned_line.py).
"""

from secsign_gate.core.account_name import check_account
from secsign_gate.core.scanned_line import UnusableLineError, first_word
from secsign_gate.core.secsign_id import SecSignId, parse_secsign_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

FORM = "accounts SecSign-ID [options] key-type key [comment]"
_USERS_FILE_SAYS = b"-"
_BLANKS = b" \t"


class RegistryLine:
    """One line: `accounts` whom the key may log in as, `secsign_id` whose it is, None if the users file is to say.

    `key_line` is the rest: a line as in an authorized_keys file.
    """

    __slots__ = ("accounts", "key_line", "secsign_id")

    def __init__(self, accounts: tuple[str, ...], secsign_id: SecSignId | None, key_line: bytes) -> None:
        self.accounts = accounts
        self.secsign_id = secsign_id
        self.key_line = key_line


def parse_registry_line(line: bytes) -> RegistryLine | None:
    """Return what stands before the key of `line`, which has no newline; None for a blank line or a comment.

    Raises UnusableLineError, with a sentence, if that is no accounts and no SecSign ID. The key is not looked at.
    """
    text = line.removesuffix(b"\r").lstrip(_BLANKS)
    if not text or text.startswith(b"#"):
        return None
    names, rest = first_word(text)
    holder, key_line = first_word(rest)
    if not key_line:
        raise UnusableLineError(f"the line has not the form {FORM}")
    accounts = _in_text(names).split(",")
    try:
        for account in accounts:
            check_account(account)
        secsign_id = None if holder == _USERS_FILE_SAYS else parse_secsign_id(_in_text(holder))
    except ValueError as error:
        raise UnusableLineError(f"the line has not the form {FORM}, for {error}") from None
    return RegistryLine(tuple(accounts), secsign_id, key_line)


def lines_that_hold(text: bytes, content: bytes) -> "Iterator[tuple[int, bytes]]":
    """Yield every line of `content` that `text` stands in, with its number from 1, without its newline.

    The rest is not looked at: this takes a tenth of a millisecond for ten thousand lines.
    """
    at = content.find(text)
    number, counted = 1, 0
    while at >= 0:
        start = content.rfind(b"\n", 0, at) + 1
        end = content.find(b"\n", at)
        end = len(content) if end < 0 else end
        number += content.count(b"\n", counted, start)
        counted = start
        yield number, content[start:end]
        at = content.find(text, end)


def _in_text(word: bytes) -> str:
    """Return a word as text; what is not UTF-8 becomes what no name may hold."""
    return word.decode("utf-8", "surrogateescape")

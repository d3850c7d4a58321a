"""Did sshd take this line for this client? YES and NO where that is certain, else MAYBE.

Some things that sshd knew are not known here: the host name, its time zone, the services of its host.
"""

from itertools import takewhile
from typing import Literal, NamedTuple

from secsign_gate.core.address_list import Answer, from_list_allows
from secsign_gate.core.authorized_keys import cut_after_options
from secsign_gate.core.certificate import Certificate
from secsign_gate.core.key_options import Expiry, KeyLineError, KeyOptions, parse_key_options
from secsign_gate.core.key_search import FoundLine
from secsign_gate.core.login import IpAddress

# sshd judged the key some time before the login that is judged now: another method may have come after it.
_JUDGED_BEFORE = 10 * 60  # seconds
_FARTHEST_EAST = 14 * 60 * 60
_FARTHEST_WEST = 12 * 60 * 60
_MOST_PRINCIPALS_MATCHED = 40


class Circumstances(NamedTuple):
    """What sshd knew when it judged the key.

    `now` is in seconds since 1970: when sshd let the client in. For a later channel of a long connection that is
    rather the time of the file that SSH_USER_AUTH names than the present. `client_address` is None if sshd had none
    (`sshd -i` on a pipe). `trusted_keys` are the canonical blobs of TrustedUserCAKeys. `principals_lines` are lines of
    the account's AuthorizedPrincipalsFile, None if sshd has no such setting. `command_lines` are those that our
    AuthorizedKeysCommand answers from, which sshd asks last. `elsewhere` is what to make of a key that nothing of this
    explains, as one from somebody else's AuthorizedKeysCommand.
    """

    account_name: str
    client_address: IpAddress | None
    now: int
    trusted_keys: tuple[bytes, ...] = ()
    principals_lines: tuple[FoundLine, ...] | None = None
    command_lines: tuple[FoundLine, ...] = ()
    elsewhere: Literal["refuse", "unrestricted"] = "refuse"


def usable(options: KeyOptions, circumstances: Circumstances) -> Answer:
    """Tell whether sshd could go by a line with these options for this client, at that time."""
    if options.principals is not None and not options.cert_authority:
        return Answer.NO
    answers = [_in_time(expiry, circumstances.now) for expiry in options.expiries]
    if options.from_list is not None:
        answers.append(from_list_allows(options.from_list, circumstances.client_address))
    if options.names_a_service:
        answers.append(Answer.MAYBE)
    return min(answers, default=Answer.YES)


def _in_time(expiry: Expiry, now: int) -> Answer:
    """Tell whether sshd judged before `expiry`."""
    earliest = expiry.seconds - (0 if expiry.utc else _FARTHEST_EAST)
    latest = expiry.seconds + (0 if expiry.utc else _FARTHEST_WEST)
    if now <= earliest:
        return Answer.YES
    return Answer.NO if latest < now - _JUDGED_BEFORE else Answer.MAYBE


def names_account(options: KeyOptions, certificate: Certificate | None, circumstances: Circumstances) -> Answer:
    """Tell whether `certificate`, if it is one, is for the account: by the line's principals, or by its own."""
    if certificate is None:
        return Answer.YES
    if options.principals is None:
        if not certificate.principals:
            return Answer.MAYBE  # OpenSSH before 10.3 took it for everybody's
        account_name = circumstances.account_name.encode("utf-8", "surrogateescape")
        return Answer.YES if account_name in certificate.principals else Answer.NO
    listed = options.principals.split(b",")
    counted = list(takewhile(bool, listed))[:_MOST_PRINCIPALS_MATCHED]
    if any(principal in counted for principal in certificate.principals):
        return Answer.YES
    # OpenSSH before 10.3 took a certificate's principal with commas in it for several.
    parts = {part for principal in certificate.principals for part in principal.split(b",") if part}
    return Answer.MAYBE if parts.intersection(listed) else Answer.NO


def principals_options(line: bytes, certificate: Certificate) -> KeyOptions | None:
    """Return the options of a line of a principals file, None unless it names a principal of `certificate`.

    The principal is what follows the last blank, a `#` begins a comment even within quotes: so sshd reads it.
    """
    text = line.partition(b"\0")[0].lstrip(b" \t").partition(b"#")[0].rstrip(b"\n \t")
    blank = b" " if b" " in text else b"\t"
    before, _, principal = text.rpartition(blank)
    if not principal or principal.lstrip(b" \t") not in certificate.principals:
        return None
    try:
        return parse_key_options(cut_after_options(text)[0]) if before else KeyOptions()
    except KeyLineError:
        return None

"""What sshd decided for the key of this login.

A key that was restricted stays restricted. An administrator's ForceCommand replaces `command="…"` of a key's
line and `force-command` of a certificate without a trace, so the decision is made again, in sshd's order: the files of
AuthorizedKeysFile, line by line, then TrustedUserCAKeys, then our AuthorizedKeysCommand. The first line that sshd took
counts.

Where it is not certain that sshd took a line (line_judgement.py), the next one may have been it as well. Then all that
may have been it must force the same command. So must a line of the AuthorizedKeysCommand's, whatever precedes it: where
root hands out keys, sshd may be told to read none of the account's files, and the account can write those.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from secsign_gate.core.address_list import Answer, cidr_list_allows
from secsign_gate.core.authorized_keys import KeyLine, KeyLineError, parse_key_line
from secsign_gate.core.certificate import Certificate, CertificateError, CertificateKind, parse_certificate
from secsign_gate.core.key_options import KeyOptions
from secsign_gate.core.key_search import FoundLine, is_certificate
from secsign_gate.core.line_judgement import Circumstances, names_account, principals_options, usable
from secsign_gate.core.login import AuthenticationMethod, PublicKey
from secsign_gate.core.public_key import canonical, is_certificate_type
from secsign_gate.core.ssh_encoding import EncodingError
from secsign_gate.core.verdict import Reason
from secsign_gate.errors import GateError

# A key stands in one line as a rule, and sshd(8) speaks of lines up to 8 KiB; how many a door may find, and how long
# they may be, is without this for the user to say.
MOST_LINES = 256
MOST_BYTES = 64 * 1024
_MOST_PLACES = 4


class KeyRestrictionError(GateError):
    """What the key may do cannot be told, so it may do nothing. `reason` is for the verdict."""

    def __init__(self, reason: Reason, sentence: str) -> None:
        self.reason = reason
        super().__init__(sentence)


class KeyOrders(NamedTuple):
    """What keys and certificates say of a session.

    `force_command` runs whatever was asked for; None if there is no such order, and possibly empty. `user_rc` is
    whether ~/.ssh/rc may run.
    """

    force_command: bytes | None = None
    user_rc: bool = True


class _Possibility(NamedTuple):
    """Orders that sshd may have gone by, how sure that is (never NO), and where they stand."""

    orders: KeyOrders
    sure: Answer
    place: str


class _Line:
    """A found line that holds a plain key, read once for all keys of a login, and judged once if it comes to that."""

    def __init__(self, found_line: FoundLine, line: KeyLine, circumstances: Circumstances) -> None:
        self.options = line.options
        self.key = canonical(line.blob)
        self.place = _place(found_line)
        self._taken = _taken(found_line)
        self._circumstances = circumstances

    @cached_property
    def sure(self) -> Answer:
        """Whether sshd read the file and could go by the line, whoever's certificate it is about."""
        return min(self._taken, usable(self.options, self._circumstances))


class _Lines(NamedTuple):
    """The lines with plain keys, in order: those in files, and those that AuthorizedKeysCommand answers from.

    `all_readable`: there was none that this program does not understand.
    """

    in_files: tuple[_Line, ...]
    asked_last: tuple[_Line, ...]
    all_readable: bool


def found_lines(found: list[tuple[bytes, int, bytes]], unsafe: list[bytes]) -> tuple[FoundLine, ...]:
    """Return the lines that a door has found, as (path, number, line); `unsafe` are paths of unsafe files.

    Raises KeyRestrictionError for so many or so long lines that to judge them would keep others waiting.
    """
    if (
        len(found) > MOST_LINES
        or len(unsafe) > MOST_LINES
        or sum(len(path) + len(line) for path, _, line in found) > MOST_BYTES
    ):
        raise KeyRestrictionError(
            Reason.KEY_OPTIONS_UNREADABLE,
            f"more than {MOST_LINES} lines or {MOST_BYTES // 1024} KiB of them name it; remove those not needed",
        )
    paths = frozenset(unsafe)
    return tuple(FoundLine(path, number, line, path in paths) for path, number, line in found)


def key_orders(
    methods: tuple[AuthenticationMethod, ...], found: tuple[FoundLine, ...], circumstances: Circumstances
) -> KeyOrders:
    """Return what the keys used in `methods` allow; without a key there is nothing that restricts.

    `found` are the lines that `key_search.needles` leads to, in the order of files and lines. Where several keys were
    demanded, all their orders hold. Raises KeyRestrictionError: KEY_NOT_FOUND if no line explains why sshd took a key,
    KEY_OPTIONS_UNREADABLE if orders contradict each other or cannot be told, AUTH_INFO_UNUSABLE for a key that sshd
    cannot have taken from this client.
    """
    orders = KeyOrders()
    keys = dict.fromkeys(method for method in methods if isinstance(method, PublicKey))
    lines = _read(found, circumstances) if keys else _Lines((), (), all_readable=True)
    for key in keys:
        merged = _merged(orders, _orders_of(key, lines, circumstances))
        if merged is None:
            raise KeyRestrictionError(
                Reason.KEY_OPTIONS_UNREADABLE, "the keys used for this login order different commands"
            )
        orders = merged
    return orders


def _read(found: tuple[FoundLine, ...], circumstances: Circumstances) -> _Lines:
    """Return the lines that hold plain keys. A certificate lets nobody in, and sshd passes over what it cannot read."""
    places: tuple[list[_Line], list[_Line]] = [], []
    all_readable = True
    for place, found_lines_there in zip(places, (found, circumstances.command_lines), strict=True):
        for found_line in found_lines_there:
            try:
                line = parse_key_line(found_line.line)
            except KeyLineError:
                all_readable = False  # a newer sshd might read it, and be restricted by it
                continue
            if line is not None and not is_certificate_type(line.key_type.encode()):
                place.append(_Line(found_line, line, circumstances))
    return _Lines(tuple(places[0]), tuple(places[1]), all_readable)


def _orders_of(key: PublicKey, lines: _Lines, circumstances: Circumstances) -> KeyOrders:
    """Return the orders of one key. Raises KeyRestrictionError."""
    certificate = _certificate(key, circumstances) if is_certificate(key) else None
    own = KeyOrders() if certificate is None else KeyOrders(certificate.force_command, certificate.user_rc)
    wanted = _canonical(key) if certificate is None else certificate.ca_key
    possibilities = [
        *_up_to_a_certain_one(_in_files(wanted, certificate, own, lines, circumstances)),
        *_up_to_a_certain_one(_by_lines(lines.asked_last, wanted, certificate, own, circumstances)),
    ]
    if not possibilities:
        if circumstances.elsewhere == "unrestricted" and lines.all_readable:
            return own
        raise KeyRestrictionError(
            Reason.KEY_NOT_FOUND,
            "no line of the key files explains why sshd accepted this key; see authorized_keys_elsewhere",
        )
    commands = {possibility.orders.force_command for possibility in possibilities}
    if len(commands) > 1:
        more = ["others"] if len(possibilities) > _MOST_PLACES else []
        places = " and ".join([possibility.place for possibility in possibilities[:_MOST_PLACES]] + more)
        raise KeyRestrictionError(
            Reason.KEY_OPTIONS_UNREADABLE, f"it cannot be told which line sshd went by: {places}; make them agree"
        )
    return KeyOrders(commands.pop(), all(possibility.orders.user_rc for possibility in possibilities))


def _up_to_a_certain_one(possibilities: Iterator[_Possibility]) -> Iterator[_Possibility]:
    for possibility in possibilities:
        yield possibility
        if possibility.sure is Answer.YES:
            return


def _in_files(
    wanted: bytes,
    certificate: Certificate | None,
    own: KeyOrders,
    lines: _Lines,
    circumstances: Circumstances,
) -> Iterator[_Possibility]:
    """Yield what sshd may have gone by before it asked any command, in its order."""
    yield from _by_lines(lines.in_files, wanted, certificate, own, circumstances)
    if certificate is not None and certificate.ca_key in circumstances.trusted_keys:
        yield from _by_trusted_key(certificate, own, circumstances)


def _by_lines(
    lines: tuple[_Line, ...],
    wanted: bytes,
    certificate: Certificate | None,
    own: KeyOrders,
    circumstances: Circumstances,
) -> Iterator[_Possibility]:
    """Yield what sshd may have gone by in `lines`, for the key `wanted`: the client's, or that of its authority."""
    for line in lines:
        if line.key != wanted or line.options.cert_authority is (certificate is None):
            continue
        sure = min(line.sure, names_account(line.options, certificate, circumstances))
        orders = _merged(_orders_in(line.options), own)
        if sure is not Answer.NO and orders is not None:
            yield _Possibility(orders, sure, line.place)


def _by_trusted_key(certificate: Certificate, own: KeyOrders, circumstances: Circumstances) -> Iterator[_Possibility]:
    """Yield what sshd may have gone by for a certificate of an authority in TrustedUserCAKeys."""
    if circumstances.principals_lines is None:
        if circumstances.account_name.encode("utf-8", "surrogateescape") in certificate.principals:
            yield _Possibility(own, Answer.YES, "TrustedUserCAKeys")
        return
    for found_line in circumstances.principals_lines:
        options = principals_options(found_line.line, certificate)
        if options is not None:
            # The first line that names a principal is the only one that sshd looks at.
            sure = Answer.NO if options.cert_authority else min(_taken(found_line), usable(options, circumstances))
            orders = _merged(_orders_in(options), own)
            if sure is not Answer.NO and orders is not None:
                yield _Possibility(orders, sure, _place(found_line))
            return


def _certificate(key: PublicKey, circumstances: Circumstances) -> Certificate:
    """Return the certificate, if sshd can have let this client in with it. Raises KeyRestrictionError.

    When it is valid is not asked again: sshd did, and a connection may outlive it.
    """
    try:
        certificate = parse_certificate(key.blob)
    except CertificateError as error:
        raise KeyRestrictionError(Reason.KEY_OPTIONS_UNREADABLE, str(error)) from None
    sources = certificate.source_address
    if certificate.kind is not CertificateKind.USER or (
        sources is not None and not cidr_list_allows(sources, circumstances.client_address)
    ):
        raise KeyRestrictionError(Reason.AUTH_INFO_UNUSABLE, "the certificate is not for this login; sshd refuses it")
    return certificate


def _canonical(key: PublicKey) -> bytes:
    try:
        return canonical(key.blob)
    except EncodingError as error:
        raise KeyRestrictionError(Reason.AUTH_INFO_UNUSABLE, f"the key of this login is malformed: {error}") from None


def _taken(found_line: FoundLine) -> Answer:
    """Tell whether sshd read the file."""
    return Answer.MAYBE if found_line.unsafe else Answer.YES


def _orders_in(options: KeyOptions) -> KeyOrders:
    return KeyOrders(options.force_command, options.permits("user-rc"))


def _merged(one: KeyOrders, other: KeyOrders) -> KeyOrders | None:
    """Return orders that keep both, None if each forces a command of its own: sshd refuses then."""
    if None not in (one.force_command, other.force_command) and one.force_command != other.force_command:
        return None
    force_command = other.force_command if one.force_command is None else one.force_command
    return KeyOrders(force_command, one.user_rc and other.user_rc)


def _place(found_line: FoundLine) -> str:
    return f"{found_line.path.decode('utf-8', 'backslashreplace')} line {found_line.number}"

"""From a door's claim to a Login: which account, which SSH connection, which key, and what that key may do.

Facts are gathered here (the password database, the user's key files through the door); what they mean is judged in
core/. What cannot be made out is a refusal with its reason.
"""

import time

from secsign_gate.broker.account_lookup import SlowLookUpError, UnknownAccountError, account_of
from secsign_gate.broker.audit_record import Certificate
from secsign_gate.broker.case import Case
from secsign_gate.broker.connections import Connection
from secsign_gate.broker.door import Door
from secsign_gate.broker.world import World
from secsign_gate.core.ancestry import CrowdedError, SshdProcess, UnprovenError
from secsign_gate.core.auth_info import AuthInfoError, parse_auth_info
from secsign_gate.core.authorized_keys import parse_trusted_keys
from secsign_gate.core.certificate import CertificateError, parse_certificate
from secsign_gate.core.key_restriction import KeyOrders, KeyRestrictionError, found_lines, key_orders
from secsign_gate.core.key_search import (
    FoundLine,
    expand_pattern,
    fingerprints,
    is_certificate,
    needles,
    principals_sought,
)
from secsign_gate.core.line_judgement import Circumstances
from secsign_gate.core.login import Account, AuthenticationMethod, Command, Login, LoginShell, PublicKey, SshConnection
from secsign_gate.core.orders import SshdSettings
from secsign_gate.core.ssh_connection import is_same_connection, parse_ssh_connection
from secsign_gate.core.ssh_encoding import EncodingError
from secsign_gate.core.verdict import Reason
from secsign_gate.errors import ClaimError
from secsign_gate.trusted_file import read_trusted
from secsign_gate.wire import Ask

_OTHER_KEYS = "the file that SSH_USER_AUTH names was changed since the connection's first session; log in anew"
_JUDGED_AT_ONCE = 4 * 1024  # bytes of lines; more could keep all others waiting for more than a few milliseconds


class UnrecognisedError(Exception):
    """The claim is of no login that could be judged. `reason` says why; `str()` is a sentence, possibly empty."""

    def __init__(self, reason: Reason, sentence: str = "") -> None:
        self.reason = reason
        super().__init__(sentence)


async def recognise(case: Case, door: Door, world: World) -> Login:
    """Return the login that `case` claims, with what its keys allow; note the certificate and ~/.ssh/rc in `case`.

    Raises UnrecognisedError, and what talking with the door raises.
    """
    claim = case.claim
    connection = connection_of(case)
    sshd, address_counts = await _proven(case, connection, door)
    proving = world.kept.proving
    known = proving.connections.of(sshd, case.peer.uid) if proving is not None and sshd is not None else Connection()
    account = await _account(case, known, door, world)
    # A key's own command may do without, but not where several people share an account, each with a key.
    if claim.auth_info_problem and not (claim.started_by_key and world.settings.registry_file is None):
        raise UnrecognisedError(Reason.AUTH_INFO_UNUSABLE, claim.auth_info_problem)
    try:
        methods = _methods(claim)
        if not known.logged_in_by(claim.auth_info):
            raise UnrecognisedError(Reason.AUTH_INFO_UNUSABLE, _OTHER_KEYS)
        orders = await _key_orders(case, methods, known, account, connection, door, world)
        used = fingerprints(methods)
    except (AuthInfoError, CertificateError, EncodingError) as error:
        raise UnrecognisedError(Reason.AUTH_INFO_UNUSABLE, str(error)) from None
    except KeyRestrictionError as error:
        error.__traceback__ = None  # its frames keep the lines, and who they are of
        raise UnrecognisedError(error.reason, str(error)) from None
    case.user_rc_permitted = orders.user_rc
    return Login(
        door=claim.door,
        account=account,
        connection=connection,
        methods=methods,
        fingerprints=used,
        wanted=LoginShell() if claim.command is None else Command(claim.command),
        restriction=orders.force_command,
        terminal=claim.terminal,
        sshd=sshd,
        address_counts=address_counts,
    )


def connection_of(case: Case) -> SshConnection:
    """Return the SSH connection that the door claims; note it in `case`. Raises UnrecognisedError."""
    try:
        case.connection = parse_ssh_connection(case.claim.ssh_connection)
    except ClaimError as error:
        raise UnrecognisedError(Reason.CLAIM_UNUSABLE, str(error)) from None
    return case.connection


async def _account(case: Case, known: Connection, door: Door, world: World) -> Account:
    """Return who asks; note it in `case`. Raises UnrecognisedError, and DoorLeftError.

    A daemon looks it up behind the backs of the others: the databases may be on another host, and slow.
    """
    if known.account is not None and known.account.uid == case.peer.uid:
        case.account = known.account.name
        return checked_account(case, known.account)
    proving = world.kept.proving
    try:
        if proving is None:
            return checked_account(case, account_of(case.peer.uid))
        account = await door.unless_it_leaves(proving.connections.accounts.account(case.peer.uid))
    except UnknownAccountError as error:
        error.__traceback__ = None  # the look-up keeps the error, whose frames keep the case
        raise UnrecognisedError(Reason.UNKNOWN_ACCOUNT, str(error)) from None
    except SlowLookUpError as error:
        raise UnrecognisedError(Reason.BROKER_UNAVAILABLE, str(error)) from None
    known.account = checked_account(case, account)
    return known.account


def checked_account(case: Case, account: Account) -> Account:
    """Return `account` if LOGNAME, which sshd sets, names it too; note it in `case`. Raises UnrecognisedError."""
    case.account = account.name
    logname = case.claim.logname.decode("utf-8", "surrogateescape")
    if not logname:
        raise UnrecognisedError(
            Reason.CLAIM_UNUSABLE, "LOGNAME is missing, which sshd sets; check SetEnv in sshd_config"
        )
    if logname != account.name:
        # Another name with the same uid has another home, shell, keys and phone, and its process cannot be told apart.
        raise UnrecognisedError(
            Reason.UNKNOWN_ACCOUNT, f"several accounts share the uid {account.uid}; give each a uid of its own"
        )
    return account


async def _proven(case: Case, connection: SshConnection, door: Door) -> tuple[SshdProcess | None, bool]:
    """Return the sshd process that holds the SSH connection, and whether the client's address may open anything.

    What cannot be proven makes nothing easier: no grant, no exempt network. Raises UnrecognisedError if the kernel
    says something else than the door, DoorLeftError if that leaves. An embedded broker is its door's, and believes it.
    """
    if case.proof is None:
        return None, True
    try:
        # A further door's is there already, and would not leave within these microseconds.
        proof = await (case.proof if case.proof.done() else door.unless_it_leaves(case.proof))
    except UnprovenError as error:
        case.unproven = str(error)
        error.__traceback__ = None  # its frames keep the case, which keeps the error: a circle, and a claim is long
        return None, False
    except CrowdedError:
        # Not the same as unproven: a push for each channel of an approved connection would be the crowd's doing.
        raise UnrecognisedError(Reason.TOO_MANY_CONNECTIONS) from None
    if not is_same_connection(proof.connection, connection):
        raise UnrecognisedError(Reason.CLAIM_UNUSABLE, "SSH_CONNECTION is not that of the sshd which started this")
    return proof.sshd, True


def _methods(claim: Ask) -> tuple[AuthenticationMethod, ...]:
    """Return how sshd authenticated the client; nothing where a key's own command runs without ExposeAuthInfo."""
    return () if claim.started_by_key and not claim.auth_info else parse_auth_info(claim.auth_info)


def certificate_of(methods: tuple[AuthenticationMethod, ...]) -> Certificate | None:
    """Return what names the first certificate used, for the record."""
    for method in methods:
        if isinstance(method, PublicKey) and is_certificate(method):
            certificate = parse_certificate(method.blob)
            return Certificate(certificate.key_id, certificate.serial)
    return None


async def _key_orders(  # noqa: PLR0913, PLR0917 - what is known of the login by now, and where to find out more
    case: Case,
    methods: tuple[AuthenticationMethod, ...],
    known: Connection,
    account: Account,
    connection: SshConnection,
    door: Door,
    world: World,
) -> KeyOrders:
    """Return what the keys used allow, and note the certificate in `case`.

    A door that is a key's own command has been told by the line it stands in.
    """
    claim = case.claim
    if claim.started_by_key:
        case.certificate = certificate_of(methods)
        return KeyOrders(claim.restricted_to, user_rc=True)
    if known.key_orders is not None:
        orders, case.certificate = known.key_orders
        return orders
    case.certificate = certificate_of(methods)
    orders = await _orders_in_files(case, methods, account, connection, door, world)
    known.key_orders = orders, case.certificate
    return orders


async def _orders_in_files(  # noqa: PLR0913, PLR0917 - the same
    case: Case,
    methods: tuple[AuthenticationMethod, ...],
    account: Account,
    connection: SshConnection,
    door: Door,
    world: World,
) -> KeyOrders:
    """Return what the key files, and the files about certificates, say of the keys used."""
    sought = needles(methods)
    if not sought:
        return KeyOrders()
    sshd = world.settings.sshd
    found = await _lines(sought, sshd.authorized_keys_files, account, door)
    trusted: tuple[bytes, ...] = ()
    principals: tuple[FoundLine, ...] | None = None
    if case.certificate is not None:
        trusted = _trusted_keys(sshd)
        if sshd.authorized_principals_files:
            names = principals_sought(methods)
            principals = await _lines(names, sshd.authorized_principals_files, account, door) if names else ()
    circumstances = Circumstances(
        account_name=account.name,
        client_address=connection.client_address,
        now=case.claim.auth_info_time or int(time.time()),
        trusted_keys=trusted,
        principals_lines=principals,
        command_lines=tuple(held.found for held in world.held_lines(account.name, methods)),
        elsewhere=sshd.authorized_keys_elsewhere,
    )
    if world.kept.proving is None or sum(len(line.line) for line in (*found, *(principals or ()))) <= _JUDGED_AT_ONCE:
        return key_orders(methods, found, circumstances)
    threads = world.kept.proving.connections.threads
    return await door.unless_it_leaves(
        threads.result_of(lambda: key_orders(methods, found, circumstances), case.peer.uid)
    )


async def _lines(
    sought: tuple[bytes, ...], patterns: tuple[str, ...], account: Account, door: Door
) -> tuple[FoundLine, ...]:
    """Return the lines of the account's files that hold one of `sought`, as the door finds them."""
    paths = [path for path in (expand_pattern(pattern, account) for pattern in patterns) if path is not None]
    found = await door.find_key_lines(sought, paths)
    return found_lines(found.lines, found.unsafe)


def _trusted_keys(sshd: SshdSettings) -> tuple[bytes, ...]:
    """Return the canonical blobs in the files of TrustedUserCAKeys. Raises ConfigError if one cannot be trusted."""
    files = (read_trusted(path) for path in sshd.trusted_user_ca_keys)
    return tuple(blob for content in files for blob in parse_trusted_keys(content))

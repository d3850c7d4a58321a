"""From PAM's question to a Login: which account, of which SSH connection if of any, and whether its phone may ring.

PAM runs as root, and only root is believed. What root says of an SSH connection must be what the kernel says of it as
well, and the program that asks must have been started by the sshd that holds it.
"""

from ipaddress import ip_address

from secsign_gate.broker.account_lookup import SlowLookUpError, UnknownAccountError
from secsign_gate.broker.case import Case
from secsign_gate.broker.door import Door
from secsign_gate.broker.recognise import UnrecognisedError, certificate_of, connection_of
from secsign_gate.broker.world import Proving, World
from secsign_gate.core.ancestry import ROOT, SshdProcess, UnprovenError
from secsign_gate.core.auth_info import AuthInfoError, parse_auth_info
from secsign_gate.core.certificate import CertificateError
from secsign_gate.core.key_search import fingerprints
from secsign_gate.core.login import Account, AuthenticationMethod, IpAddress, Login, PamService, SshConnection
from secsign_gate.core.pam_question import pam_service, why_not_to_ask
from secsign_gate.core.ssh_connection import is_same_connection
from secsign_gate.core.ssh_encoding import EncodingError
from secsign_gate.core.verdict import Reason, Refuse, Verdict, refuse
from secsign_gate.errors import ClaimError
from secsign_gate.wire import AskForPam


async def recognise_pam(case: Case, door: Door, world: World) -> Login:
    """Return the login that PAM asks about in `case`; note there why nobody may be asked for it, if that is so.

    Raises UnrecognisedError, and what talking with the door raises.
    """
    claim, proving = case.pam, world.kept.proving
    if claim is None:
        raise RuntimeError("no PAM door has asked")
    service = case.service = _service(claim)
    if case.peer.uid != ROOT:
        raise UnrecognisedError(Reason.CLAIM_UNUSABLE, "only root's PAM is believed, and this was not root")
    if proving is None:
        raise UnrecognisedError(Reason.CONFIGURATION_ERROR, "only the daemon answers PAM, see docs/pam.md")
    methods = _methods(case) if service.whole_connection else ()
    _require_a_cause(claim, service, methods)  # before anybody could learn from the answer which accounts there are
    account = await _account(case, door, proving)
    if service.whole_connection:
        connection, sshd = await _proven(case, proving, world)
    else:
        connection, sshd = _no_ssh_connection(service), None
    case.connection = connection
    _require_room(case, account, world)
    if sshd is not None and (reference := proving.connections.of(sshd, account.uid).refused):
        raise UnrecognisedError(Reason.REFUSED_BEFORE, f"see ref {reference}")
    used = fingerprints(methods)
    if case.nobody is None and not used and world.depends_on_key(account.name):
        case.nobody = refuse(Reason.KEY_NOT_TOLD)
    return Login(
        door=case.claim.door,
        account=account,
        connection=connection,
        methods=methods,
        fingerprints=used,
        wanted=service,
        restriction=None,
        terminal=False,
        sshd=sshd,
        address_counts=sshd is not None,
    )


def let_refusal_stand(case: Case, verdict: Verdict, world: World) -> None:
    """Remember that PAM's question about an SSH connection has been answered with no, once a push was wanted for it.

    A client asks three times before it gives up, and the phone must ring once (law 9). Gone with its sshd.
    """
    if case.pam is None or case.push is None or case.login is None or case.login.sshd is None:
        return
    if isinstance(verdict, Refuse) and world.kept.proving is not None:
        world.kept.proving.connections.of(case.login.sshd, case.login.account.uid).refused = case.reference


def _service(claim: AskForPam) -> PamService:
    try:
        return pam_service(
            phase=claim.phase,
            service=claim.service,
            terminal=claim.terminal,
            remote_host=claim.remote_host,
            over_ssh=bool(claim.ssh_connection),
            seconds=claim.seconds,
        )
    except ClaimError as error:
        raise UnrecognisedError(Reason.CLAIM_UNUSABLE, str(error)) from None


def _methods(case: Case) -> tuple[AuthenticationMethod, ...]:
    """Return what sshd says that it has verified by now; after one method, in the account phase, it says nothing."""
    try:
        methods = parse_auth_info(case.claim.auth_info) if case.claim.auth_info else ()
        case.certificate = certificate_of(methods)
    except (AuthInfoError, CertificateError, EncodingError) as error:
        raise UnrecognisedError(Reason.AUTH_INFO_UNUSABLE, str(error)) from None
    return methods


async def _account(case: Case, door: Door, proving: Proving) -> Account:
    """Return who is to be let in; note it in `case`. Raises UnrecognisedError, and DoorLeftError."""
    name = case.claim.logname.decode("utf-8", "surrogateescape")
    try:
        account = await door.unless_it_leaves(proving.connections.accounts.account_called(name))
    except UnknownAccountError as error:
        error.__traceback__ = None  # the look-up keeps the error, whose frames keep the case
        raise UnrecognisedError(Reason.UNKNOWN_ACCOUNT, str(error)) from None
    except SlowLookUpError as error:
        raise UnrecognisedError(Reason.BROKER_UNAVAILABLE, str(error)) from None
    case.account = account.name
    return account


async def _proven(case: Case, proving: Proving, world: World) -> tuple[SshConnection, SshdProcess | None]:
    """Return the SSH connection, and the sshd that holds it.

    None if that is not proven, and then nobody may be asked for it: whoever is root could name any connection. An
    exempt account is let in nevertheless, so that a monitor that has died locks nobody out for whom that was provided.
    """
    connection = connection_of(case)
    try:
        proof = await proving.monitor.prove_for_pam(case.peer, world.settings.sshd.executables)
    except UnprovenError as error:
        case.unproven = str(error)
        case.nobody = refuse(Reason.CLAIM_UNUSABLE, f"its SSH connection is not proven: {error}")
        error.__traceback__ = None  # its frames keep the case, which keeps the error
        return connection, None
    if not is_same_connection(proof.connection, connection):
        raise UnrecognisedError(Reason.CLAIM_UNUSABLE, "SSH_CONNECTION is not that of the sshd which started this")
    return connection, proof.sshd


def _no_ssh_connection(service: PamService) -> SshConnection:
    """Return where a service that is none of sshd's is used from: PAM's word, which opens nothing."""
    address: IpAddress | None
    try:
        address = ip_address(service.remote_host)
    except ValueError:
        address = None
    return SshConnection(address, 0, None, 0)


def _require_a_cause(claim: AskForPam, service: PamService, methods: tuple[AuthenticationMethod, ...]) -> None:
    himself = claim.remote_user == claim.account
    why_not = why_not_to_ask(service, methods, of_the_user_himself=himself, after_password=claim.after_password)
    if why_not:
        raise UnrecognisedError(Reason.CONFIGURATION_ERROR, why_not)


def _require_room(case: Case, account: Account, world: World) -> None:
    """Keep one account from filling the places of root, who asks for everybody. Raises UnrecognisedError."""
    others = sum(
        other.pam is not None and other.account == account.name for other in world.kept.present if other is not case
    )
    if others >= world.settings.broker.connections_per_account:
        raise UnrecognisedError(Reason.TOO_MANY_CONNECTIONS)

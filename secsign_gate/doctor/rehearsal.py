"""What the policy would say of a login that an administrator describes. Nobody is asked, nothing is recorded."""

import os
import pwd
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple, assert_never

from secsign_gate.config import Settings
from secsign_gate.core.login import Account, Command, Login, LoginShell, SshConnection
from secsign_gate.core.policy import NeedsApproval, judge
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.core.verdict import Allow, Refuse
from secsign_gate.directory.users_file import Users, check_fingerprint
from secsign_gate.doctor.accounts import account_named
from secsign_gate.errors import GateError


class NoSuchLoginError(GateError):
    """No login can be as it was described."""


class Described(NamedTuple):
    """A login as an administrator describes it. `command` None is a shell; `client` None is an unknown address."""

    account: str
    fingerprints: tuple[str, ...]
    command: str | None
    client: str | None


class Rehearsal(NamedTuple):
    """`outcome` is `allow`, `refuse` or `ask`; `why` the ground, the reason or the SecSign ID; `sentence` says it."""

    outcome: str
    why: str
    sentence: str


def rehearse(
    described: Described, settings: Settings, users: Users, holders: frozenset[SecSignId] = frozenset()
) -> Rehearsal:
    """Judge the login as the broker would; `holders` are whose its keys are by the registry.

    Raises NoSuchLoginError.
    """
    account = _account(described.account)
    login = Login(
        door="check",
        account=account,
        connection=_connection(described.client),
        methods=(),
        fingerprints=tuple(_fingerprint(text) for text in described.fingerprints),
        wanted=LoginShell() if described.command is None else Command(os.fsencode(described.command)),
        restriction=None,
        terminal=False,
        sshd=None,
        address_counts=True,
    )
    judgement = judge(login, settings.policy, users.secsign_id(account.name, login.fingerprints, holders), None)
    match judgement:
        case Allow(ground, rule):
            return Rehearsal("allow", ground.value, f"{account.name} needs no approval ({ground.value}: {rule})")
        case Refuse(reason, _):
            return Rehearsal("refuse", reason.value, f"{account.name} is refused ({reason.value})")
        case NeedsApproval(secsign_id):
            sentence = f"{account.name} needs an approval on the phone of SecSign ID {secsign_id}"
            return Rehearsal("ask", secsign_id, sentence)
        case never:
            assert_never(never)


def _account(name: str) -> Account:
    try:
        return account_named(pwd.getpwnam(name))
    except KeyError:
        raise NoSuchLoginError(f"there is no account {name!a} on this host; name one of `getent passwd`") from None


def _connection(client: str | None) -> SshConnection:
    if client is None:
        return SshConnection(None, 0, None, 0)
    try:
        address = ip_address(client)
    except ValueError:
        raise NoSuchLoginError(f"{client!a} is no IP address; write one like 192.0.2.7") from None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None  # as the broker reads SSH_CONNECTION
    return SshConnection(mapped or address, 0, None, 0)


def _fingerprint(text: str) -> str:
    try:
        return check_fingerprint(text)
    except ValueError as error:
        raise NoSuchLoginError(f"{text!a}: {error}; `ssh-keygen -lf FILE.pub` prints it") from None

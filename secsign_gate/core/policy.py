"""May this login pass without a push, must it be refused, or does it need an approval? Facts in, judgement out."""

from typing import NamedTuple

from secsign_gate.core.grant import Grant
from secsign_gate.core.login import Command, IpNetwork, Login
from secsign_gate.core.patterns import PatternList
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.core.verdict import Allow, Ground, Reason, Refuse, allow, refuse


class ExemptCommand(NamedTuple):
    """An exact command, as bytes, that the named accounts may run without a push: a monitoring check, a backup."""

    accounts: PatternList
    command: bytes


class PolicySettings(NamedTuple):
    """Who needs no push. Everybody else does."""

    exempt_accounts: PatternList
    exempt_groups: PatternList
    exempt_networks: tuple[IpNetwork, ...]
    exempt_commands: tuple[ExemptCommand, ...]


class NeedsApproval(NamedTuple):
    """The login may pass once the holder of this SecSign ID accepts a push for it."""

    secsign_id: SecSignId


Judgement = Allow | Refuse | NeedsApproval


def judge(
    login: Login,
    policy: PolicySettings,
    secsign_id: SecSignId | None,
    grant: Grant | None,
    nobody: Refuse | None = None,
) -> Judgement:
    """Judge `login`. `secsign_id` is what the directory says for this account and key, None if it knows none.

    `grant` is one in force that covers `login`, None if there is none. The order is that of the questions an auditor
    would ask; the first that is answered with yes is the ground on record. Everybody else needs an approval, and who
    has no SecSign ID cannot give one. `nobody` says why nobody may be asked though there is one, None if somebody may.
    """
    ground = _exemption(login, policy)
    if ground is None and grant is not None:
        ground = Ground.GRANTED, f"approval {grant.reference}"
    if ground is not None:
        return allow(*ground)
    if nobody is not None:
        return nobody
    if secsign_id is None:
        return refuse(Reason.NO_SECSIGN_ID)
    return NeedsApproval(secsign_id)


def _exemption(login: Login, policy: PolicySettings) -> tuple[Ground, str] | None:
    """Return the first rule that lets `login` pass without a push, with its text, or None."""
    if policy.exempt_accounts.matches(login.account.name):
        return Ground.EXEMPT_ACCOUNT, policy.exempt_accounts.text
    if policy.exempt_groups.matches_any(login.account.groups):
        return Ground.EXEMPT_GROUP, policy.exempt_groups.text
    address = login.connection.client_address
    for network in policy.exempt_networks if login.address_counts else ():
        if address is not None and address.version == network.version and address in network:
            return Ground.EXEMPT_NETWORK, str(network)
    # What runs counts, not what was asked for: a restricted key runs its own command whatever the client says.
    runs = login.executes
    for rule in policy.exempt_commands:
        if isinstance(runs, Command) and runs.line == rule.command and rule.accounts.matches(login.account.name):
            return Ground.EXEMPT_COMMAND, rule.accounts.text
    return None

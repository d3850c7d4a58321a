"""What our own orders mean for accounts that PAM asks for: it is told neither a command nor, mostly, a key. Pure."""

from collections.abc import Callable, Iterable, Iterator

from secsign_gate.config import Settings
from secsign_gate.core.display_text import display_text
from secsign_gate.doctor.at_sshd import AtSshd
from secsign_gate.doctor.finding import Finding, Status
from secsign_gate.doctor.force_command import parse_door

_BY_KEY_LINE = "see sshd-publickey-then-push in docs/pam.md"


def examine_behind_pam(
    settings: Settings, gated: Iterable[AtSshd], depends_on_key: Callable[[str], bool]
) -> tuple[Finding, ...]:
    """Judge the orders for those of `gated` that the PAM door stands before, and who need an approval.

    `depends_on_key` tells of an account whether several people may share it, so that the key says whose phone rings.
    """
    policy = settings.policy
    behind = [
        one
        for one in gated
        if one.session.pam_gate is not None
        and not policy.exempt_accounts.matches(one.account.name)
        and not policy.exempt_groups.matches_any(one.account.groups)
    ]
    return (
        *_whose_key_is_not_told(behind, depends_on_key),
        *_commands_that_are_asked_for(settings, behind),
        *_asked_twice(settings, behind),
    )


def _whose_key_is_not_told(behind: list[AtSshd], depends_on_key: Callable[[str], bool]) -> Iterator[Finding]:
    names = [one.account.name for one in behind if not _is_told_key(one) and depends_on_key(one.account.name)]
    if names:
        what = "the phone depends on the key, which PAM's account lines are not told"
        why = "each of its logins is refused, for it cannot be known whose phone is to ring"
        mend = f"have the gate asked in the auth lines, or name one SecSign ID for the account; {_BY_KEY_LINE}"
        line = "AuthenticationMethods publickey,keyboard-interactive:pam"
        yield Finding(Status.BROKEN, "", ", ".join(names), what, why, mend, line)


def _is_told_key(one: AtSshd) -> bool:
    """Tell whether sshd names a key when PAM is asked: in the auth lines, and after two methods."""
    gate = one.session.pam_gate
    if gate is None or gate.group == "auth":
        return True
    return all(len(names) > 1 and names[0] == "publickey" for names in one.session.ways_in)


def _commands_that_are_asked_for(settings: Settings, behind: list[AtSshd]) -> Iterator[Finding]:
    for rule in settings.policy.exempt_commands:
        names = [one.account.name for one in behind if rule.accounts.matches(one.account.name)]
        if names:
            what = f"`{display_text(rule.command, 80)}` needs no approval, and PAM, which is not told it, asks for it"
            why = "what runs by itself waits for a tap that does not come"
            mend = "exempt the account or its network, or leave it to the ForceCommand door"
            yield Finding(Status.BROKEN, "", ", ".join(names), what, why, mend)


def _asked_twice(settings: Settings, behind: list[AtSshd]) -> Iterator[Finding]:
    """Tell of accounts with both doors whose tap at the first is not enough at the second."""
    both = [one for one in behind if one.session.gate is not None]
    apart = [one.account.name for one in both if not _one_broker(one)]
    if apart:
        what = "the ForceCommand and the PAM door ask two brokers, so each login costs two taps"
        mend = "have the ForceCommand ask the daemon as well"
        why = "what one broker has approved, another does not know"
        yield Finding(Status.WEAK, "", ", ".join(apart), what, why, mend, f"--broker {settings.broker.socket}")
    grants = settings.grants
    channels = [
        one.account.name
        for one in both
        if grants.per == "channel" or grants.per_channel_accounts.matches(one.account.name)
    ]
    if channels:
        what = "PAM asks for the connection and the ForceCommand for each channel, so each login costs two taps"
        why = "that is what [grants] says"
        mend = "leave it if it is meant; else take one of the doors away, or let a grant cover the connection"
        yield Finding(Status.NOTE, "", ", ".join(channels), what, why, mend, 'per = "connection"')
    if both and not channels and grants.per_channel_commands:
        what = "commands of grants.per_channel_commands cost a second tap, after that for the connection"
        yield Finding(Status.NOTE, "", ", ".join(one.account.name for one in both), what, "that is what [grants] says")


def _one_broker(one: AtSshd) -> bool:
    """Tell whether both doors ask the same daemon."""
    line, gate = one.session.pam_gate, one.session.gate
    asked = parse_door(line.command) if line is not None else None
    return gate is not None and (asked is None or gate.broker == asked.broker)

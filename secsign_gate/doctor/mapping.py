"""Who is asked for whom, and what the phone would show: the users file against the accounts that the gate is for."""

from collections.abc import Iterable

from secsign_gate.config import Settings
from secsign_gate.core.display_text import display_text
from secsign_gate.core.login import Account
from secsign_gate.directory.users_file import Users
from secsign_gate.doctor.at_sshd import AtSshd
from secsign_gate.doctor.finding import Finding, Status
from secsign_gate.doctor.keys import has_key_or_password
from secsign_gate.doctor.orders import mapped_accounts, strangers

_FIRST_WORDS = 40  # characters of a notification that phones show (protocol reference 5)
_LINE = "ACCOUNT SECSIGN-ID"


def examine_mapping(
    settings: Settings, users: Users, gated: Iterable[AtSshd], registered: frozenset[str] = frozenset()
) -> tuple[Finding, ...]:
    """Find gated accounts that nobody is asked for, and names in the files that lead nowhere.

    `registered` are the accounts that the registry names.
    """
    needy = [one for one in gated if not _is_exempt(one.account, settings)]
    mapped = registered.union(mapped_accounts(users))
    without = [one for one in needy if one.account.name not in mapped]
    findings = []
    if not users.rules and not registered:
        what = f"{settings.users_file} maps nobody to a SecSign ID"
        why = "only logins that need no approval are let in"
        mend = f"add a line for each account to {settings.users_file}"
        findings.append(Finding(Status.BROKEN, "", "", what, why, mend, _LINE))
    else:
        findings += [_without(one, settings.users_file) for one in without]
    if needy and not without:
        what = f"each of the {len(needy)} accounts that the gate asks about has a SecSign ID"
        findings.append(Finding(Status.CLOSED, "", "", what))
    for file, accounts in (("users file", mapped_accounts(users)), ("registry", sorted(registered))):
        for account in strangers(accounts):
            what = f"the {file} names an account that this host does not know"
            findings.append(Finding(Status.NOTE, "", account, what, "", "correct or remove its line"))
    return (*findings, *_shown(settings))


def _is_exempt(account: Account, settings: Settings) -> bool:
    policy = settings.policy
    return policy.exempt_accounts.matches(account.name) or policy.exempt_groups.matches_any(account.groups)


def _without(one: AtSshd, users_file: str) -> Finding:
    name = one.account.name
    mend = f"add its line to {users_file}"
    if not one.session.takes_keys_elsewhere and not has_key_or_password(one.account, one.effective):
        what = "an account behind the gate has no SecSign ID, and neither a key nor a password to log in with"
        return Finding(Status.NOTE, "", name, what)
    why = "its logins are refused, unless a network or a command exempts them"
    return Finding(
        Status.BROKEN, "", name, "an account behind the gate can log in and has no SecSign ID", why, mend, _LINE
    )


def _shown(settings: Settings) -> list[Finding]:
    """Judge the texts for the phone, filled in for somebody: what the protocol does not carry is blanked out."""
    values = {"account": "alice", "host": "web1", "client": "192.0.2.7", "command": "uptime"}
    findings = []
    for key, text in (("service_name", settings.push.service_name), ("service_address", settings.push.service_address)):
        shown = display_text(text.format_map(values))
        if not shown:
            what = f"push.{key} shows nothing on the phone"
            why = "who taps cannot know what for"
            findings.append(
                Finding(
                    Status.WEAK, "", "", what, why, "name the account and the host", f'{key} = "{{account}}@{{host}}"'
                )
            )
        elif "{account}" in text and "alice" not in shown[:_FIRST_WORDS]:
            what = f"push.{key} names the account only behind its first {_FIRST_WORDS} characters"
            why = "a phone's notification shows no more, and is accepted by reflex"
            findings.append(Finding(Status.WEAK, "", "", what, why, "name it earlier"))
    if not findings:
        name = display_text(settings.push.service_name.format_map(values))
        findings.append(Finding(Status.CLOSED, "", "", f"the ID server can carry what the phone shows, like {name!r}"))
    return findings

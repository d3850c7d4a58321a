"""Who is asked for whom, and what the phone would show: the users file against the accounts that the gate is for."""

from collections.abc import Iterable

from secsign_gate.config import Settings
from secsign_gate.core.display_text import display_text
from secsign_gate.core.login import Account
from secsign_gate.directory.users_file import Users
from secsign_gate.doctor.finding import Finding, Status
from secsign_gate.doctor.orders import strangers

_MOST = 8  # accounts told one by one
_FIRST_WORDS = 40  # characters of a notification that phones show (protocol reference 5)
_LINE = "ACCOUNT SECSIGN-ID"


def examine_mapping(settings: Settings, users: Users, gated: Iterable[Account]) -> tuple[Finding, ...]:
    """Find gated accounts that nobody is asked for, and names in the users file that lead nowhere."""
    gated = list(gated)
    needy = [account for account in gated if not _is_exempt(account, settings)]
    without = [account for account in needy if not users.secsign_ids(account.name)]
    findings = []
    if not users.rules:
        what = f"{settings.users_file} maps nobody to a SecSign ID"
        why = "only logins that need no approval are let in"
        findings.append(
            Finding(Status.BROKEN, "", "", what, why, f"add a line for each account to {settings.users_file}", _LINE)
        )
    elif not without:
        what = f"each of the {len(needy)} accounts that the gate asks about has a SecSign ID"
        findings.append(Finding(Status.CLOSED, "", "", what))
    if users.rules:
        findings += _without(without, settings.users_file)
    for account in strangers(users)[:_MOST]:
        what = f"the users file names {account}, whom this host does not know"
        findings.append(Finding(Status.NOTE, "", account, what, mend="correct or remove the line"))
    return (*findings, *_shown(settings))


def _is_exempt(account: Account, settings: Settings) -> bool:
    policy = settings.policy
    return policy.exempt_accounts.matches(account.name) or policy.exempt_groups.matches_any(account.groups)


def _without(accounts: list[Account], users_file: str) -> list[Finding]:
    why = "its logins are refused, unless a network or a command exempts them"
    mend = f"add its line to {users_file}"
    findings = [
        Finding(
            Status.BROKEN,
            "",
            account.name,
            f"{account.name} is behind the gate and has no SecSign ID",
            why,
            mend,
            f"{account.name} SECSIGN-ID",
        )
        for account in accounts[:_MOST]
    ]
    if len(accounts) > _MOST:
        names = ", ".join(account.name for account in accounts[_MOST : 2 * _MOST])
        what = f"{len(accounts) - _MOST} more accounts are behind the gate and have no SecSign ID: {names} ..."
        findings.append(Finding(Status.BROKEN, "", "", what, why, mend, _LINE))
    return findings


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

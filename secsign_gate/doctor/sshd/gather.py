"""Who is looked at, and what sshd says of each of them. Decides nothing."""

import grp
import pwd
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from secsign_gate.core.key_search import expand_pattern
from secsign_gate.core.login import Account
from secsign_gate.core.orders import SshdSettings
from secsign_gate.doctor.accounts import account_named, accounts_with_shells
from secsign_gate.doctor.finding import Finding, Status
from secsign_gate.doctor.pam.files import pam_service
from secsign_gate.doctor.shadow import with_password
from secsign_gate.doctor.sshd.host import host_facts
from secsign_gate.doctor.sshd.points import OUTSIDE, account_classes, connections, lines_about, speakable
from secsign_gate.doctor.sshd.session import NO_PROGRAM, NO_SHELLS, Connection, Host, Session
from secsign_gate.sshd.config_files import Configuration
from secsign_gate.sshd.config_lines import Line
from secsign_gate.sshd.effective import Effective
from secsign_gate.sshd.program import Sshd, SshdError

MOST_QUESTIONS = 500  # to sshd, each of some ten milliseconds
_KEYS_ELSEWHERE = ("authorizedkeyscommand", "trustedusercakeys")
_NSSWITCH = Path("/etc/nsswitch.conf")
_LISTED = frozenset({"files", "compat", "db", "systemd", "altfiles", "extrausers"})
_NOBODY, _NO_UID = "secsign-gate-doctor-asks", 4294967294  # who stands for those whom nobody lists


class Answers(NamedTuple):
    """What sshd said of everybody who was asked about, and what could not be asked."""

    sessions: tuple[Session, ...]
    findings: tuple[Finding, ...]


def chosen_accounts(
    names: tuple[str, ...], groups: tuple[str, ...], lines: Iterable[Line] = ()
) -> tuple[list[Account], list[Finding]]:
    """Return the accounts of these names and the members of these groups; without either, everybody who may log in.

    `lines` are sshd's, which say where keys are.
    """
    if not names and not groups:
        return [*accounts_with_shells(), *accounts_without_shells(lines)], []
    found: dict[str, Account] = {}
    findings = []
    for name in names:
        try:
            found[name] = account_named(pwd.getpwnam(name))
        except (KeyError, ValueError):
            findings.append(Finding(Status.BROKEN, "", name, f"there is no account {name!a} on this host"))
    for group in groups:
        members = {one.name: one for one in accounts_with_shells() if group in one.groups} | _listed_members(group)
        if not members:
            findings.append(Finding(Status.BROKEN, "", "", f"nobody on this host is in the group {group!a}"))
        found |= members
    return list(found.values()), findings


def _listed_members(group: str) -> dict[str, Account]:
    """Return those whom the group database lists, which has accounts of a directory service, too."""
    found = {}
    with suppress(KeyError, ValueError):  # a name that cannot be one
        for name in grp.getgrnam(group).gr_mem:
            with suppress(KeyError):  # a name that is left over
                found[name] = account_named(pwd.getpwnam(name))
    return found


def accounts_without_shells(lines: Iterable[Line]) -> list[Account]:
    """Return every account whose login shell runs nothing, and which may be able to log in: forwarding needs no shell.

    `lines` are sshd's: where some of them names a command or an authority for keys, nobody can tell here who is not.
    """
    lines = list(lines)
    everybody = [account_named(entry) for entry in pwd.getpwall() if entry.pw_shell.rpartition("/")[2] in NO_SHELLS]
    if any(line.keyword in _KEYS_ELSEWHERE and line.arguments != (NO_PROGRAM,) for line in lines):
        return everybody
    keyless = without_key(everybody, lines)
    return [account for account in everybody if account.name not in keyless]


def without_key(accounts: Iterable[Account], lines: Iterable[Line]) -> frozenset[str]:
    """Return the names of those that have neither a password nor a key, at home or where AuthorizedKeysFile says."""
    patterns = [word for line in lines if line.keyword == "authorizedkeysfile" for word in line.arguments]
    unlocked = with_password()
    return frozenset(
        account.name
        for account in accounts
        if account.name not in unlocked
        and not Path(account.home, ".ssh").is_dir()
        and not any(_is_there(pattern, account) for pattern in patterns)
    )


def _is_there(pattern: str, account: Account) -> bool:
    with suppress(OSError, ValueError):
        path = expand_pattern(pattern, account)
        return path is not None and Path(path).exists()
    return True  # a doubt hides nothing


def unlisted(sshd: Sshd) -> list[Finding]:
    """Say what becomes of accounts that a directory service knows and does not list. Raises SshdError."""
    services = [word for word in _passwd_services() if word not in _LISTED]
    if not services:
        return []
    account = Account(_NOBODY, _NO_UID, "/nonexistent", "/bin/bash", ())
    effective = sshd.effective(account.name, OUTSIDE, OUTSIDE)
    pam = tuple(pam_service(effective.value("pamservicename") or "sshd"))
    if Session(account, Connection(OUTSIDE, OUTSIDE, "", 22), effective, Host(sshd.version, pam=pam)).is_gated:
        return []
    what = f"accounts of {', '.join(services)} may not be listed here, and whom no Match names has no gate"
    mend = "gate everybody, by Match all or a group that all of them are in; ask for one of them by --user"
    why = "which of them may log in cannot be seen here, and for those the key alone is enough"
    return [Finding(Status.UNKNOWN, "ungated-account", "", what, why, mend, "Match all")]


def _passwd_services() -> list[str]:
    """Return where accounts come from (nsswitch.conf(5)), as far as that is written down."""
    with suppress(OSError):
        for line in _NSSWITCH.read_text("utf-8", "replace").split("\n"):
            name, _, services = line.partition("#")[0].partition(":")
            if name.strip() == "passwd":
                return [word for word in services.split() if not word.startswith("[")]
    return []


def ask(sshd: Sshd, configuration: Configuration, accounts: list[Account], settings: SshdSettings | None) -> Answers:
    """Ask sshd, which reads `configuration`, about each account on each connection that matters.

    Raises SshdError if sshd answers nothing at all.
    """
    general = sshd.settings()
    # `listenaddress` has every port, also one that is written behind an address
    ends = (value.rpartition(":")[2] for value in general.values("listenaddress"))
    ports = [int(port) for port in (*general.values("port"), *ends) if port.isdecimal()]
    looked_up = general.is_on("usedns")
    findings = []
    unasked = 0
    told: list[tuple[Account, Connection, Effective]] = []
    questions = 0
    for accounts_alike in account_classes(accounts, configuration.lines):
        about = lines_about(accounts_alike[0], configuration.lines)
        places = connections(about, ports, names_looked_up=looked_up)
        if not places.all_of_them:
            findings.append(_too_many_places(accounts_alike))
        for connection in places.connections:
            if questions >= MOST_QUESTIONS:
                unasked += len(accounts_alike)
                break
            questions += 1
            try:
                effective = sshd.effective(speakable(accounts_alike), *connection)
            except SshdError as error:
                names = ", ".join(one.name for one in accounts_alike)
                findings.append(Finding(Status.UNKNOWN, "", names, str(error)))
                break
            told += [(account, connection, effective) for account in accounts_alike]
    if unasked:
        findings.append(_too_many(unasked))
    host = host_facts(sshd, configuration, general, [(account, effective) for account, _, effective in told], settings)
    shut = [account for account in accounts if (account.shell or "/bin/sh").rpartition("/")[2] in NO_SHELLS]
    host = host._replace(without_key=without_key(shut, configuration.lines))
    return Answers(tuple(Session(*one, host) for one in told), tuple(dict.fromkeys(findings)))


def _too_many_places(alike: tuple[Account, ...]) -> Finding:
    what = "the Match lines are about so many addresses, hosts and ports that not all of it was tried"
    names = ", ".join(one.name for one in alike)
    why = "what was not tried may have no gate"
    return Finding(Status.UNKNOWN, "match-exemption", names, what, why, "simplify the Match lines, or write Match all")


def _too_many(accounts: int) -> Finding:
    what = f"sshd was asked {MOST_QUESTIONS} times, and not about every login of {accounts} accounts more"
    why = "the Match lines tell so many accounts and addresses apart that not all of it can be tried"
    return Finding(
        Status.UNKNOWN, "match-exemption", "", what, why, "ask for some accounts only, or simplify the Match lines"
    )

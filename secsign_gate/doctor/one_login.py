"""The way of one account's login, station by station, without a push: where it would come through, and where not."""

import os
import pwd
import time
from collections.abc import Callable
from typing import Any

from secsign_gate.config import Settings, load_settings
from secsign_gate.core.authorized_keys import KeyLine
from secsign_gate.core.display_text import display_text
from secsign_gate.core.login import Account, Login, LoginShell, SshConnection
from secsign_gate.core.public_key import fingerprint
from secsign_gate.core.push_text import phone_text, push_request
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.directory.users_file import Users, load_users
from secsign_gate.doctor.accounts import account_named
from secsign_gate.doctor.as_account import acting_as
from secsign_gate.doctor.at_sshd import AtSshd
from secsign_gate.doctor.finding import Finding, Status
from secsign_gate.doctor.keys import KeysFound
from secsign_gate.doctor.orders import broken_by
from secsign_gate.doctor.rehearsal import Described, rehearse
from secsign_gate.doctor.shadow import shadow_entry
from secsign_gate.doctor.sshd.rules.gate import STARTS_NO_GATE
from secsign_gate.errors import ConfigError, GateError

_MOST = 5  # keys told one by one


class NoSuchAccountError(GateError):
    """There is no account of the name."""


def account_by_name(name: str) -> Account:
    """Return the account called `name`. Raises NoSuchAccountError."""
    try:
        return account_named(pwd.getpwnam(name))
    except (KeyError, ValueError):  # ValueError: a NUL in it
        raise NoSuchAccountError(f"there is no account {name!a} on this host; name one of `getent passwd`") from None


def examine_account(account: Account) -> list[Finding]:
    """Judge what the password database says of it, as sshd and the gate would."""
    shell = account.shell or "/bin/sh"
    findings = [
        Finding(Status.CLOSED, "", account.name, f"{account.name} has the uid {account.uid} and the shell {shell}")
    ]
    if not os.access(shell, os.X_OK):
        what = f"the login shell {shell} of {account.name} is missing or cannot be executed"
        findings = [
            _broken(account, what, "sshd refuses the login", "correct it", f"usermod --shell /bin/bash {account.name}")
        ]
    elif shell.rpartition("/")[2] in STARTS_NO_GATE:
        what = f"the login shell {shell} of {account.name} does not start the gate"
        findings = [_broken(account, what, "sshd starts the gate by that shell", "exempt the account in sshd_config")]
    if not os.path.isdir(account.home):  # noqa: PTH112 - a home may be any text
        what = f"the home {account.home} of {account.name} is not there"
        findings.append(Finding(Status.WEAK, "", account.name, what, "its keys are usually there", "make it"))
    return findings


def examine_gate_before(one: AtSshd) -> Finding:
    """Tell whether sshd starts the gate for it."""
    name = one.account.name
    command = one.effective.value("forcecommand")
    if not one.is_let_in:
        what = f"sshd lets {name} in from nowhere (AllowUsers and the like, PermitRootLogin)"
        return _broken(one.account, what, "it cannot log in", "let sshd's configuration name it")
    if one.program is None and one.is_gated:
        return Finding(Status.CLOSED, "", name, f"the gate stands before {name} in PAM, or before each of its keys")
    if one.program is None:
        said = "none" if command in ("", "none") else display_text(command, 120)
        what = f"sshd does not start the gate for {name} (ForceCommand {said})"
        why = "it is let in with a key alone"
        return Finding(
            Status.OPEN, "ungated-account", name, what, why, "let a Match block of the gate cover it", "Match all"
        )
    whom = f"the daemon at {one.program.broker}" if one.program.broker else "a broker of its own"
    return Finding(Status.CLOSED, "", name, f"the gate is the ForceCommand of {name}, and asks {whom}")


def examine_keys(one: AtSshd, found: KeysFound, now: float) -> list[Finding]:
    """Tell which keys it can log in with, and which of them are restricted. `now` in seconds since 1970."""
    name = one.account.name
    findings = [Finding(Status.WEAK, "", name, f"sshd passes over {place}") for place in found.unread[:_MOST]]
    findings += [Finding(Status.UNKNOWN, "", name, f"{place} cannot be read") for place in found.unreadable]
    elsewhere = one.session.takes_keys_elsewhere
    if not found.lines and not elsewhere:
        what = f"{name} has no key: sshd looks in {', '.join(found.files) or 'no file'}"
        findings.append(
            _broken(one.account, what, "it cannot log in with one", "add the key", f"ssh-copy-id {name}@HOST")
        )
        return findings
    keys = "1 key" if len(found.lines) == 1 else f"{len(found.lines)} keys"
    more = ", and sshd asks a command or an authority for others" if elsewhere else ""
    findings.append(Finding(Status.CLOSED, "", name, f"{name} has {keys}{more}"))
    told = [finding for line in found.lines for finding in _restrictions(name, line, now)]
    if found.lines and all(_has_ended(line, now) for line in found.lines) and not elsewhere:
        findings.append(_broken(one.account, f"no key of {name} is valid any more", "it cannot log in", "add another"))
    return [*findings, *told[: 2 * _MOST]]


def _has_ended(line: KeyLine, now: float) -> bool:
    return any(expiry.seconds < now for expiry in line.options.expiries)


def _restrictions(name: str, line: KeyLine, now: float) -> list[Finding]:
    """Tell what one key may do, from where and until when, if that is not all."""
    key, options = fingerprint(line.blob), line.options
    findings = []
    if options.force_command is not None:
        what = f"the key {key} runs `{display_text(options.force_command, 80)}` only, also behind the gate"
        findings.append(Finding(Status.NOTE, "restricted-key", name, what))
    if options.from_list is not None:
        what = f"the key {key} is taken from {display_text(options.from_list, 80)} only"
        findings.append(Finding(Status.NOTE, "", name, what))
    ends = min((expiry.seconds for expiry in options.expiries), default=None)
    if ends is not None:
        day = time.strftime("%Y-%m-%d", time.gmtime(ends))
        status, word = (Status.WEAK, "ended") if ends < now else (Status.NOTE, "ends")
        findings.append(Finding(status, "", name, f"the key {key} {word} on {day}"))
    return findings


def examine_shadow(one: AtSshd, now: float) -> list[Finding]:
    """Judge what shadow(5) says of the account, as PAM and sshd would."""
    account = one.account
    try:
        entry = shadow_entry(account.name)
    except OSError:
        what = f"whether {account.name} is locked or has ended is not known"
        return [Finding(Status.UNKNOWN, "", account.name, what, "", "run this as root")]
    if entry is None:
        return []
    findings = []
    if entry.expires_at is not None and entry.expires_at <= now:
        day = time.strftime("%Y-%m-%d", time.gmtime(entry.expires_at))
        what = f"the account {account.name} ended on {day}"
        line = f"chage --expiredate -1 {account.name}"
        findings.append(_broken(account, what, "PAM and sshd refuse it", "let it go on, if that is meant", line))
    if entry.is_locked and not one.effective.is_on("usepam"):
        what = f"the password of {account.name} is locked, and sshd goes without PAM"
        line = f"usermod --password '*' {account.name}"
        findings.append(_broken(account, what, "sshd refuses even its key then", "give it a `*` for a password", line))
    return findings


def examine_orders_as(one: AtSshd) -> list[Finding]:
    """Read the orders as the account would, where its broker is its own."""
    if one.program is None or not one.program.config:
        return []
    account = one.account
    if os.geteuid() != 0:
        what = f"whether {account.name} may read the gate's orders is not known"
        return [Finding(Status.UNKNOWN, "", account.name, what, "", "run this as root")]
    try:
        gid = pwd.getpwnam(account.name).pw_gid
        with acting_as(account.name, account.uid, gid):
            load_users(load_settings(one.program.config).users_file)
    except ConfigError as error:
        why = "its broker runs as the account, and refuses what it cannot read"
        return [broken_by(problem, why)._replace(account=account.name) for problem in error.problems]
    return [Finding(Status.CLOSED, "", account.name, f"{account.name} may read the gate's orders")]


def examine_policy(
    account: Account,
    settings: Settings,
    users: Users,
    prints: tuple[str, ...],
    holders: Callable[[str, tuple[str, ...]], frozenset[SecSignId]],
) -> list[Finding]:
    """Tell what the policy says of a login with each key, for all keys alike where they are.

    `holders` says whose keys are by the registry, for an account and fingerprints.
    """
    said: dict[str, list[str]] = {}
    outcomes = {}
    for one in prints or ("",):
        keys_used = (one,) if one else ()
        described = Described(account.name, keys_used, None, None)
        rehearsal = rehearse(described, settings, users, holders(account.name, keys_used))
        said.setdefault(rehearsal.sentence, []).append(one)
        outcomes[rehearsal.sentence] = rehearsal.outcome
    findings = []
    for sentence, keys in said.items():
        which = "" if len(said) == 1 else f" with the key {', '.join(keys[:2])}"
        status = {"ask": Status.CLOSED, "allow": Status.NOTE}.get(outcomes[sentence], Status.BROKEN)
        mend = f"add its line to {settings.users_file}" if status is Status.BROKEN else ""
        line = f"{account.name} SECSIGN-ID" if mend else ""
        findings.append(Finding(status, "", account.name, f"{sentence}{which}", "", mend, line))
    return findings


def examine_limits(account: Account, secsign_ids: set[SecSignId], status: dict[str, Any] | None) -> list[Finding]:
    """Tell whether the daemon would push now: not during a pause after a denial, nor after too many pushes."""
    findings = []
    for one in (status or {}).get("pushes", ()):
        if one.get("name") not in {account.name, *secsign_ids}:
            continue
        if one.get("pause_left"):
            what = f"{one['name']} is left in peace for {one['pause_left']:.0f} s more after {one['denials']} denials"
            why = "no login of it is asked for until then"
            findings.append(
                _broken(account, what, why, "wait, or let it be pushed again", f"secsign-gate unblock {one['name']}")
            )
        else:
            findings.append(
                Finding(Status.NOTE, "", account.name, f"{one['name']} was pushed {one['recent']} times lately")
            )
    if status is not None and not findings:
        findings.append(Finding(Status.CLOSED, "", account.name, f"nothing holds a push for {account.name} off"))
    return findings


def a_login(account: Account, door: str = "doctor", *, terminal: bool) -> Login:
    """Return a login of `account` as nobody makes it, to see what the phone would show for it."""
    nowhere = SshConnection(None, 0, None, 0)
    return Login(door, account, nowhere, (), (), LoginShell(), None, terminal, None, address_counts=False)


def examine_phone(account: Account, secsign_id: SecSignId, settings: Settings) -> list[Finding]:
    """Tell what the phone would show, for a login with a terminal and for one without."""
    rest = settings.id_server.dialect == "rest"
    findings = []
    for terminal, who in ((True, "with a terminal"), (False, "without one")):
        request = push_request(
            a_login(account, terminal=terminal), secsign_id, os.uname().nodename, settings.push, transactions=rest
        )
        picture = ", and pictures to pick from" if request.access_pass else ""
        what = f"for a login {who} the phone of {secsign_id} shows {phone_text(request)!r}{picture}"
        findings.append(Finding(Status.CLOSED, "", account.name, what))
    return findings


def _broken(account: Account, what: str, why: str, mend: str, line: str = "") -> Finding:
    return Finding(Status.BROKEN, "", account.name, what, why, mend, line)

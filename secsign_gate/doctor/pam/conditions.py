"""Whom lines of pam_succeed_if(8) let past the line of the gate: those that `secsign-gate enable` writes. Pure."""

from collections.abc import Sequence

from secsign_gate.core.login import Account
from secsign_gate.doctor.pam.lines import YES, PamLine

_OPTIONS = frozenset({"debug", "use_uid", "quiet", "quiet_fail", "quiet_success", "audit"})
_WORDS = 3  # of one condition: field, test, value
_DIRECTORIES = frozenset({"pam_unix.so", "pam_sss.so", "pam_ldap.so", "pam_winbind.so", "pam_krb5.so"})
# Modules whose yes means no more than that somebody may log in, or, in auth lines, knows a password. pam_rootok looks
# at the uid of the process that asks, and sshd's is root's.
_YES_OF_ANYBODY = {
    "account": _DIRECTORIES | {"pam_permit.so", "pam_rootok.so", "pam_localuser.so", "pam_access.so", "pam_time.so"},
    "auth": _DIRECTORIES | {"pam_permit.so", "pam_rootok.so", "pam_localuser.so", "pam_access.so"},
}


def says_yes(line: PamLine, account: Account) -> bool | None:
    """Tell whether the line says yes of the account; None if that is not known here."""
    words = [word for word in line.arguments if word not in _OPTIONS]
    if line.module_name != "pam_succeed_if.so" or not words or len(words) % _WORDS:
        return None
    conditions = zip(words[::_WORDS], words[1::_WORDS], words[2::_WORDS], strict=True)
    answers = [_holds(field, test, value, account) for field, test, value in conditions]
    if False in answers:
        return False
    return None if None in answers else True


def lets_anybody_past(lines: Sequence[PamLine], at: int) -> PamLine | None:
    """Return a line by whose yes PAM never comes to `lines[at]`, and that says yes of whoever may log in; else None.

    `lines` are all of one group, and of sshd's service, which root runs.
    """
    for distance, line in enumerate(reversed(lines[:at]), start=1):
        skipped = line.skips(YES)
        if line.module_name in _YES_OF_ANYBODY.get(line.group, ()) and (skipped is None or skipped >= distance):
            return line
    return None


def is_let_past(lines: Sequence[PamLine], at: int, account: Account) -> bool:
    """Tell whether PAM surely never asks `lines[at]` about the account: a line before it says yes, and skips it.

    `lines` are all of one group.
    """
    for distance, line in enumerate(reversed(lines[:at]), start=1):
        skipped = line.skips(YES)
        if says_yes(line, account) and (skipped is None or skipped >= distance):
            return True
    return False


def _holds(field: str, test: str, value: str, account: Account) -> bool | None:
    names = value.split(":")
    match field, test:
        case "user", "in":
            return account.name in names
        case "user", "notin":
            return account.name not in names
        case "user", "ingroup":
            return not set(names).isdisjoint(account.groups)
        case "user", "notingroup":
            return set(names).isdisjoint(account.groups)
    return None

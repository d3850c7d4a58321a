"""Whom lines of pam_succeed_if(8) let past the line of the gate: those that `secsign-gate enable` writes. Pure."""

from collections.abc import Sequence

from secsign_gate.core.login import Account
from secsign_gate.doctor.pam_lines import YES, PamLine

_OPTIONS = frozenset({"debug", "use_uid", "quiet", "quiet_fail", "quiet_success", "audit"})
_WORDS = 3  # of one condition: field, test, value


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

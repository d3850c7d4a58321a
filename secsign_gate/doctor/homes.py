"""Homes and keys of all accounts at once: who else could write there, and who gets in while the gate is broken."""

from collections.abc import Iterable

from secsign_gate.doctor.at_sshd import AtSshd
from secsign_gate.doctor.finding import Finding, Status
from secsign_gate.doctor.keys import examine_key_files, keys_of

_RESCUE = "Match User *,!rescue"


def examine_homes(gated: Iterable[AtSshd]) -> tuple[Finding, ...]:
    """Judge the homes and key files of the accounts behind the gate."""
    gated = list(gated)
    findings = [finding for one in gated for finding in examine_key_files(one.account, one.effective)]
    if gated and not findings:
        what = f"the homes and key files of {len(gated)} accounts are their own"
        findings.append(Finding(Status.CLOSED, "", "", what))
    return tuple(findings)


def examine_way_out(gated: Iterable[AtSshd], others: Iterable[AtSshd]) -> tuple[Finding, ...]:
    """Find an account without the gate that has a key, for the day when the gate is broken."""
    if not list(gated):
        return ()
    ready: list[str] = []
    keyless: list[str] = []
    for one in others:
        if one.account.uid == 0 and one.effective.value("permitrootlogin") in ("no", "forced-commands-only"):
            continue
        (ready if keys_of(one.account, one.effective).lines else keyless).append(one.account.name)
    if ready:
        what = f"while the gate is broken, {', '.join(ready[:5])} gets in with a key"
        return (Finding(Status.CLOSED, "", "", what),)
    why = "if the gate, its daemon or its configuration breaks, nobody gets in by ssh any more"
    mend = "leave an account without the gate, with a key that lies in a safe"
    if keyless:
        what = f"no account without the gate has a key: {', '.join(keyless[:5])} would need one"
        return (Finding(Status.WEAK, "", keyless[0], what, why, mend),)
    return (Finding(Status.WEAK, "", "", "every account that can log in is behind the gate", why, mend, _RESCUE),)

"""Sessions in, findings out: every rule is asked about every session, and what is the same is said once."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from secsign_gate.core.bypass import BYPASSES
from secsign_gate.core.login import Account
from secsign_gate.core.patterns import matches_pattern, split_patterns
from secsign_gate.doctor.finding import Finding, Status
from secsign_gate.doctor.gate_line import gate_on_line
from secsign_gate.doctor.sshd.rules import RULES
from secsign_gate.doctor.sshd.session import ROOT, Connection, Hole, Rule, Session
from secsign_gate.sshd.config_lines import Line

_NOT_CLOSED = frozenset({Status.OPEN, Status.BROKEN, Status.WEAK, Status.UNKNOWN})
_WAYS = {bypass.name: bypass for bypass in BYPASSES}
_MOST_NAMED = 3  # addresses and the like in one sentence


def may_log_in(session: Session) -> bool:
    """Tell whether sshd may let the account in at all (sshd_config(5), AllowUsers and the like, PermitRootLogin).

    Where an entry names a host besides, the answer is yes: a doubt hides no hole.
    """
    effective, account = session.effective, session.account
    if account.uid == ROOT and effective.value("permitrootlogin") == "no":
        return False
    users = {setting: effective.values(setting) for setting in ("denyusers", "allowusers")}
    groups = {setting: effective.values(setting) for setting in ("denygroups", "allowgroups")}
    if any("@" not in pattern and matches_pattern(account.name, pattern) for pattern in users["denyusers"]):
        return False
    if users["allowusers"] and not any(
        matches_pattern(account.name, pattern.partition("@")[0]) for pattern in users["allowusers"]
    ):
        return False
    if any(matches_pattern(group, pattern) for pattern in groups["denygroups"] for group in account.groups):
        return False
    allowed = groups["allowgroups"]
    return not allowed or any(matches_pattern(group, pattern) for pattern in allowed for group in account.groups)


def judge(asked: Iterable[Session], rules: Sequence[Rule] = RULES) -> list[Finding]:
    """Return what `rules` say of the sessions that sshd was asked about, and what is closed.

    CLOSED is each bypass that is judged and of which they say nothing worse than a NOTE.

    Where the gate stands before some sessions, forwarding and the like is judged for those; if it stands before none,
    for all. Of accounts that may not log in, nothing is said, and of those without a shell, only what needs none.
    """
    alike = _alike(asked)
    sessions = [session for kind in alike.values() for session in kind.sessions]
    if not sessions:
        what = "sshd lets none of these accounts in, so there is nothing to go around"
        return [Finding(Status.NOTE, "", "", what)]
    names = {kind.accounts[0]: tuple(account.name for account in kind.accounts) for kind in alike.values()}
    with_shell = [session for session in sessions if session.has_shell]
    gated = [session for session in with_shell if session.is_gated]
    ungated = [session for session in with_shell if not session.is_gated]
    no_shell = [session for session in sessions if not session.has_shell]
    findings: dict[Finding, None] = {}
    judged = set()
    for rule in rules:
        about = no_shell if rule.no_shell else ungated if rule.ungated else gated or with_shell or no_shell
        if not rule.after_pam:
            about = [session for session in about if session.pam_gate is None]
        among = sessions if rule.no_shell else with_shell if rule.ungated else about
        judged.add(rule.bypass)
        findings |= dict.fromkeys(_findings(rule, about, among, names))
    troubled = {finding.bypass for finding in findings if finding.status in _NOT_CLOSED}
    closed = [
        Finding(Status.CLOSED, bypass.name, "", f"{bypass.title}: closed")
        for bypass in BYPASSES
        if bypass.name in judged - troubled
    ]
    return [*findings, *closed]


def left_out_by(account: Account, lines: Iterable[Line]) -> str:
    """Return the file in which a Match of the gate leaves the account out by its name or its group's, if one does."""
    for line in lines:
        if line.keyword != "forcecommand" or gate_on_line(line.text) is None:
            continue
        for criterion in line.match:
            names = {"user": (account.name,), "group": account.groups}.get(criterion.name, ())
            if any(pattern.negated and pattern.text in names for pattern in split_patterns(criterion.argument)):
                return line.path
    return ""


class _Kind(NamedTuple):
    """Accounts that no rule can tell apart, and the sessions of the first of them, which may log in."""

    accounts: list[Account]
    sessions: list[Session]


def _alike(asked: Iterable[Session]) -> dict[object, _Kind]:
    """Put accounts together of which sshd says the same, and which are alike in all that a rule may look at."""
    by_account: dict[Account, list[Session]] = defaultdict(list)
    for session in asked:
        by_account[session.account].append(session)
    gated = {
        one.account.uid: one.account.name
        for ones in by_account.values()
        for one in ones
        if one.is_gated and may_log_in(one)
    }
    kinds: dict[object, _Kind] = {}
    for account, sessions in by_account.items():
        left_out = left_out_by(account, sessions[0].host.lines)
        said = tuple((one.connection, id(one.effective)) for one in sessions if may_log_in(one))
        other_name = gated.get(account.uid, account.name)
        gated_as = "" if other_name == account.name else other_name
        pam_gate = sessions[0].pam_gate  # where a line of PAM's asks for a name or a group
        key = account.shell, account.uid == ROOT, sessions[0].has_key, left_out, gated_as, pam_gate, said
        if not said:
            continue
        if key not in kinds:
            let_in = [one for one in sessions if may_log_in(one)]
            is_gated = any(one.is_gated for one in let_in)
            told = [one._replace(gated_elsewhere=is_gated, left_out_by=left_out, gated_as=gated_as) for one in let_in]
            kinds[key] = _Kind([], told)
        kinds[key].accounts.append(account)
    return kinds


def _findings(
    rule: Rule, about: list[Session], among: list[Session], names: dict[Account, tuple[str, ...]]
) -> list[Finding]:
    """Ask one rule `about` sessions, and put together what it says of several accounts and connections alike.

    `among` are those that it is compared with: what is true of all of them needs no names. `names` are those of the
    accounts that each account of a session stands for.
    """
    holes: dict[Hole, dict[Account, list[Connection]]] = defaultdict(lambda: defaultdict(list))
    for session in about:
        for hole in rule.judge(session):
            holes[hole][session.account].append(session.connection)
    if not holes:
        return []
    everybody: dict[Account, list[Connection]] = defaultdict(list)
    for session in among:
        everybody[session.account].append(session.connection)
    return [_finding(rule.bypass, hole, affected, everybody, names) for hole, affected in holes.items()]


def _finding(
    bypass: str,
    hole: Hole,
    affected: dict[Account, list[Connection]],
    everybody: dict[Account, list[Connection]],
    names: dict[Account, tuple[str, ...]],
) -> Finding:
    where = {connection for ones in affected.values() for connection in ones}
    elsewhere = {connection for account in affected for connection in everybody[account]} - where
    about = [name for account in affected for name in names[account]]
    in_all = sum(len(names[account]) for account in everybody)
    whom = "" if len(about) == in_all > 1 else ", ".join(about)
    why = hole.why or (_WAYS[bypass].way if bypass else "")
    return Finding(hole.status, bypass, whom, hole.what + _only(where, elsewhere), why, hole.mend, hole.line)


def _only(where: set[Connection], elsewhere: set[Connection]) -> str:
    """Say of which logins it is true, if not of all: by what those have in common that the others have not."""
    if not elsewhere:
        return ""
    parts = []
    by: tuple[tuple[str, Callable[[Connection], str]], ...] = (
        ("from", lambda one: one.address),
        ("from the host", lambda one: one.host),
        ("to", lambda one: one.local_address),
        ("at port", lambda one: str(one.local_port)),
        ("by the routing domain", lambda one: one.routing_domain or "of none"),
    )
    for label, value in by:
        here = {value(one) for one in where}
        if not here & {value(one) for one in elsewhere}:
            return f", for logins {label} {_some(here)}"
        parts.append(here)
    return f", for logins from {_some(parts[0])} and the like"


def _some(values: set[str]) -> str:
    shown = sorted(values)
    more = len(shown) - _MOST_NAMED
    return ", ".join(shown[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")

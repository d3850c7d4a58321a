"""How one comes to the gate: with which methods, and whether the gate learns which key it was (sshd_config(5))."""

from collections.abc import Iterator

from secsign_gate.doctor.finding import Status
from secsign_gate.doctor.gate_line import BY_KEY, is_for_keys
from secsign_gate.doctor.sshd.session import ROOT, Hole, Rule, Session

METHODS_LINE = "AuthenticationMethods publickey"
_PASSWORDS = frozenset({"password", "keyboard-interactive"})
_PROVE_NOTHING = _PASSWORDS | {"none"}  # to an account that has no password
_NO_PASSWORDS_FOR_ROOT = ("without-password", "prohibit-password")
_NOBODY_PROVES = frozenset({"hostbased"})  # the client's machine vouches for the user
_EXPOSE_LINE = "ExposeAuthInfo yes"


def _other_methods(session: Session) -> Iterator[Hole]:
    ways = [names for names in session.ways_in if "publickey" not in names]
    if session.account.uid == ROOT and session.effective.value("permitrootlogin") in _NO_PASSWORDS_FOR_ROOT:
        ways = [names for names in ways if not set(names) & _PASSWORDS]
    if not ways:
        return
    mend = f"{session.mend('AuthenticationMethods')}; who has no key is locked out by it"
    empty = any(set(names) <= _PROVE_NOTHING for names in ways) and session.effective.is_on("permitemptypasswords")
    vouched = [names for names in ways if set(names) == _NOBODY_PROVES]
    if empty:
        what = f"PermitEmptyPasswords yes{session.where('PermitEmptyPasswords')} lets in who has no password"
        yield Hole(Status.OPEN, what, session.mend("PermitEmptyPasswords"), f"PermitEmptyPasswords no\n{METHODS_LINE}")
    if vouched:
        what = "hostbased authentication leads to the gate, and the user proves nothing by it"
        yield Hole(Status.OPEN, what, mend, f"HostbasedAuthentication no\n{METHODS_LINE}")
    others = [names for names in ways if names not in vouched and not (empty and set(names) <= _PROVE_NOTHING)]
    if others:
        what = f"{' or '.join(' and '.join(names) for names in others)} leads to the gate without a key"
        yield Hole(Status.WEAK, what, mend, METHODS_LINE)


def _exposed(session: Session, what_is_lost: str) -> Iterator[Hole]:
    command = session.effective.value("forcecommand")
    if is_for_keys(command):
        what = (
            f"the gate is told by {BY_KEY}{session.where('ForceCommand')} that it is the command of a key, and is not"
        )
        line = f"ForceCommand {command.replace(f' {BY_KEY}', '')}"
        yield Hole(Status.OPEN, what, session.mend("ForceCommand"), line, f"{what_is_lost}, and it looks for none then")
    if not (session.gate or session.is_gated_by_keys) or session.effective.is_on("exposeauthinfo"):
        return
    accepted = session.accepts("SSH_USER_AUTH")
    where = f"ExposeAuthInfo is no{session.where('ExposeAuthInfo')}"
    if accepted is not None and "SSH_USER_AUTH" not in session.set_env:
        what = f"{where}, and AcceptEnv {accepted} lets the client name a key of its choice"
        yield Hole(Status.OPEN, what, session.mend("ExposeAuthInfo"), _EXPOSE_LINE)
    else:
        why = f"{what_is_lost}, so the gate refuses every login that it cannot look up"
        yield Hole(
            Status.BROKEN,
            f"{where}: the gate cannot learn who logs in",
            session.mend("ExposeAuthInfo"),
            _EXPOSE_LINE,
            why,
        )


def _restricted_key(session: Session) -> Iterator[Hole]:
    yield from _exposed(session, "a ForceCommand replaces the command of a key")


def _restricted_certificate(session: Session) -> Iterator[Hole]:
    yield from _exposed(session, "a ForceCommand replaces the command of a certificate")


RULES = (
    Rule("other-authentication-method", _other_methods, after_pam=True),
    Rule("restricted-key", _restricted_key),
    Rule("restricted-certificate", _restricted_certificate),
)

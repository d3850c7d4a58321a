"""How one comes to the gate: with which methods, and whether the gate learns which key it was (sshd_config(5))."""

from collections.abc import Iterator

from secsign_gate.doctor.finding import Status
from secsign_gate.doctor.sshd_session import Hole, Rule, Session

METHODS_LINE = "AuthenticationMethods publickey"
# Each method that may be enough by itself, by the setting that switches it on.
_METHODS = {
    "password": "passwordauthentication",
    "keyboard-interactive": "kbdinteractiveauthentication",
    "hostbased": "hostbasedauthentication",
    "gssapi-with-mic": "gssapiauthentication",
    "gssapi-keyex": "gssapikeyexchange",
}
_NOBODY_PROVES = ("hostbased",)  # the client's machine vouches for the user
_EXPOSE_LINE = "ExposeAuthInfo yes"


def methods_without_key(session: Session) -> list[str]:
    """Return the methods, or lists of them, that sshd takes as enough although none of them is a key."""
    effective = session.effective
    on = [method for method, setting in _METHODS.items() if effective.is_on(setting)]
    lists = effective.value("authenticationmethods").split()
    if not lists or lists == ["any"]:
        return on
    without = []
    for methods in lists:
        names = [method.partition(":")[0] for method in methods.split(",")]
        if "publickey" not in names and all(name in on for name in names):
            without.append(methods)
    return without


def _other_methods(session: Session) -> Iterator[Hole]:
    if session.account.uid == 0 and session.effective.value("permitrootlogin") in (
        "without-password",
        "prohibit-password",
    ):
        without = [one for one in methods_without_key(session) if one not in ("password", "keyboard-interactive")]
    else:
        without = methods_without_key(session)
    if not without:
        return
    mend = session.mend("AuthenticationMethods") + "; who has no key is locked out by it"
    empty = "password" in without and session.effective.is_on("permitemptypasswords")
    unproven = [method for method in without if method in _NOBODY_PROVES]
    if empty:
        what = f"PermitEmptyPasswords yes{session.where('PermitEmptyPasswords')} lets in who has no password"
        yield Hole(Status.OPEN, what, session.mend("PermitEmptyPasswords"), f"PermitEmptyPasswords no\n{METHODS_LINE}")
    if unproven:
        what = f"{', '.join(unproven)} leads to the gate, and the user proves nothing by it"
        yield Hole(Status.OPEN, what, mend, f"HostbasedAuthentication no\n{METHODS_LINE}")
    if not empty and not unproven:
        what = f"{' or '.join(without)} leads to the gate without a key"
        yield Hole(Status.WEAK, what, mend, METHODS_LINE)


def _exposed(session: Session, what_is_lost: str) -> Iterator[Hole]:
    if session.gate is None or session.effective.is_on("exposeauthinfo"):
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

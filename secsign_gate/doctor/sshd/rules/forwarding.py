"""Forwarding: a ForceCommand guards sessions, and none of these needs one (sshd_config(5), DisableForwarding)."""

from collections.abc import Iterator

from secsign_gate.doctor.finding import Status
from secsign_gate.doctor.sshd.session import NO_PROGRAM, Hole, Rule, Session

_OWN_SFTP = "internal-sftp"
_TCP, _SOCKETS = "AllowTcpForwarding", "AllowStreamLocalForwarding"
_NOT_LOCAL, _NOT_REMOTE = ("no", "remote"), ("no", "local")
_AGENTS_SINCE, _TUNNELS_SINCE = (10, 0), (10, 4)  # when DisableForwarding began to cover them


def _disabled(session: Session) -> bool:
    return session.effective.is_on("disableforwarding")


def _status(session: Session) -> Status:
    """Return how bad it is: the AuthorizedKeysCommand door's keys have `restrict`, which forbids all but tunnels."""
    return Status.WEAK if session.gate is None and session.is_gated_by_keys else Status.OPEN


def _allows(session: Session, keyword: str, unless: tuple[str, ...] = ("no",)) -> bool:
    """Tell whether sshd allows it; a setting that it does not print may be anything."""
    return session.effective.value(keyword) not in unless


def _sentence(session: Session, keyword: str) -> str:
    return f"{keyword} is {session.effective.value(keyword) or 'not told'}{session.where(keyword)}"


def _local(session: Session) -> Iterator[Hole]:
    opens = session.effective.value("permitopen")
    if not _disabled(session) and _allows(session, _TCP, _NOT_LOCAL) and opens != "none":
        only = "" if opens in ("", "any") else f", to {opens}"
        what = f"{_sentence(session, _TCP)}{only}"
        yield Hole(_status(session), what, session.mend(_TCP), "DisableForwarding yes\nAllowTcpForwarding no")


def _remote(session: Session) -> Iterator[Hole]:
    listens = session.effective.value("permitlisten")
    if not _disabled(session) and _allows(session, _TCP, _NOT_REMOTE) and listens != "none":
        ports = session.effective.value("gatewayports")
        anybody = f", and GatewayPorts {ports} lets everybody connect" if ports not in ("", "no") else ""
        lines = "DisableForwarding yes\nAllowTcpForwarding no\nPermitListen none\nGatewayPorts no"
        yield Hole(_status(session), f"{_sentence(session, _TCP)}{anybody}", session.mend(_TCP), lines)


def _sockets(session: Session, unless: tuple[str, ...], kept_shut_by: str) -> Iterator[Hole]:
    """Judge sockets. sshd lets none through in a direction in which it lets no port through (9.2 to 10.5)."""
    if _disabled(session) or not _allows(session, _SOCKETS, unless):
        return
    lines = "DisableForwarding yes\nAllowStreamLocalForwarding no"
    if kept_shut_by:
        what = f"{_sentence(session, _SOCKETS)}, and only {kept_shut_by}, which is about ports, keeps it shut"
        yield Hole(Status.WEAK, what, session.mend(_SOCKETS), lines)
    else:
        yield Hole(_status(session), _sentence(session, _SOCKETS), session.mend(_SOCKETS), lines)


def _local_sockets(session: Session) -> Iterator[Hole]:
    shut = "" if _allows(session, _TCP, _NOT_LOCAL) else f"AllowTcpForwarding {session.effective.value(_TCP)}"
    shut = shut or ("PermitOpen none" if session.effective.value("permitopen") == "none" else "")
    yield from _sockets(session, _NOT_LOCAL, shut)


def _remote_sockets(session: Session) -> Iterator[Hole]:
    shut = "" if _allows(session, _TCP, _NOT_REMOTE) else f"AllowTcpForwarding {session.effective.value(_TCP)}"
    yield from _sockets(session, _NOT_REMOTE, shut)


def _tunnel(session: Session) -> Iterator[Hole]:
    kept_shut = _disabled(session) and not session.host.version.before(*_TUNNELS_SINCE)
    if _allows(session, "PermitTunnel") and not kept_shut:
        # Also with the keys of the AuthorizedKeysCommand door: their `restrict` says nothing about tunnels (sshd(8)).
        yield Hole(Status.OPEN, _sentence(session, "PermitTunnel"), session.mend("PermitTunnel"), "PermitTunnel no")


def _x11(session: Session) -> Iterator[Hole]:
    keyword = "X11Forwarding"
    if _allows(session, keyword) and not _disabled(session):
        yield Hole(_status(session), _sentence(session, keyword), session.mend(keyword), "X11Forwarding no")


def _agent(session: Session) -> Iterator[Hole]:
    keyword = "AllowAgentForwarding"
    if _allows(session, keyword) and not _disabled(session):
        yield Hole(_status(session), _sentence(session, keyword), session.mend(keyword), "AllowAgentForwarding no")


def _disable_forwarding_alone(session: Session) -> Iterator[Hole]:
    if not _disabled(session):
        return
    effective, version = session.effective, session.host.version
    forgotten = []
    if version.before(*_AGENTS_SINCE):
        forgotten += [name for name in ("X11Forwarding", "AllowAgentForwarding") if _allows(session, name)]
    if version.before(*_TUNNELS_SINCE) and _allows(session, "PermitTunnel"):
        forgotten.append("PermitTunnel")
    if forgotten:
        values = " and ".join(f"{name} {effective.value(name)}" for name in forgotten)
        what = (
            f"DisableForwarding yes is all that stands against {values}, and OpenSSH {version.major}.{version.minor} "
        )
        what += "does not mean those by it, unless the distribution has mended it"
        status = Status.OPEN if "PermitTunnel" in forgotten else _status(session)
        yield Hole(status, what, session.mend(forgotten[0]), "\n".join(f"{name} no" for name in forgotten))


def _without_shell(session: Session) -> Iterator[Hole]:
    """Judge an account whose login shell runs nothing, whether the gate is before it or not."""
    if not session.has_key and not session.takes_keys_elsewhere:
        return
    status, who = Status.OPEN, ""
    if not session.has_key:
        status, who = Status.WEAK, ", for whom a certificate or the AuthorizedKeysCommand lets in by this name"
    shut = f"the login shell {session.account.shell} runs nothing"
    mend = "let the gate's Match apply to the account as well, or take its keys and its password away"
    if not session.is_gated and _has_own_sftp(session):
        what = f"{shut}, but internal-sftp needs none: files go in and out{who}"
        yield Hole(status, what, mend, "Subsystem sftp /usr/lib/openssh/sftp-server")
    ways = (_local, _remote, _local_sockets, _remote_sockets, _tunnel)
    holes = [hole for way in ways for hole in way(session) if hole.status is Status.OPEN]
    if holes:
        what = f"{shut}, but forwarding needs none: {holes[0].what}{who}"
        lines = "DisableForwarding yes\nAllowTcpForwarding no\nAllowStreamLocalForwarding no\nPermitTunnel no"
        yield Hole(status, what, mend, lines)


def _has_own_sftp(session: Session) -> bool:
    """Tell whether sshd serves files itself: it starts no shell for that (session.c, do_child)."""
    forced = session.effective.value("forcecommand")
    if forced not in ("", NO_PROGRAM):
        return forced.split()[:1] == [_OWN_SFTP]
    commands = (value.partition(" ")[2].split() for value in session.effective.values("subsystem"))
    return any(words[:1] == [_OWN_SFTP] for words in commands)


RULES = (
    Rule("local-forwarding", _local),
    Rule("stdio-forwarding", _local),
    Rule("dynamic-forwarding", _local),
    Rule("remote-forwarding", _remote),
    Rule("local-socket-forwarding", _local_sockets),
    Rule("remote-socket-forwarding", _remote_sockets),
    Rule("tunnel", _tunnel),
    Rule("x11-forwarding", _x11),
    Rule("agent-forwarding", _agent),
    Rule("disable-forwarding-alone", _disable_forwarding_alone),
    Rule("ungated-account", _without_shell, no_shell=True),
)

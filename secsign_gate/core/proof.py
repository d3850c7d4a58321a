"""Which SSH connection a process belongs to, judged by what the kernel says of its ancestors.

A door's environment is the user's ground. Not his are the processes between him and the listener: sshd keeps one that
runs as root for as long as the connection lasts, and its process id and start time name the connection on this host.

    OpenSSH 9.2             listener (root) ─ sshd: alice [priv] (root) ─ sshd: alice@… (alice) ─ door
    OpenSSH 9.2, root       listener (root) ─ sshd: root@… (root) ─ door
    OpenSSH 9.8 and newer   listener (root) ─ sshd-session: … [priv] (root) ─ sshd-session: … (the account) ─ door
    PAM, account phase      listener (root) ─ sshd: alice [priv] (root) ─ door (root)
    PAM, auth phase         listener (root) ─ sshd: alice [priv] (root) ─ sshd: alice [pam] (root) ─ door (root)

Titles and names say nothing: anybody may run an sshd of his own, and call a program so. What counts is who owns the
process, which file the kernel started it from, and that it holds the one TCP connection.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from secsign_gate.core.ancestry import (
    ROOT,
    Facts,
    Lineage,
    Process,
    SshdProcess,
    TcpConnection,
    TcpSockets,
    UnprovenError,
)
from secsign_gate.core.login import IpAddress, SshConnection

SSHD_EXECUTABLES = ("/usr/sbin/sshd", "/usr/lib/openssh/sshd-session")
_DELETED = " (deleted)"  # proc_pid_exe(5): the file is gone or was replaced, as by an upgrade
_MAX_SHOWN = 100


class Proof(NamedTuple):
    """What the kernel vouches for. A link-local address is without its scope (`fe80::1`), as in /proc/net/tcp6."""

    sshd: SshdProcess
    connection: SshConnection


def prove(
    uid: int,
    chain: Sequence[Process],
    sockets: Mapping[int, TcpSockets],
    sshd_executables: Sequence[str] = SSHD_EXECUTABLES,
) -> Proof:
    """Return the SSH connection that a process of `uid` belongs to, which is the same for all channels of one.

    `chain` is that process, its parent and so on, at least as far as the root-owned sshd. `sockets` are those of the
    root-owned ones among them, by pid. `sshd_executables` are the files that sshd may run from. Raises UnprovenError.
    """
    _check_links(chain)
    peer = chain[0]
    if (peer.uid, peer.effective_uid) != (uid, uid):
        raise UnprovenError(f"process {peer.pid} does not run as uid {uid}, which opened the stream")
    if uid == ROOT:
        place = _roots_sshd(chain, sshd_executables)
        connection = _the_connection(chain[place], sockets)
        # Since 9.8 root's sshd is two processes, too. The outer one lasts as long as the connection, for every channel.
        while chain[place + 1 :] and _holds_it_too(chain[place + 1], connection, sockets, sshd_executables):
            place += 1
    else:
        place = _users_way_out(uid, chain, sshd_executables)
        connection = _the_connection(chain[place], sockets)
    sshd = chain[place]
    return Proof(SshdProcess(sshd.pid, sshd.start_time), _as_sshd_says_it(connection))


def prove_for_pam(facts: Facts, sshd_executables: Sequence[str] = SSHD_EXECUTABLES) -> Proof:
    """Return the SSH connection for which sshd's PAM has started the process that `facts` are about.

    pam_exec(8) forks from the sshd that is asked, so the parent is a root-owned sshd, and nothing stands in between.
    Raises UnprovenError.
    """
    if len(facts.chain) > 1 and not _is_roots(facts.chain[1], sshd_executables):
        raise UnprovenError(f"{_named(facts.chain[1])} started this, which is not root's sshd")
    return prove(ROOT, facts.chain, facts.sockets, sshd_executables)


def is_connected(proof: Proof, facts: Facts) -> bool:
    """Tell whether the client of `proof` was there when `facts` were read, which are of a process of its connection.

    sshd waits for PAM and reads nothing meanwhile, so it is the last to know; the kernel knows when the client's end is
    closed. Where the sshd is none of the ancestors any more, it has ended, and the process is an orphan.
    """
    if not any((process.pid, process.start_time) == proof.sshd for process in facts.chain):
        return False
    held = facts.sockets.get(proof.sshd.pid)
    return held is not None and any(_as_sshd_says_it(one) == proof.connection for one in held.established)


class Known(NamedTuple):
    """A proof for `uid`, and the parent of its door, by which it can be recognised: root's sshd, or a child of that."""

    uid: int
    parent: Lineage
    executables: tuple[str, ...]
    proof: Proof


def known_by(chain: Sequence[Process], executables: tuple[str, ...], proof: Proof) -> Known | None:
    """Return by what a further door of the connection that was just proven for `chain[0]` is recognised.

    None unless its parent is that sshd or sshd's child, as that of every door is which sshd started.
    """
    for place in (1, 2):
        if place < len(chain) and chain[place].pid == proof.sshd.pid and _is_sshd(chain[1], executables):
            parent = Lineage(chain[1].pid, chain[1].parent, chain[1].start_time)
            return Known(chain[0].uid, parent, executables, proof)
    return None


def recognised(uid: int, door: Lineage, parent: Lineage, known: Known) -> bool:
    """Tell whether the proof in `known` holds for `door` as well, whose effective uid was `uid` when it connected.

    `parent` is what is there now under the number of the known one, read after `door`. It is the same process (a number
    that has passed on has another start time) and has the same parent, which therefore lives: the kernel gives the
    children of a process that ends to another one at once. So this door is where the proven one was, and nothing can
    have changed what was proven. The uid is the one of the proof: what a session has become by sudo is nobody's login.
    """
    return (
        uid == known.uid
        and door.parent == parent.pid
        and door.start_time >= parent.start_time
        and parent == known.parent
    )


def _check_links(chain: Sequence[Process]) -> None:
    """Refuse a chain that is none: a parent that is younger than its child has only inherited a process id."""
    if not chain:
        raise UnprovenError("nothing is known of the process that opened the stream")
    for child, parent in pairwise(chain):
        if child.parent != parent.pid or child.start_time < parent.start_time:
            raise UnprovenError(f"process {parent.pid} is not the parent of process {child.pid}")
    if len({process.pid for process in chain}) != len(chain):
        raise UnprovenError(f"process {chain[0].pid} has an ancestor twice")


def _users_way_out(uid: int, chain: Sequence[Process], sshd_executables: Sequence[str]) -> int:
    """Return where in `chain` the root-owned sshd is of a process that is not root's."""
    for place, process in enumerate(chain):
        if (process.uid, process.effective_uid) == (uid, uid):
            continue
        if not _is_roots(process, sshd_executables):
            raise UnprovenError(f"{_named(process)} stands between uid {uid} and sshd")
        # What sshd runs before a login, an AuthorizedKeysCommand for example, may have the account's uid as well.
        if not _is_sshd(chain[place - 1], sshd_executables):
            raise UnprovenError(f"{_named(chain[place - 1])} was started by sshd, but not for a session")
        return place
    raise UnprovenError(f"no ancestor of process {chain[0].pid} is root's sshd")


def _roots_sshd(chain: Sequence[Process], sshd_executables: Sequence[str]) -> int:
    """Return where in `chain` the innermost sshd is of a process that is root's."""
    for place, process in enumerate(chain[1:], start=1):
        if (process.uid, process.effective_uid) != (ROOT, ROOT):
            raise UnprovenError(f"{_named(process)} stands between root and sshd")
        if _is_sshd(process, sshd_executables):
            return place
    raise UnprovenError(f"no ancestor of process {chain[0].pid} is sshd")


def _the_connection(sshd: Process, sockets: Mapping[int, TcpSockets]) -> TcpConnection:
    """Return the one connection that `sshd` is there for. The listener has none, or that of somebody who just came."""
    held = sockets.get(sshd.pid)
    if held is None or len(held.established) != 1:
        raise UnprovenError(f"sshd, process {sshd.pid}, does not hold exactly one TCP connection")
    if held.listens:
        raise UnprovenError(f"sshd, process {sshd.pid}, listens, so it is not there for one connection")
    return held.established[0]


def _holds_it_too(
    process: Process, connection: TcpConnection, sockets: Mapping[int, TcpSockets], sshd_executables: Sequence[str]
) -> bool:
    """Tell whether `process` is there for the same connection. The listener may hold it, but only for a moment."""
    return _is_roots(process, sshd_executables) and sockets.get(process.pid) == TcpSockets((connection,), listens=False)


def _is_roots(process: Process, sshd_executables: Sequence[str]) -> bool:
    return (process.uid, process.effective_uid) == (ROOT, ROOT) and _is_sshd(process, sshd_executables)


def _is_sshd(process: Process, sshd_executables: Sequence[str]) -> bool:
    """Only root can have put a file where sshd is, and only root can have removed it again."""
    return process.executable != "" and process.executable.removesuffix(_DELETED) in sshd_executables


def _named(process: Process) -> str:
    """Return words for a process. The path is of foreign origin."""
    return f"process {process.pid} of uid {process.uid} ({process.executable[:_MAX_SHOWN]!a})"


def _as_sshd_says_it(connection: TcpConnection) -> SshConnection:
    return SshConnection(
        _unmapped(connection.remote_address),
        connection.remote_port,
        _unmapped(connection.local_address),
        connection.local_port,
    )


def _unmapped(address: IpAddress) -> IpAddress:
    """Return an IPv4 address for an IPv4-mapped one, as sshd does in SSH_CONNECTION (canohost.c)."""
    mapped = address.ipv4_mapped if address.version == 6 else None  # noqa: PLR2004 - the IP version
    return mapped or address

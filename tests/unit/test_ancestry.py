"""What proves an SSH connection: each layout that sshd has, and each forgery, by value."""

from __future__ import annotations

from ipaddress import ip_address
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from secsign_gate.core.ancestry import Process, SshdProcess, TcpConnection, TcpSockets, UnprovenError
from secsign_gate.core.login import SshConnection
from secsign_gate.core.proof import SSHD_EXECUTABLES, Proof, prove

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ALICE, BOB, ROOT = 2001, 2002, 0
SSHD, SESSION = SSHD_EXECUTABLES
BASH, PYTHON, SU, SYSTEMD = "/usr/bin/bash", "/usr/bin/python3.11", "/usr/bin/su", "/usr/lib/systemd/systemd"
INIT = (ROOT, SYSTEMD)
LISTENER = (ROOT, SSHD)

HERS = TcpConnection(ip_address("192.0.2.2"), 22, ip_address("192.0.2.1"), 50022)
OTHERS = TcpConnection(ip_address("192.0.2.2"), 22, ip_address("192.0.2.9"), 40000)
PROVEN = SshConnection(ip_address("192.0.2.1"), 50022, ip_address("192.0.2.2"), 22)
NONE = TcpSockets((), listens=False)
ONE = TcpSockets((HERS,), listens=False)
LISTENING = TcpSockets((), listens=True)


Row = tuple[int, str] | tuple[int, int, str]  # (uid, executable) or (uid, effective uid, executable)


def chain(*rows: Row) -> tuple[Process, ...]:
    """Processes from the door outwards.

    The outermost has pid 1, the next one pid 2 and so on; each is ten ticks older than its child.
    """
    numbered = zip(range(len(rows), 0, -1), rows, strict=True)
    return tuple(Process(pid, pid - 1, 10 * pid, row[0], row[-2], row[-1]) for pid, row in numbered)


# What sshd is, by layout: its processes from the door outwards, the sockets of root's by place, and the proven place.
LAYOUTS: dict[str, tuple[int, list[Row], dict[int, TcpSockets], int]] = {
    "9.2": (ALICE, [(ALICE, PYTHON), (ALICE, SSHD), (ROOT, SSHD), LISTENER, INIT], {2: ONE, 3: LISTENING}, 2),
    "9.2 and a shell that stays": (
        ALICE,
        [(ALICE, PYTHON), (ALICE, "/usr/bin/fish"), (ALICE, SSHD), (ROOT, SSHD), LISTENER, INIT],
        {3: ONE, 4: LISTENING},
        3,
    ),
    "9.2 read no further than necessary": (ALICE, [(ALICE, PYTHON), (ALICE, SSHD), (ROOT, SSHD)], {2: ONE}, 2),
    "9.2 root": (ROOT, [(ROOT, PYTHON), (ROOT, SSHD), LISTENER, INIT], {1: ONE, 2: LISTENING, 3: LISTENING}, 1),
    "9.8": (ALICE, [(ALICE, PYTHON), (ALICE, SESSION), (ROOT, SESSION), LISTENER, INIT], {2: ONE, 3: LISTENING}, 2),
    "9.8 root": (
        ROOT,
        [(ROOT, PYTHON), (ROOT, SESSION), (ROOT, SESSION), LISTENER, INIT],
        {1: ONE, 2: ONE, 3: LISTENING},
        2,
    ),
    "inetd": (ALICE, [(ALICE, PYTHON), (ALICE, SSHD), (ROOT, SSHD), INIT], {2: ONE}, 2),
    "inetd root": (ROOT, [(ROOT, PYTHON), (ROOT, SSHD), INIT], {1: ONE}, 1),
    "root by su to root": (
        ROOT,
        [(ROOT, PYTHON), (ROOT, SU), (ROOT, BASH), (ROOT, SSHD), LISTENER, INIT],
        {1: NONE, 2: NONE, 3: ONE, 4: LISTENING},
        3,
    ),
    "upgraded under the connection": (
        ALICE,
        [(ALICE, PYTHON), (ALICE, f"{SSHD} (deleted)"), (ROOT, f"{SSHD} (deleted)"), LISTENER, INIT],
        {2: ONE, 3: LISTENING},
        2,
    ),
    "another one just came to the listener": (
        ROOT,
        [(ROOT, PYTHON), (ROOT, SSHD), LISTENER, INIT],
        {1: ONE, 2: TcpSockets((OTHERS,), listens=True)},
        1,
    ),
    "the listener has not let go yet": (
        ROOT,
        [(ROOT, PYTHON), (ROOT, SSHD), LISTENER, INIT],
        {1: ONE, 2: TcpSockets((HERS,), listens=True)},
        1,
    ),
}


def sockets_of(processes: Sequence[Process], by_place: Mapping[int, TcpSockets]) -> dict[int, TcpSockets]:
    return {processes[place].pid: held for place, held in by_place.items()}


@pytest.mark.parametrize("name", LAYOUTS)
def test_each_layout_proves_its_connection(name: str) -> None:
    uid, rows, by_place, place = LAYOUTS[name]
    processes = chain(*rows)
    proof = prove(uid, processes, sockets_of(processes, by_place))
    assert proof.sshd == SshdProcess(processes[place].pid, processes[place].start_time)
    assert proof.connection == PROVEN


# Everything that is said of processes and sockets, and a word of the sentence in which it is refused.
FORGERIES: dict[str, tuple[int, list[Row], dict[int, TcpSockets], str]] = {
    "a user's own sshd": (ALICE, [(ALICE, PYTHON), (ALICE, SSHD), (ALICE, SSHD), (ALICE, SSHD), INIT], {}, "between"),
    "a user's own sshd, and root is only real": (
        ALICE, [(ALICE, PYTHON), (ALICE, SSHD), (ROOT, ALICE, SSHD), INIT], {2: ONE}, "between"),
    "a user's own sshd, and root is only effective": (
        ALICE, [(ALICE, PYTHON), (ALICE, SSHD), (ALICE, ROOT, SSHD), INIT], {2: ONE}, "between"),
    "su or sudo": (ALICE, [(ALICE, PYTHON), (ROOT, SU), (ROOT, BASH), (ROOT, SSHD), LISTENER], {3: ONE}, "between"),
    "su from another account": (
        BOB, [(BOB, PYTHON), (ALICE, ROOT, SU), (ALICE, BASH), (ALICE, SSHD), (ROOT, SSHD)], {4: ONE}, "between"),
    "sudo to root": (ROOT, [(ROOT, PYTHON), (ROOT, SU), (ALICE, BASH), (ALICE, SSHD), (ROOT, SSHD)], {4: ONE},
                     "between"),
    "a set-user-ID program": (ALICE, [(ALICE, ROOT, "/usr/bin/mount"), (ALICE, SSHD), (ROOT, SSHD)], {2: ONE}, "uid"),
    "another uid than the stream's": (BOB, [(ALICE, PYTHON), (ALICE, SSHD), (ROOT, SSHD)], {2: ONE}, "uid"),
    "root's stream, a user's process": (ROOT, [(ALICE, PYTHON), (ALICE, SSHD), (ROOT, SSHD)], {2: ONE}, "uid"),
    "reparented": (ALICE, [(ALICE, PYTHON), INIT], {}, "between"),
    "reparented to the user's systemd": (ALICE, [(ALICE, PYTHON), (ALICE, SYSTEMD), INIT], {}, "between"),
    "cron": (ALICE, [(ALICE, PYTHON), (ALICE, BASH), (ROOT, "/usr/sbin/cron"), INIT], {}, "between"),
    "root's cron": (ROOT, [(ROOT, PYTHON), (ROOT, "/usr/sbin/cron"), INIT], {1: NONE}, "no ancestor"),
    "alone": (ALICE, [(ALICE, PYTHON)], {}, "no ancestor"),
    "alone as root": (ROOT, [(ROOT, SSHD)], {}, "no ancestor"),
    "too deep to be read": (ALICE, [(ALICE, BASH)] * 32, {}, "no ancestor"),
    "a program that is called sshd": (
        ALICE, [(ALICE, PYTHON), (ALICE, "/tmp/sshd"), (ROOT, "/tmp/sshd"), INIT], {2: ONE}, "between"),
    "a program that seems deleted": (
        ALICE, [(ALICE, PYTHON), (ALICE, SSHD), (ROOT, "/tmp/sshd (deleted)"), INIT], {2: ONE}, "between"),
    "deleted twice": (
        ALICE, [(ALICE, PYTHON), (ALICE, SSHD), (ROOT, f"{SSHD} (deleted) (deleted)")], {2: ONE}, "between"),
    "a program that is not known": (ALICE, [(ALICE, PYTHON), (ALICE, SSHD), (ROOT, "")], {2: ONE}, "between"),
    "an AuthorizedKeysCommand": (ALICE, [(ALICE, PYTHON), (ROOT, SSHD), LISTENER], {1: ONE}, "not for a session"),
    "an AuthorizedKeysCommand's child": (
        ALICE, [(ALICE, PYTHON), (ALICE, BASH), (ROOT, SSHD), LISTENER], {2: ONE}, "not for a session"),
    "straight from the listener": (ALICE, [(ALICE, PYTHON), (ALICE, SSHD), LISTENER, INIT], {2: LISTENING}, "exactly"),
    "straight from the listener as one comes": (
        ALICE, [(ALICE, PYTHON), (ALICE, SSHD), LISTENER], {2: TcpSockets((HERS,), listens=True)}, "listens"),
    "root from the listener as one comes": (
        ROOT, [(ROOT, PYTHON), LISTENER, INIT], {1: TcpSockets((HERS,), listens=True)}, "listens"),
    "no connection": (ALICE, [(ALICE, PYTHON), (ALICE, SSHD), (ROOT, SSHD)], {2: NONE}, "exactly"),
    "nothing known of its sockets": (ALICE, [(ALICE, PYTHON), (ALICE, SSHD), (ROOT, SSHD)], {}, "exactly"),
    "two connections": (
        ALICE, [(ALICE, PYTHON), (ALICE, SSHD), (ROOT, SSHD)],
        {2: TcpSockets((HERS, OTHERS), listens=False)}, "exactly"),
    "the inner sshd holds none": (
        ROOT, [(ROOT, PYTHON), (ROOT, SSHD), (ROOT, BASH), (ROOT, SSHD), LISTENER], {1: NONE, 3: ONE}, "exactly"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGERIES)
def test_no_forgery_proves_anything(name: str) -> None:
    uid, rows, by_place, word = FORGERIES[name]
    processes = chain(*rows)
    with pytest.raises(UnprovenError, match=word):
        prove(uid, processes, sockets_of(processes, by_place))


def test_an_outer_sshd_with_another_connection_is_another_login() -> None:
    """Who logs in again from within a session, through `sshd -i` for example, is not in the outer connection."""
    processes = chain((ROOT, PYTHON), (ROOT, SSHD), (ROOT, SSHD), LISTENER)
    outer = TcpSockets((OTHERS,), listens=False)
    proof = prove(ROOT, processes, sockets_of(processes, {1: ONE, 2: outer, 3: LISTENING}))
    assert (proof.sshd.pid, proof.connection) == (processes[1].pid, PROVEN)


def test_nothing_is_proven_of_nobody() -> None:
    with pytest.raises(UnprovenError):
        prove(ALICE, (), {})


@pytest.mark.parametrize("broken", range(1, 5))
@pytest.mark.parametrize(
    "otherwise",
    [lambda process: process._replace(pid=77), lambda process: process._replace(start_time=10**6)],
    ids=["pid", "start_time"],
)
def test_a_link_that_does_not_hold_breaks_the_chain(broken: int, otherwise: Callable[[Process], Process]) -> None:
    """A parent that is younger than its child is another process, to which the number passed on."""
    processes = list(chain((ALICE, PYTHON), (ALICE, SSHD), (ROOT, SSHD), LISTENER, INIT))
    processes[broken] = otherwise(processes[broken])
    with pytest.raises(UnprovenError, match="is not the parent"):
        prove(ALICE, processes, {3: ONE, processes[2].pid: ONE})


def test_only_the_configured_programs_are_sshd() -> None:
    processes = chain((ALICE, PYTHON), (ALICE, "/opt/sshd"), (ROOT, "/opt/sshd"))
    assert prove(ALICE, processes, {1: ONE}, ("/opt/sshd",)).connection == PROVEN
    with pytest.raises(UnprovenError):
        prove(ALICE, processes, {1: ONE})
    with pytest.raises(UnprovenError):
        prove(ALICE, processes, {1: ONE}, ())


def test_an_empty_path_among_them_does_not_make_the_unknown_sshd() -> None:
    processes = chain((ALICE, PYTHON), (ALICE, ""), (ROOT, ""))
    with pytest.raises(UnprovenError):
        prove(ALICE, processes, {1: ONE}, ("",))


@pytest.mark.parametrize(
    ("told", "named"), [("::ffff:192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::1"), ("fe80::1", "fe80::1")]
)
def test_addresses_are_named_as_sshd_names_them(told: str, named: str) -> None:
    processes = chain((ALICE, PYTHON), (ALICE, SSHD), (ROOT, SSHD))
    held = TcpSockets((HERS._replace(remote_address=ip_address(told), local_address=ip_address(told)),), listens=False)
    connection = prove(ALICE, processes, {1: held}).connection
    assert connection.client_address == connection.server_address == ip_address(named)


def test_what_is_said_of_a_program_is_printable() -> None:
    processes = chain((ALICE, PYTHON), (ROOT, "/tmp/\x1b[2J\n\udcff" + "x" * 5000))
    with pytest.raises(UnprovenError) as raised:
        prove(ALICE, processes, {})
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 250


pids, start_times = st.integers(0, 6), st.integers(0, 70)
uids = st.sampled_from([ALICE, BOB, ROOT])
executables = st.sampled_from([SSHD, SESSION, f"{SSHD} (deleted)", BASH, SU, "", "/tmp/sshd"])
held_sockets = st.builds(TcpSockets, st.lists(st.sampled_from([HERS, OTHERS]), max_size=2).map(tuple), st.booleans())

Case = tuple[int, list[Process], dict[int, TcpSockets]]  # the uid, the chain and the sockets by pid


def nearly(process: Process) -> st.SearchStrategy[Process]:
    """`process`, of which one thing is otherwise."""
    return st.one_of(
        pids.map(lambda pid: process._replace(pid=pid)),
        pids.map(lambda pid: process._replace(parent=pid)),
        start_times.map(lambda ticks: process._replace(start_time=ticks)),
        uids.map(lambda uid: process._replace(uid=uid)),
        uids.map(lambda uid: process._replace(effective_uid=uid)),
        executables.map(lambda path: process._replace(executable=path)),
    )


@st.composite
def nearly_layouts(draw: st.DrawFn) -> Case:
    """A layout in which some things are otherwise, or fewer, or none: uid, chain and sockets."""
    uid, rows, by_place, _ = draw(st.sampled_from(list(LAYOUTS.values())))
    processes = list(chain(*rows))
    sockets = sockets_of(processes, by_place)
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(processes) - 1))
        processes[place] = draw(nearly(processes[place]))
    if draw(st.integers(0, 3)) == 0:
        sockets[draw(st.integers(0, 6))] = draw(held_sockets)
    if draw(st.integers(0, 5)) == 0:
        del processes[draw(st.integers(0, len(processes) - 1))]
    return draw(uids) if draw(st.integers(0, 5)) == 0 else uid, processes, sockets


@given(nearly_layouts())
def test_a_proof_only_if_roots_sshd_holds_the_one_connection(case: Case) -> None:
    uid, processes, sockets = case
    try:
        proof = prove(uid, processes, sockets)
    except UnprovenError:
        return
    event("proven")
    place = next(i for i, one in enumerate(processes) if one.pid == proof.sshd.pid)
    sshd, inside = processes[place], processes[:place]
    assert proof.sshd.start_time == sshd.start_time
    assert (sshd.uid, sshd.effective_uid) == (ROOT, ROOT)
    assert sshd.executable.removesuffix(" (deleted)") in SSHD_EXECUTABLES
    assert len(sockets[sshd.pid].established) == 1
    assert not sockets[sshd.pid].listens
    assert proof.connection[:2] == sockets[sshd.pid].established[0][2:]
    assert inside
    assert all((one.uid, one.effective_uid) == (uid, uid) for one in inside)
    assert all(child.parent == parent.pid for child, parent in pairwise(processes[: place + 1]))
    assert all(child.start_time >= parent.start_time for child, parent in pairwise(processes[: place + 1]))


@given(st.integers(1, 4), executables, held_sockets)
def test_channels_of_one_connection_prove_the_same(shells: int, executable: str, outside: TcpSockets) -> None:
    """However many processes stand between door and sshd, and whatever is outside."""
    identities: set[Proof | None] = set()
    for between in (0, shells):
        rows = [(ROOT, PYTHON)] + [(ROOT, BASH)] * between + [(ROOT, SESSION), (ROOT, SESSION), (ROOT, executable)]
        processes = chain(*rows)
        try:
            proof = prove(ROOT, processes, {3: ONE, 2: ONE, 1: outside._replace(listens=True)})
        except UnprovenError:
            identities.add(None)
        else:
            identities.add(proof)
    assert len(identities) == 1

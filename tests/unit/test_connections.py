"""SSH connections that are known: each until its sshd ends, however soon that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from secsign_gate.broker.connections import Connections
from secsign_gate.core.ancestry import SshdProcess

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST, SECOND = SshdProcess(10, 1), SshdProcess(10, 2)  # a process id that was used again
ALICE, BOB = 2001, 2002


class Watched:
    """Watches nothing by itself: the test says when a process ends. One in `ended_already` has before it is watched."""

    def __init__(self) -> None:
        self.watched: dict[SshdProcess, Callable[[], None]] = {}
        self.stopped: list[SshdProcess] = []
        self.ended_already: set[SshdProcess] = set()

    def __call__(self, sshd: SshdProcess, ended: Callable[[], None]) -> Callable[[], None]:
        if sshd in self.ended_already:
            ended()
        else:
            self.watched[sshd] = ended
        return lambda: self.stopped.append(sshd)


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.fixture
def told() -> list[SshdProcess]:
    return []


@pytest.fixture
def connections(watched: Watched, told: list[SshdProcess]) -> Connections:
    return Connections(watched, told.append)


def test_a_connection_is_known_once_and_watched_once(connections: Connections, watched: Watched) -> None:
    known = connections.of(FIRST, ALICE)
    assert connections.of(FIRST, ALICE) is known
    assert connections.of(SECOND, ALICE) is not known
    assert list(watched.watched) == [FIRST, SECOND]
    assert len(connections) == 2


def test_what_is_known_of_one_uid_is_not_known_of_another(connections: Connections) -> None:
    assert connections.of(FIRST, ALICE) is not connections.of(FIRST, BOB)
    assert len(connections) == 1


def test_its_end_is_told_and_what_was_known_is_forgotten(
    connections: Connections, watched: Watched, told: list[SshdProcess]
) -> None:
    known = connections.of(FIRST, ALICE)
    connections.of(SECOND, ALICE)
    watched.watched[FIRST]()
    assert told == [FIRST]
    assert len(connections) == 1
    assert connections.of(FIRST, ALICE) is not known


def test_one_that_had_ended_is_told_at_once_and_not_kept(
    connections: Connections, watched: Watched, told: list[SshdProcess]
) -> None:
    watched.ended_already.add(FIRST)
    connections.of(FIRST, ALICE)
    assert told == [FIRST]
    assert len(connections) == 0
    assert watched.stopped == [FIRST]


def test_close_watches_nothing_any_more(connections: Connections, watched: Watched, told: list[SshdProcess]) -> None:
    connections.of(FIRST, ALICE)
    connections.of(SECOND, ALICE)
    connections.close()
    assert watched.stopped == [FIRST, SECOND]
    assert len(connections) == 0
    assert told == []


def test_the_keys_of_a_connection_are_those_of_its_first_session(connections: Connections) -> None:
    known = connections.of(FIRST, ALICE)
    assert known.logged_in_by(b"publickey 1")
    assert not known.logged_in_by(b"publickey 2")
    assert not known.logged_in_by(b"")
    assert known.logged_in_by(b"publickey 1")
    assert connections.of(SECOND, ALICE).logged_in_by(b"publickey 2")


def test_a_long_claim_is_not_kept(connections: Connections) -> None:
    known = connections.of(FIRST, ALICE)
    assert known.logged_in_by(b"x" * 100_000)
    assert len(known._auth_info) < 100

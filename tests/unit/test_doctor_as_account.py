"""What is tried as another account leaves nothing of that account behind, also when it cannot be begun."""

import os

import pytest

from secsign_gate.doctor.as_account import acting_as

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as others")
_DAEMON, _NO_UID = 1, -1  # seteuid(2) does not take the latter


def who() -> tuple[int, int, list[int]]:
    return os.geteuid(), os.getegid(), os.getgroups()


def test_root_is_root_again() -> None:
    before = who()
    with acting_as("daemon", _DAEMON, _DAEMON):
        assert who()[:2] == (_DAEMON, _DAEMON)
    assert who() == before


def test_root_is_root_again_where_the_last_step_fails() -> None:
    before = who()
    with pytest.raises(OSError, match="Invalid argument"), acting_as("daemon", _NO_UID, _DAEMON):
        pass
    try:
        assert who() == before
    finally:  # for the other tests
        os.setegid(before[1])
        os.setgroups(before[2])

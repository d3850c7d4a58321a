"""What probe --plant puts into a home is taken away again, and all that was there is as it was; killed or not."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from gate import fresh_homes

from secsign_gate.probe.fault import ProbeError
from secsign_gate.probe.plant import HEADER, JOURNAL, planted, put_back

if TYPE_CHECKING:
    from collections.abc import Iterator

HOME = Path("/home/alice")
LONG_AGO = 1_000_000_000_123_456_789  # nanoseconds
OURS = f"{HEADER}\necho ours\n"
FILES = dict.fromkeys((".bashrc", ".config/fish/config.fish", ".ssh/rc"), OURS)


@pytest.fixture(autouse=True)
def home() -> Iterator[None]:
    """A home with files of every kind: hers, root's, a link, and one that nobody may read."""
    fresh_homes()
    (HOME / ".ssh").mkdir(mode=0o750)
    (HOME / ".ssh/rc").write_bytes(b"\xff\0 her own\n")
    (HOME / ".ssh/rc").chmod(0)
    (HOME / ".elsewhere").write_text("her bashrc\n")
    (HOME / ".bashrc").unlink(missing_ok=True)
    (HOME / ".bashrc").symlink_to(".elsewhere")
    for path in (HOME / ".ssh", *HOME.rglob("*"), HOME):
        os.chown(path, 2001, 2001, follow_symlinks=False)
        os.utime(path, ns=(LONG_AGO, LONG_AGO), follow_symlinks=False)
    os.chown(HOME / ".ssh/rc", 0, 0)
    yield
    fresh_homes()


def state() -> dict[str, tuple[object, ...]]:
    """Return all that can be told of the home, but for times of access."""
    found: dict[str, tuple[object, ...]] = {}
    for path in (HOME, *sorted(HOME.rglob("*"))):
        status = path.lstat()
        content = str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[str(path)] = (status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, status.st_ino, content)
    return found


def test_all_is_as_it_was() -> None:
    before = state()
    with planted("alice", FILES):
        assert (HOME / ".bashrc").read_text() == OURS
        assert (HOME / ".bashrc").stat().st_uid == 2001
        assert (HOME / ".config/fish/config.fish").exists()
    assert state() == before


def test_all_is_as_it_was_after_an_interruption() -> None:
    before = state()
    with pytest.raises(KeyboardInterrupt), planted("alice", FILES):
        raise KeyboardInterrupt
    assert state() == before


def killed_at(number: int) -> bool:
    """Plant in a process that kills itself at its change `number` of the home; tell whether it came to that."""
    pid = os.fork()
    if pid == 0:
        left = number

        def kill_yourself(event: str, _arguments: tuple[object, ...]) -> None:
            nonlocal left
            if event.startswith(("os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.utime", "open")):
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        import sys  # noqa: PLC0415 - only the child hears of what it does

        sys.addaudithook(kill_yourself)
        try:
            with planted("alice", FILES):
                pass
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def test_a_probe_that_was_killed_anywhere_is_made_good_by_the_next() -> None:
    before = state()
    times = 0
    while killed_at(times):
        put_back("alice")
        assert without_times(state()) == without_times(before), times
        with planted("alice", FILES):
            pass
        times += 1
    assert times > 10
    assert without_times(state()) == without_times(before)


def without_times(found: dict[str, tuple[object, ...]]) -> dict[str, tuple[object, ...]]:
    """A folder's time is lost if the journal was not yet, or no longer, there; a file's never is."""
    return {name: (*facts[:3], *(facts[3:] if not Path(name).is_dir() else facts[4:])) for name, facts in found.items()}


def test_two_probes_do_not_plant_at_once() -> None:
    before = state()
    with planted("alice", FILES):
        with pytest.raises(ProbeError, match="another probe plants files"), planted("alice", FILES):
            pass
        with pytest.raises(ProbeError, match="another probe plants files"):
            put_back("alice")
        assert (HOME / ".bashrc").read_text() == OURS
    assert state() == before


def test_there_is_nothing_to_put_back() -> None:
    before = state()
    assert not put_back("alice")
    assert state() == before


@pytest.mark.parametrize(
    "journal",
    [
        '{"files": ["/etc/passwd"], "made": [], "times": {}}\n',
        '{"files": ["../bob/.bashrc"], "made": [], "times": {}}\n',
        '{"files": [], "made": ["../bob"], "times": {"../bob": [0, 0]}}\n',
        '{"files": [], "made": [], "times": {"/etc": [0, 0]}}\n',
        '{"files": 7}\n',
        "[]\n",
        "\0\n",
    ],
)
def test_a_journal_that_somebody_else_has_written_moves_nothing(journal: str) -> None:
    (HOME / JOURNAL).write_text(journal)
    os.chown(HOME / JOURNAL, 2001, 2001)
    with pytest.raises(ProbeError, match="not of our making"):
        put_back("alice")
    assert Path("/etc").stat().st_mtime_ns != 0
    assert Path("/home/bob").exists()


def test_a_link_in_the_home_leads_root_nowhere() -> None:
    """The account may not write there, and neither may root in its name."""
    (HOME / ".config").symlink_to("/etc")
    with pytest.raises(PermissionError), planted("alice", FILES):
        pass
    assert not Path("/etc/fish/config.fish.before-secsign-gate-probe").exists()
    assert (HOME / ".bashrc").read_text() == "her bashrc\n"

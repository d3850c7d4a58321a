"""Whatever a file was, and whatever became of it since, it comes back as it was."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secsign_gate.activation.change import KeptFile
from secsign_gate.activation.checkpoint import CheckpointError, keep, put_back, write_file

contents = st.none() | st.binary(max_size=300)
modes = st.sampled_from((0o600, 0o640, 0o644, 0o444))
times = st.integers(1_000_000_000, 2_000_000_000_000_000_000)
State = tuple[bytes | None, int, int]  # content, mode, time in nanoseconds
states = st.tuples(contents, modes, times)


def make(path: Path, content: bytes | None, mode: int, time: int) -> None:
    path.unlink(missing_ok=True)
    if content is not None:
        path.write_bytes(content)
        path.chmod(mode)
        os.utime(path, ns=(time, time))


@given(states, states, st.booleans())
def test_it_comes_back(was: State, became: State, cut_off: bool) -> None:
    before, _, time = was
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.conf")
        make(path, *was)
        kept = keep(str(path))
        assert (kept.content, kept.mtime) == (before, 0 if before is None else time)
        make(path, *became)
        if cut_off:  # a write that was interrupted
            (path.parent / ".a.conf.secsign-gate-new").write_bytes(b"half of")
        for _ in range(2):  # once more changes nothing
            put_back(kept)
            assert keep(str(path)) == kept
            assert [one.name for one in path.parent.iterdir()] == ([] if before is None else ["a.conf"])


@given(st.binary(max_size=300), contents, modes)
def test_a_file_is_written_whole(content: bytes, before: bytes | None, mode: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.conf")
        make(path, before, 0o600, 1_000_000_000)
        write_file(KeptFile(str(path), content, mode, os.getuid(), os.getgid()))
        assert (path.read_bytes(), path.stat().st_mode & 0o7777) == (content, mode)
        assert [one.name for one in path.parent.iterdir()] == ["a.conf"]


def test_what_is_no_file_is_not_kept(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("elsewhere")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    for name, sentence in (("link", "symbolic link"), ("folder", "regular file"), ("fifo", "regular file")):
        with pytest.raises(CheckpointError, match=sentence):
            keep(str(tmp_path / name))

"""What is put back is on disk, also where another process put it back and was ended before that."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from secsign_gate.activation.change import KeptFile, WrittenFile, digest
from secsign_gate.activation.checkpoint import is_as_written, keep, put_back, write_file


@pytest.mark.parametrize("content", [None, b"as it was"])
def test_what_is_as_it_was_already_is_brought_to_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    file = tmp_path / "a.conf"
    if content is not None:
        file.write_bytes(content)
    brought: list[str] = []
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: brought.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
    )
    put_back(keep(str(file)))
    assert brought == [str(tmp_path)]


def test_a_folder_that_is_gone_has_nothing_to_take_away(tmp_path: Path) -> None:
    put_back(KeptFile(str(tmp_path / "gone/a.conf"), None))


def test_a_file_is_as_written_or_not(tmp_path: Path) -> None:
    file = tmp_path / "a.conf"
    written = WrittenFile(str(file), digest(b"ours"))
    assert not is_as_written(written)
    write_file(KeptFile(str(file), b"ours", 0o644, os.geteuid(), os.getegid()))
    assert is_as_written(written)
    file.write_bytes(b"somebody's")
    assert not is_as_written(written)

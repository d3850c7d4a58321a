"""Who else could change a file: every fault on the way to it, and nothing where there is none."""

import os
from pathlib import Path

import pytest

from secsign_gate.doctor.ownership import Way, faults_below, way_to

ME = frozenset({0, os.geteuid()})
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to somebody else")


def made(path: Path, bits: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x\n")
    path.chmod(bits)
    return path


def walked(path: Path, private_gid: int = -1) -> Way:
    return way_to(str(path), ME, private_gid)


def test_nothing_to_say(tmp_path: Path) -> None:
    file = made(tmp_path / "a/b/file")
    assert walked(file) == Way(str(file), ())


@pytest.mark.parametrize("bits", [0o664, 0o646, 0o666])
def test_a_file_that_others_could_write(tmp_path: Path, bits: int) -> None:
    file = made(tmp_path / "file", bits)
    [fault] = walked(file).faults
    assert (fault.path, fault.command) == (str(file), f"chmod go-w {file}")
    assert fault.by_everybody == bool(bits & 0o002)


def test_every_fault_on_the_way_is_told(tmp_path: Path) -> None:
    file = made(tmp_path / "a/b/file", 0o666)
    (tmp_path / "a").chmod(0o777)
    (tmp_path / "a/b").chmod(0o775)
    assert [fault.path for fault in walked(file).faults] == [
        str(tmp_path / "a"), str(tmp_path / "a/b"), str(file),
    ]  # fmt: skip


def test_a_sticky_folder_is_none(tmp_path: Path) -> None:
    file = made(tmp_path / "a/file")
    (tmp_path / "a").chmod(0o1777)
    assert walked(file).faults == ()


def test_a_sticky_file_is_one(tmp_path: Path) -> None:
    assert walked(made(tmp_path / "file", 0o1666)).faults


def test_a_link_is_followed_and_what_it_leads_through_is_judged(tmp_path: Path) -> None:
    file = made(tmp_path / "open/file")
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "up").mkdir()
    (tmp_path / "up/link").symlink_to("../open/file")
    way = walked(tmp_path / "up/link")
    assert way.end == str(file)
    assert [fault.path for fault in way.faults] == [str(tmp_path / "open")]


def test_links_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="too many"):
        walked(tmp_path / "a")


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        walked(tmp_path / "a/b")


def test_a_group_of_one(tmp_path: Path) -> None:
    file = made(tmp_path / "file", 0o664)
    assert walked(file, file.stat().st_gid).faults == ()
    file.chmod(0o666)
    assert walked(file, file.stat().st_gid).faults


@needs_root
def test_an_owner_who_is_not_trusted(tmp_path: Path) -> None:
    file = made(tmp_path / "file")
    os.chown(file, 4242, -1)
    (tmp_path / "link").symlink_to("file")
    os.lchown(tmp_path / "link", 4242, -1)
    first, second = walked(tmp_path / "link").faults
    assert first.what == f"{tmp_path}/link belongs to uid 4242, not to root"
    assert first.command == f"chown -h root {tmp_path}/link"
    assert second.command == f"chown root {file}"


def test_a_whole_tree(tmp_path: Path) -> None:
    made(tmp_path / "a/good")
    bad = made(tmp_path / "a/b/c/bad", 0o666)
    elsewhere = made(tmp_path / "elsewhere", 0o666)
    (tmp_path / "a/link").symlink_to(elsewhere)
    (tmp_path / "a/dangling").symlink_to("nowhere")
    assert {fault.path for fault in faults_below(str(tmp_path / "a"), ME)} == {str(bad), str(elsewhere)}

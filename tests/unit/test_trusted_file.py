"""Files that orders are taken from. A sentence names the file, what is wrong, and what to do."""

import os
import shutil
import socket
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from secsign_gate.errors import ConfigError
from secsign_gate.trusted_file import read_trusted, read_trusted_lines

STRANGER = 61234  # a uid that nobody has
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away or become somebody else")


def problem(path: Path, *, limit: int = 1000, secret: bool = False) -> str:
    with pytest.raises(ConfigError) as caught:
        read_trusted(str(path), limit=limit, secret=secret)
    [found] = caught.value.problems
    assert found.path == str(path)
    assert "\n" not in str(found)
    assert found.remedy
    return str(found)


def in_child_as(uid: int, work: Callable[[], object]) -> str:
    """Run `work` in a child that has become `uid`; return what it raised, or "" if nothing."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        said = ""
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            work()
        except ConfigError as error:
            said = str(error)
        except BaseException:  # noqa: BLE001 - the parent judges it; a child must not go on as pytest
            said = traceback.format_exc()
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return said


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other users can enter, unlike tmp_path."""
    path = Path(tempfile.mkdtemp(prefix="secsign-gate-test-")).resolve()
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def orders(folder: Path) -> Path:
    path = folder / "orders"
    path.write_text("an order\n")
    path.chmod(0o644)
    return path


def test_a_file_of_ones_own_is_read(orders: Path) -> None:
    assert read_trusted(str(orders)) == b"an order\n"


def test_a_relative_name_is_below_the_working_directory(orders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(orders.parent)
    assert read_trusted("orders") == b"an order\n"
    assert read_trusted("./../" + orders.parent.name + "//orders") == b"an order\n"


def test_links_are_followed_as_the_kernel_does(orders: Path) -> None:
    folder = orders.parent
    (folder / "real" / "deep").mkdir(parents=True)
    orders.rename(folder / "real" / "orders")
    (folder / "short").symlink_to("real/deep")
    (folder / "relative").symlink_to("short/../orders")  # .. of the target, not of the link
    (folder / "absolute").symlink_to(folder / "relative")
    assert read_trusted(str(folder / "absolute")) == b"an order\n"


def test_reading_leaves_no_descriptor_open(orders: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    read_trusted(str(orders))
    problem(orders.parent / "missing" / "orders")
    problem(orders.parent)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("limit", [8, 9])
def test_the_limit_is_on_the_bytes(orders: Path, limit: int) -> None:
    if limit == 9:
        assert read_trusted(str(orders), limit=limit) == b"an order\n"
    else:
        assert "is larger than 8 bytes" in problem(orders, limit=limit)


def test_a_missing_file_and_a_missing_folder(folder: Path) -> None:
    assert "does not exist; create it" in problem(folder / "orders")
    assert "does not exist" in problem(folder / "gone" / "orders")


def test_a_file_on_the_way(orders: Path) -> None:
    assert "a part of its name is no directory" in problem(orders / "orders")


def test_an_empty_name_and_an_impossible_one() -> None:
    with pytest.raises(ConfigError, match="an empty name names no file"):
        read_trusted("")
    with pytest.raises(ConfigError, match="is a name that no file can have"):
        read_trusted("/tmp/a\0b")
    with pytest.raises(ConfigError, match=r"cannot be read \(File name too long\)"):
        read_trusted("/tmp/" + "a" * 300)


@pytest.mark.parametrize("content", [b"", b" \n\t\n"])
def test_an_empty_file(orders: Path, content: bytes) -> None:
    orders.write_bytes(content)
    assert "is empty" in problem(orders)


def test_a_directory(folder: Path) -> None:
    (folder / "orders").mkdir()
    assert "is a directory; put a regular file in its place" in problem(folder / "orders")
    assert "is a directory" in problem(Path("/"))
    (folder / "up").symlink_to("orders/..")
    assert "is a directory" in problem(folder / "up")


def test_a_fifo_does_not_make_anybody_wait(folder: Path) -> None:
    os.mkfifo(folder / "orders", 0o600)
    assert "is a FIFO" in problem(folder / "orders")


def test_a_socket_and_a_device(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "orders"))
        assert "is a socket" in problem(folder / "orders")
    assert "is a character device" in problem(Path("/dev/null"))


def test_links_in_a_circle(folder: Path) -> None:
    (folder / "orders").symlink_to("other")
    (folder / "other").symlink_to("orders")
    assert "is behind too many symbolic links; name the file itself" in problem(folder / "orders")


def test_a_dangling_link(folder: Path) -> None:
    (folder / "orders").symlink_to("nowhere")
    assert "does not exist" in problem(folder / "orders")


@pytest.mark.parametrize(
    ("mode", "says"),
    [(0o666, "can be written by everybody; chmod go-w"), (0o664, "can be written by its group; chmod g-w")],
)
def test_a_file_that_others_can_write(orders: Path, mode: int, says: str) -> None:
    orders.chmod(mode)
    assert f"{says} {orders}" in problem(orders)


def test_a_secret_may_be_read_by_a_group_but_not_by_everybody(orders: Path) -> None:
    orders.chmod(0o640)
    assert read_trusted(str(orders), secret=True) == b"an order\n"
    orders.chmod(0o644)
    assert f"holds a secret and can be read by everybody; chmod o-r {orders}" in problem(orders, secret=True)


@pytest.mark.parametrize(("mode", "by_whom"), [(0o777, "everybody"), (0o775, "its group")])
def test_a_directory_that_others_can_write(orders: Path, mode: int, by_whom: str) -> None:
    orders.parent.chmod(mode)
    assert f"the directory {orders.parent} can be written by {by_whom}; chmod go-w {orders.parent}" in problem(orders)


def test_a_directory_further_up_counts_too(folder: Path) -> None:
    (folder / "open" / "closed").mkdir(parents=True)
    (folder / "open" / "closed" / "orders").write_text("an order\n")
    (folder / "open").chmod(0o777)
    assert f"the directory {folder}/open can be written" in problem(folder / "open" / "closed" / "orders")


def test_a_sticky_directory_keeps_names_where_they_are(orders: Path) -> None:
    orders.parent.chmod(0o1777)
    assert read_trusted(str(orders)) == b"an order\n"


def test_the_directory_behind_a_link_counts(orders: Path) -> None:
    folder = orders.parent
    (folder / "open").mkdir()
    (folder / "open").chmod(0o777)
    (folder / "open" / "orders").write_text("an order\n")
    orders.unlink()
    orders.symlink_to("open/orders")
    assert f"the directory {folder}/open can be written by everybody" in problem(orders)


def test_the_directory_that_a_link_is_in_counts(orders: Path) -> None:
    folder = orders.parent
    (folder / "open").mkdir()
    (folder / "open").chmod(0o777)
    (folder / "open" / "link").symlink_to("../orders")
    assert f"the directory {folder}/open can be written by everybody" in problem(folder / "open" / "link")


@as_root
class TestForeignOwners:
    def test_a_foreign_file(self, orders: Path) -> None:
        os.chown(orders, STRANGER, -1)
        assert f"belongs to uid {STRANGER}, not to root; chown root {orders}" in problem(orders)

    def test_a_foreign_directory(self, orders: Path) -> None:
        os.chown(orders.parent, STRANGER, -1)
        says = f"the directory {orders.parent} belongs to uid {STRANGER}, not to root; chown root {orders.parent}"
        assert says in problem(orders)

    def test_a_foreign_link(self, orders: Path) -> None:
        link = orders.parent / "link"
        link.symlink_to("orders")
        os.chown(link, STRANGER, -1, follow_symlinks=False)
        assert f"the symbolic link {link} belongs to uid {STRANGER}, not to root; chown -h root {link}" in problem(link)

    def test_a_user_takes_orders_from_root_and_from_himself(self, orders: Path) -> None:
        assert in_child_as(STRANGER, lambda: read_trusted(str(orders))) == ""
        os.chown(orders, STRANGER, -1)
        assert in_child_as(STRANGER, lambda: read_trusted(str(orders))) == ""

    def test_a_user_takes_no_orders_from_another_user(self, orders: Path) -> None:
        os.chown(orders, STRANGER + 1, -1)
        says = in_child_as(STRANGER, lambda: read_trusted(str(orders)))
        assert f"belongs to uid {STRANGER + 1}, not to root or uid {STRANGER}" in says

    def test_an_unreadable_file(self, orders: Path) -> None:
        orders.chmod(0o600)
        says = in_child_as(STRANGER, lambda: read_trusted(str(orders)))
        assert f"may not be read by uid {STRANGER}, as whom the program runs; let that user read it" in says

    def test_a_folder_that_may_not_be_entered(self, orders: Path) -> None:
        orders.parent.chmod(0o700)
        assert "may not be read by" in in_child_as(STRANGER, lambda: read_trusted(str(orders)))

    def test_a_folder_that_may_be_entered_but_not_listed(self, orders: Path) -> None:
        orders.parent.chmod(0o711)
        assert in_child_as(STRANGER, lambda: read_trusted(str(orders))) == ""


class TestLines:
    def test_text_is_returned_as_it_stands(self, orders: Path) -> None:
        orders.write_bytes("Grüße\r\nzwei\n".encode())
        assert read_trusted_lines(str(orders)) == "Grüße\r\nzwei\n"

    @pytest.mark.parametrize(
        ("content", "line", "says"),
        [
            (b"one\ntwo\xff\n", 2, "holds the byte 0xff, which is not UTF-8 here"),
            (b"one\n\xc3", 2, "holds the byte 0xc3"),
            (b"one\ntwo", 2, "the last line has no end, so it may be cut off"),
            (b"one", 1, "the last line has no end"),
            (b"\xef\xbb\xbfone\n", 1, "begins with a byte order mark"),
            ("one\n".encode("utf-16"), 1, "holds the byte 0xff"),
        ],
    )
    def test_what_is_no_text_is_named_with_its_line(self, orders: Path, content: bytes, line: int, says: str) -> None:
        orders.write_bytes(content)
        with pytest.raises(ConfigError, match=says) as caught:
            read_trusted_lines(str(orders))
        assert [found.line for found in caught.value.problems] == [line]


@as_root
def test_a_file_for_programs_without_rights_is_roots_alone(folder: Path, orders: Path) -> None:
    """An account that reads orders for others must not be able to give them."""
    os.chown(orders, STRANGER, STRANGER)
    assert in_child_as(STRANGER, lambda: read_trusted(str(orders))) == ""
    assert "not to root; chown root" in in_child_as(STRANGER, lambda: read_trusted(str(orders), roots_alone=True))
    os.chown(orders, 0, 0)
    os.chown(folder, STRANGER, STRANGER)
    assert "the directory" in in_child_as(STRANGER, lambda: read_trusted(str(orders), roots_alone=True))

"""The authorized_keys files of an account, as far as this process may read them, judged as by sshd (StrictModes)."""

import posix
import pwd
from _stat import S_ISREG

from secsign_gate.core.key_file_name import key_file_name
from secsign_gate.core.registry_line import lines_that_hold
from secsign_gate.errors import GateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_LARGEST = 8 * 1024 * 1024  # bytes; sshd has no limit, a person has one
_WRITABLE_BY_OTHERS = 0o022


class AccountFileError(GateError):
    """A file that may hold the key and cannot be vouched for."""


class FoundLine:
    """A line of a key file without its newline; `by_root`: nobody else could have written it."""

    __slots__ = ("by_root", "line", "place")

    def __init__(self, place: str, line: bytes, *, by_root: bool) -> None:
        self.place = place
        self.line = line
        self.by_root = by_root


def lines_of_account(account: str, patterns: list[str], text: bytes) -> "Iterator[FoundLine]":
    """Yield the lines that `text` stands in, of the files that `patterns` name for `account`, in order.

    A file that is not there is passed over, as by sshd. Raises AccountFileError for one that cannot be read, that
    others could have written to, or that is none.
    """
    try:
        entry = pwd.getpwnam(account)
    except KeyError:
        raise AccountFileError(f"this host knows no account {account}; see `getent passwd`") from None
    for pattern in patterns:
        try:
            path = key_file_name(pattern, entry.pw_name, entry.pw_dir, entry.pw_uid)
        except ValueError as error:
            raise AccountFileError(f"--authorized-keys: {error}") from None
        if path is not None:
            yield from _lines(path, entry, text)


def _lines(path: str, entry: pwd.struct_passwd, text: bytes) -> "Iterator[FoundLine]":
    try:
        content, by_root = _content(path, entry)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise AccountFileError(
            f"{path} cannot be read ({error.strerror}); see AuthorizedKeysCommandUser, or use the registry"
        ) from None
    for number, line in lines_that_hold(text, content):
        yield FoundLine(f"{path} line {number}", line, by_root=by_root)


def _content(path: str, entry: pwd.struct_passwd) -> tuple[bytes, bool]:
    """Return what the file holds, and whether it is root's with all directories above it up to the home directory."""
    descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK | posix.O_NOCTTY)
    try:
        status = posix.fstat(descriptor)
        if not S_ISREG(status.st_mode):
            raise AccountFileError(f"{path} is no regular file; put one there")
        owners = _owners(path, posix.readlink(f"/proc/self/fd/{descriptor}"), status, entry)
        pieces = []
        room = _LARGEST + 1
        while room > 0 and (piece := posix.read(descriptor, room)):
            pieces.append(piece)
            room -= len(piece)
    finally:
        posix.close(descriptor)
    if room <= 0:
        raise AccountFileError(f"{path} is longer than {_LARGEST} bytes; shorten it")
    return b"".join(pieces), owners == {0}


def _owners(path: str, real_path: str, status: posix.stat_result, entry: pwd.struct_passwd) -> set[int]:
    """Return who owns the file and the directories above it, up to the home directory. Raises AccountFileError.

    As sshd's own check (auth_secure_path), and in no case less strict.
    """
    home = _identity(entry.pw_dir)
    owners = {_owner(path, status, entry)}
    directory = real_path
    while directory != "/":
        directory = directory.rpartition("/")[0] or "/"
        above = posix.stat(directory)
        owners.add(_owner(directory, above, entry))
        if (above.st_dev, above.st_ino) == home:
            break
    return owners


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = posix.stat(path)
    except OSError:
        return None  # no home directory, or none that we may see: then all directories count
    return status.st_dev, status.st_ino


def _owner(path: str, status: posix.stat_result, entry: pwd.struct_passwd) -> int:
    if status.st_uid not in (0, entry.pw_uid) or status.st_mode & _WRITABLE_BY_OTHERS:
        raise AccountFileError(f"{path} could be changed by others; chown it to {entry.pw_name} or root, chmod go-w it")
    return status.st_uid

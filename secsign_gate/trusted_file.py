"""Files that the program takes orders from: opened, judged and read in one place.

Whoever can change such a file, replace it, or redirect a directory on the way to it, gives the orders. So the way is
walked one directory at a time, each judged on its open descriptor, and the next name is looked up in that descriptor:
what was judged is what is read, whatever happens to the names meanwhile. What the bytes mean is not judged here.

Built-in modules only: sshd starts a program that reads such a file for each key that is offered.
"""

import _stat as stat
import errno
import posix as os

from secsign_gate.errors import ConfigError, Problem

MAX_BYTES = 1024 * 1024
_MAX_LINKS = 40  # as the kernel's own limit (path_resolution(7))
_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: a FIFO in place of the file must not make a login wait for its writer.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_UTF8_BOM = b"\xef\xbb\xbf"


def read_trusted(path: str, *, limit: int = MAX_BYTES, secret: bool = False, roots_alone: bool = False) -> bytes:
    """Return the content of the file at `path`, at most `limit` bytes and at least one.

    The open file must be regular, owned by root or the effective user, and not writable by group or others; so must
    every directory on the way, except that a sticky one may be writable; a symbolic link must have such an owner.
    `secret` forbids reading by others as well, and `roots_alone` another owner than root. Raises ConfigError with one
    problem.
    """
    owner = 0 if roots_alone else os.geteuid()
    descriptor = -1
    try:
        descriptor = _open(path, owner)
        _judge_file(path, os.fstat(descriptor), owner, secret=secret)
        content = _content(path, descriptor, limit)
    except OSError as error:
        raise _unreadable(path, error) from None
    except ValueError:
        raise _fault(path, "is a name that no file can have", "correct the name") from None
    finally:
        if descriptor >= 0:
            os.close(descriptor)
    if len(content) > limit:
        raise _fault(path, f"is larger than {limit} bytes", "keep orders only in it")
    if not content or content.isspace():
        raise _fault(path, "is empty, as a file that was only half written is", "write it again")
    return content


def read_trusted_lines(path: str, *, limit: int = MAX_BYTES) -> str:
    """Return the text of the file at `path`, judged as by `read_trusted`: UTF-8, its last line ended by a newline.

    A last line without one is what a write that was cut off leaves, and half a name is another name.
    """
    content = read_trusted(path, limit=limit)
    if content.startswith(_UTF8_BOM):
        raise _fault(path, "begins with a byte order mark", "save it as UTF-8 without one", line=1)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        what = f"holds the byte 0x{content[error.start]:02x}, which is not UTF-8 here"
        raise _fault(path, what, "save the file as UTF-8", line=line) from None
    if not text.endswith("\n"):
        line = text.count("\n") + 1
        raise _fault(path, "the last line has no end, so it may be cut off", "complete it, then a newline", line=line)
    return text


def _open(path: str, owner: int) -> int:
    """Open the file at `path` for reading, having judged every directory on the way."""
    if not path:
        raise _fault("(no name)", "an empty name names no file", "name the file")
    whole = path if path.startswith("/") else f"{os.getcwd()}/{path}"
    names = [name for name in reversed(whole.split("/")) if name]
    links = 0
    here = os.open("/", _DIRECTORY)
    try:
        _judge_directory(path, here, owner)
        while names:
            name = names.pop()
            found = os.stat(name, dir_fd=here, follow_symlinks=False)
            if stat.S_ISLNK(found.st_mode):
                links += 1
                if links > _MAX_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                link = f"{_name_of(here)}/{name}"
                _judge_owner(path, found, owner, f"the symbolic link {link}", f"-h root {link}")
                target = os.readlink(name, dir_fd=here)
                names += [part for part in reversed(target.split("/")) if part]
                following = os.open("/", _DIRECTORY) if target.startswith("/") else os.dup(here)
            elif names:
                following = os.open(name, _DIRECTORY, dir_fd=here)
            else:
                _judge_kind(path, found)
                return os.open(name, _FILE, dir_fd=here)
            os.close(here)
            here = following
            _judge_directory(path, here, owner)
        raise _fault(path, "is a directory", "name a file")
    finally:
        os.close(here)


def _content(path: str, descriptor: int, limit: int) -> bytes:
    """Read to the end, or just past `limit`."""
    chunks = []
    room = limit + 1
    while room > 0 and (chunk := os.read(descriptor, room)):
        chunks.append(chunk)
        room -= len(chunk)
    content = b"".join(chunks)
    if len(content) < min(os.fstat(descriptor).st_size, limit):
        raise _fault(path, "changed while it was read", "try again")
    return content


def _judge_file(path: str, judged: os.stat_result, owner: int, *, secret: bool) -> None:
    _judge_kind(path, judged)
    _judge_owner(path, judged, owner, "", f"root {path}")
    if judged.st_mode & stat.S_IWOTH:
        raise _fault(path, "can be written by everybody", f"chmod go-w {path}")
    if judged.st_mode & stat.S_IWGRP:
        raise _fault(path, "can be written by its group", f"chmod g-w {path}")
    if secret and judged.st_mode & stat.S_IROTH:
        raise _fault(path, "holds a secret and can be read by everybody", f"chmod o-r {path}")


def _judge_kind(path: str, judged: os.stat_result) -> None:
    for is_kind, kind in (
        (stat.S_ISDIR, "a directory"),
        (stat.S_ISFIFO, "a FIFO"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISBLK, "a block device"),
        (stat.S_ISCHR, "a character device"),
    ):
        if is_kind(judged.st_mode):
            raise _fault(path, f"is {kind}", "put a regular file in its place")


def _judge_owner(path: str, judged: os.stat_result, owner: int, subject: str, remedy: str) -> None:
    """Raise unless `subject`, empty for the file itself, belongs to root or to the uid `owner`."""
    if judged.st_uid not in (0, owner):
        trusted = "root" if owner == 0 else f"root or {_account(owner)}"
        what = f"{subject} belongs to {_account(judged.st_uid)}, not to {trusted}".lstrip()
        raise _fault(path, what, f"chown {remedy}")


def _judge_directory(path: str, descriptor: int, owner: int) -> None:
    judged = os.fstat(descriptor)
    writable = judged.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if judged.st_uid in (0, owner) and (not writable or judged.st_mode & stat.S_ISVTX):
        return
    name = _name_of(descriptor)
    _judge_owner(path, judged, owner, f"the directory {name}", f"root {name}")
    by_whom = "everybody" if writable & stat.S_IWOTH else "its group"
    raise _fault(path, f"the directory {name} can be written by {by_whom}", f"chmod go-w {name}")


def _name_of(descriptor: int) -> str:
    """Return the present name of an open directory, for a sentence only."""
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return "on the way"


def _account(uid: int) -> str:
    """Return the name of a user, or the number of one who has none."""
    import pwd  # noqa: PLC0415 - only a sentence about a fault needs it

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _unreadable(path: str, error: OSError) -> ConfigError:
    """Say why the file system gave nothing."""
    match error.errno:
        case errno.ENOENT:
            return _fault(path, "does not exist", "create it or correct the name")
        case errno.ENOTDIR:
            return _fault(path, "does not exist, for a part of its name is no directory", "correct the name")
        case errno.EACCES | errno.EPERM:
            what = f"may not be read by {_account(os.geteuid())}, as whom the program runs"
            return _fault(path, what, "let that user read it and search the directories on the way")
        case errno.ELOOP:
            return _fault(path, "is behind too many symbolic links", "name the file itself")
        case _:
            reason = os.strerror(error.errno) if error.errno is not None else "no reason given"
            return _fault(path, f"cannot be read ({reason})", "see to the file system")


def _fault(path: str, what: str, remedy: str, *, line: int = 0) -> ConfigError:
    return ConfigError([Problem(path, line, "", what, remedy)])

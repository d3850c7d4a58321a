"""Files as they were, and how they come back: whole or not at all, whenever the power fails.

A file is written beside its place, brought to disk, and renamed; then the directory is brought to disk as well.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

from secsign_gate.activation.change import KeptFile, WrittenFile, digest
from secsign_gate.errors import GateError

_MAX_BYTES = 1 << 20
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class CheckpointError(GateError):
    """A file cannot be kept as it is, or put back. `str()` is one sentence."""


def keep(path: str) -> KeptFile:
    """Return the file at `path` as it is, or that there is none. Raises CheckpointError."""
    try:
        descriptor = os.open(path, _READ)
    except FileNotFoundError:
        return KeptFile(path, None)
    except OSError as error:
        what = "is a symbolic link" if Path(path).is_symlink() else f"cannot be read ({error.strerror})"
        raise CheckpointError(f"{path} {what}; put a regular file there, or move it away") from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > _MAX_BYTES:
            raise CheckpointError(f"{path} is no regular file of less than a megabyte; move it away")
        content = bytearray()
        while chunk := os.read(descriptor, _MAX_BYTES):
            content += chunk
        return KeptFile(
            path=path,
            content=bytes(content),
            mode=stat.S_IMODE(found.st_mode),
            uid=found.st_uid,
            gid=found.st_gid,
            mtime=found.st_mtime_ns,
            attributes=_attributes(descriptor),
        )
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}); see to the file system") from None
    finally:
        os.close(descriptor)


def put_back(kept: KeptFile) -> None:
    """Have the file at its place be as it was kept, on disk. Raises CheckpointError.

    Where it is so already, who put it there may have been ended before that was on disk.
    """
    with suppress(FileNotFoundError):
        os.unlink(_beside(kept.path))  # noqa: PTH108 - one call, by the name that was renamed or not
    if kept.content is not None and keep_or_none(kept.path) != kept:
        write_file(kept)
        return
    try:
        if kept.content is None:
            with suppress(FileNotFoundError):
                os.unlink(kept.path)  # noqa: PTH108 - as above
        sync_directory(kept.path)
    except FileNotFoundError:  # its folder is gone as well
        return
    except OSError as error:
        raise CheckpointError(f"{kept.path} cannot be removed ({error.strerror}); see to the file system") from None


def is_as_written(written: WrittenFile) -> bool:
    """Tell whether the file is still what this program wrote."""
    present = keep_or_none(written.path)
    return present is not None and present.content is not None and digest(present.content) == written.digest


def keep_or_none(path: str) -> KeptFile | None:
    """Return the file at `path`, None where there is something that cannot be kept."""
    try:
        return keep(path)
    except CheckpointError:
        return None


def write_file(file: KeptFile) -> None:
    """Have `file.content`, with all its properties, be the file at its place. Raises CheckpointError.

    An `mtime` of 0 leaves the time to the file system.
    """
    beside = _beside(file.path)
    try:
        with suppress(FileNotFoundError):
            os.unlink(beside)  # noqa: PTH108 - what an interrupted write left
        descriptor = os.open(beside, _MAKE, 0o600)
        try:
            _fill(descriptor, file)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(beside, file.path)  # noqa: PTH104 - the call itself: it is what makes the change whole
        sync_directory(file.path)
    except OSError as error:
        with suppress(OSError):
            os.unlink(beside)  # noqa: PTH108 - as above
        raise CheckpointError(f"{file.path} cannot be written ({error.strerror}); see to the file system") from None


def _fill(descriptor: int, file: KeptFile) -> None:
    rest = memoryview(file.content or b"")
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    os.fchown(descriptor, file.uid, file.gid)
    os.fchmod(descriptor, file.mode)
    for name, value in file.attributes:
        with suppress(OSError):  # a label that this file system or policy no longer takes
            os.setxattr(descriptor, name, value)
    if file.mtime:
        os.utime(descriptor, ns=(file.mtime, file.mtime))


def _attributes(descriptor: int) -> tuple[tuple[str, bytes], ...]:
    try:
        return tuple((name, os.getxattr(descriptor, name)) for name in sorted(os.listxattr(descriptor)))
    except OSError:
        return ()  # a file system without them


def _beside(path: str) -> str:
    """Return a name beside `path` that no `*.conf` of an Include takes, the same one after an interruption."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/.{name}.secsign-gate-new"


def sync_directory(path: str) -> None:
    """Bring to disk what names the directory of the file at `path` holds. Raises OSError."""
    descriptor = os.open(path.rpartition("/")[0] or "/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

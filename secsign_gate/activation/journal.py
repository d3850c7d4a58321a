"""The journal: one file that holds the change under way, or the one in force, and a lock for who works on it.

Whatever the journal says is on disk before it is done. It is root's alone: it says which files to put where.
"""

import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from secsign_gate.activation.change import Change, KeptFile, Moment
from secsign_gate.activation.change_json import JournalError, from_json, to_json
from secsign_gate.activation.checkpoint import put_back, sync_directory, write_file
from secsign_gate.activation.process import start_time

DEFAULT_FOLDER = "/var/lib/secsign-gate/activation"
_MAX_BYTES = 32 << 20  # a change, and what was before it
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


class BusyError(JournalError):
    """Another process works on a change. `str()` is one sentence."""


class Journal:
    """The journal in `folder`, which is made when it is first locked."""

    def __init__(self, folder: str = DEFAULT_FOLDER) -> None:
        self.folder = folder
        self.path = f"{folder}/change.json"
        self.watcher_lock = f"{folder}/watcher.lock"

    def exists(self) -> bool:
        """Tell whether there is a change on record, without looking into it."""
        return os.access(self.path, os.F_OK)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only one who works on the change. Raises BusyError if somebody does, JournalError if it cannot be."""
        self._make_folder()
        with held(f"{self.folder}/lock") as is_ours:
            if not is_ours:
                holder = self.holder()
                which = f" (process {holder[0]})" if holder else ""
                raise BusyError(
                    f"another secsign-gate{which} is changing sshd's configuration, or asks whether it should; wait "
                    "until it is done, or end it"
                )
            Path(f"{self.folder}/lock").write_text(f"{os.getpid()} {start_time(os.getpid())}\n", "ascii")
            yield

    def holder(self) -> tuple[int, int] | None:
        """Return pid and start time of who holds, or held last, the lock; None if that is not known."""
        try:
            pid, began = Path(f"{self.folder}/lock").read_text("ascii").split()
            return int(pid), int(began)
        except (OSError, ValueError):
            return None

    def read(self) -> Change | None:
        """Return the change on record, None if there is none. Raises JournalError."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise JournalError(f"{self.path} cannot be read ({error.strerror}); run this as root") from None
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & _OTHERS_MAY_WRITE:
                raise JournalError(f"{self.path} is not a file of root's alone; find out who made it, and move it away")
            content = file.read(_MAX_BYTES)
        try:
            return from_json(content.decode("utf-8", "surrogatepass"))
        except (JournalError, UnicodeDecodeError):
            raise JournalError(
                f"{self.path} is damaged or of another version; what was there before the change stands in it, "
                "as base64: put it back by hand, then move the file away"
            ) from None

    def write(self, change: Change) -> None:
        """Put `change` on record; it is on disk when this returns. Raises CheckpointError."""
        content = to_json(change).encode("utf-8", "surrogatepass")
        write_file(KeptFile(self.path, content, 0o600, os.geteuid(), os.getegid()))

    def remove(self) -> None:
        """Have no change on record. Raises CheckpointError."""
        put_back(KeptFile(self.path, None))

    def _make_folder(self) -> None:
        folder = Path(self.folder)
        try:
            folder.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            if not folder.is_dir():
                folder.mkdir(mode=0o700, exist_ok=True)
                sync_directory(str(folder))
                sync_directory(str(folder.parent))
            found = [(path, path.lstat()) for path in (folder.parent, folder)]
        except OSError as error:
            raise JournalError(f"{self.folder} cannot be made ({error.strerror}); run this as root") from None
        for path, status in found:
            others = status.st_uid not in (0, os.geteuid()) or status.st_mode & _OTHERS_MAY_WRITE
            if not stat.S_ISDIR(status.st_mode) or others:
                raise JournalError(f"{path} is not a folder of root's alone; chown root: and chmod go-w it")


@contextmanager
def held(path: str, *, wait: bool = False) -> Iterator[bool]:
    """Try to hold the lock that the file at `path` is, or `wait` for it; yields whether it is ours in the block.

    The kernel lets go of it when its holder dies, however that comes. Raises JournalError if it cannot be had at all.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise JournalError(f"{path} cannot be locked ({error.strerror}); run this as root, see to its folder") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def now() -> Moment:
    """Return the present moment."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return Moment(boot, time.clock_gettime(time.CLOCK_BOOTTIME), time.time())

"""The daemon's sockets: who may connect is said by the folder that they are in, and by their modes."""

import socket
import stat
from contextlib import suppress
from pathlib import Path

from secsign_gate.errors import ConfigError, Problem

BACKLOG = 1024  # doors that may be knocking while the broker is busy with others
_FOR_EVERYBODY = 0o666  # whoever connects is known by SO_PEERCRED
_FOR_ROOT = 0o600
_FOR_DOORS = 0o755
_WRITABLE_BY_OTHERS = 0o022


def listen_for_doors(path: str) -> socket.socket:
    """Listen at `path`, a folder that only root may write to, in place of a socket that is left there.

    Raises ConfigError if the folder is not root's alone, if something else is there, or if a broker answers already.
    """
    return _listen(path, _FOR_EVERYBODY)


def listen_for_root(path: str) -> socket.socket:
    """Listen at `path` for root only. Raises ConfigError as `listen_for_doors`."""
    return _listen(path, _FOR_ROOT)


def control_path(socket_path: str) -> str:
    """Return where a broker takes orders that listens for doors at `socket_path`: beside it."""
    return f"{socket_path.removesuffix('.sock')}-control.sock"


def require_roots_folder(path: str) -> None:
    """Raise ConfigError unless every folder on the way is root's alone: else a door could be led to somebody else.

    Folders that are not there yet are passed over. Raises OSError if one cannot be looked at.
    """
    for above in Path(path).parents:
        if not above.exists():
            continue
        status = above.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != 0 or status.st_mode & _WRITABLE_BY_OTHERS:
            raise _problem(path, f"{above} is not a folder of root's alone", "choose another, like /run/secsign-gate")


def _listen(path: str, mode: int) -> socket.socket:
    try:
        _make_folder(Path(path).parent)
        require_roots_folder(path)
        _clear(path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(path)
        Path(path).chmod(mode)
        listener.listen(BACKLOG)
    except OSError as error:
        raise _problem(path, f"the broker cannot listen there ({error.strerror})", "see to its folder") from None
    return listener


def _make_folder(folder: Path) -> None:
    """Make the folder unless it is there: everybody may go in, for doors run as everybody, whatever the umask says."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        folder.chmod(_FOR_DOORS)


def _clear(path: str) -> None:
    """Remove a socket that a broker left behind when it was killed."""
    try:
        status = Path(path).lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        raise _problem(path, "there is something else than a socket", "remove it, or name another place")
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knocking,
        suppress(ConnectionRefusedError, FileNotFoundError),
    ):
        knocking.setblocking(False)  # one that is stopped, and has a line of doors before it, is there all the same
        with suppress(BlockingIOError):
            knocking.connect(path)
        raise _problem(path, "a broker answers there already", "stop it first, or name another place")
    with suppress(FileNotFoundError):
        Path(path).unlink()


def _problem(path: str, what: str, remedy: str) -> ConfigError:
    return ConfigError([Problem(path, 0, "broker.socket", what, remedy)])

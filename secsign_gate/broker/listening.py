"""The daemon's sockets: who may connect is said by the folder that they are in, and by their modes."""

import os
import socket
import stat
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from secsign_gate.errors import ConfigError, Problem

# How many may be knocking while the broker is busy with others. A door that finds more waits for a place; a long line
# would be somebody's who knocks without end, and all others would stand behind it.
BACKLOG = 64
_FOR_EVERYBODY = 0o666  # whoever connects is known by SO_PEERCRED
_FOR_ROOT = 0o600
_FOR_A_GROUP = 0o660
_FOR_DOORS = 0o755
_WRITABLE_BY_OTHERS = 0o022
_DOORS, _METRICS = "broker.socket", "broker.metrics"  # the settings that name the places


class Listeners(NamedTuple):
    """Where the daemon is asked: by doors, by root, and, if that is wanted, by Prometheus."""

    doors: socket.socket
    control: socket.socket
    metrics: socket.socket | None = None


def listen_for_doors(path: str) -> socket.socket:
    """Listen at `path`, a folder that only root may write to, in place of a socket that is left there.

    Raises ConfigError if the folder is not root's alone, if something else is there, or if a broker answers already.
    """
    return _listen(path, _FOR_EVERYBODY)


def listen_for_root(path: str) -> socket.socket:
    """Listen at `path` for root only. Raises ConfigError as `listen_for_doors`."""
    return _listen(path, _FOR_ROOT)


def listen_for_metrics(place: str, gid: int) -> socket.socket:
    """Listen at `place`, a path for root and the group `gid`, or `ADDRESS:PORT` of the loopback for the whole host.

    Raises ConfigError as `listen_for_doors`, and if the port is taken.
    """
    if not place.startswith("/"):
        return _listen_on_loopback(place)
    os.setegid(gid)  # a socket gets the group of who makes it; to change it afterwards would need one capability more
    try:
        return _listen(place, _FOR_A_GROUP, _METRICS)
    finally:
        os.setegid(0)


def control_path(socket_path: str) -> str:
    """Return where a broker takes orders that listens for doors at `socket_path`: beside it."""
    return f"{socket_path.removesuffix('.sock')}-control.sock"


def require_roots_folder(path: str, setting: str = _DOORS) -> None:
    """Raise ConfigError unless every folder on the way is root's alone: else a door could be led to somebody else.

    Folders that are not there yet are passed over. `setting` named the path. Raises OSError if one cannot be looked at.
    """
    for above in Path(path).parents:
        if not above.exists():
            continue
        status = above.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != 0 or status.st_mode & _WRITABLE_BY_OTHERS:
            what = f"{above} is not a folder of root's alone"
            raise _problem(path, what, "choose another, like /run/secsign-gate", setting)


def _listen_on_loopback(place: str) -> socket.socket:
    address, _, port = place.rpartition(":")
    family = socket.AF_INET6 if address.startswith("[") else socket.AF_INET
    try:
        return socket.create_server((address.strip("[]"), int(port)), family=family)
    except OSError as error:
        why = f"the broker cannot listen there ({os.strerror(error.errno or 0)})"
        raise _problem(place, why, "name another port of the loopback", _METRICS) from None


def _listen(path: str, mode: int, setting: str = _DOORS) -> socket.socket:
    try:
        _make_folder(Path(path).parent)
        require_roots_folder(path, setting)
        _clear(path, setting)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(path)
        Path(path).chmod(mode)
        listener.listen(BACKLOG)
    except OSError as error:
        why = f"the broker cannot listen there ({error.strerror})"
        raise _problem(path, why, "see to its folder", setting) from None
    return listener


def _make_folder(folder: Path) -> None:
    """Make the folder unless it is there: everybody may go in, for doors run as everybody, whatever the umask says."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        folder.chmod(_FOR_DOORS)


def _clear(path: str, setting: str) -> None:
    """Remove a socket that a broker left behind when it was killed."""
    try:
        status = Path(path).lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        raise _problem(path, "there is something else than a socket", "remove it, or name another place", setting)
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knocking,
        suppress(ConnectionRefusedError, FileNotFoundError),
    ):
        knocking.setblocking(False)  # one that is stopped, and has a line of doors before it, is there all the same
        with suppress(BlockingIOError):
            knocking.connect(path)
        raise _problem(path, "a broker answers there already", "stop it first, or name another place", setting)
    with suppress(FileNotFoundError):
        Path(path).unlink()


def _problem(path: str, what: str, remedy: str, setting: str) -> ConfigError:
    return ConfigError([Problem(path, 0, setting, what, remedy)])

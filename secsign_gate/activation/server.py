"""Which sshd is meant, and where a drop-in of ours would be read by it."""

import fnmatch
import glob
import os
from contextlib import suppress
from pathlib import Path

from secsign_gate.activation.change import Listener, Server
from secsign_gate.activation.plan import DROP_IN
from secsign_gate.activation.process import process, unit_of
from secsign_gate.errors import GateError
from secsign_gate.sshd.config_files import INCLUDES_FROM, read_config
from secsign_gate.sshd.program import Sshd, SshdError, find_sshd, listeners, sshd_of
from secsign_gate.sshd.running import Listener as Running


class PreconditionError(GateError):
    """Something must be mended first; nothing was changed. `str()` is one sentence."""


def require_root() -> None:
    """Raise PreconditionError unless this runs as root."""
    if os.geteuid() != 0:
        raise PreconditionError("only root may change sshd's configuration; run this as root")


def sshd_meant(executable: str | None, configuration: str | None) -> tuple[Sshd, Server]:
    """Return the sshd that is meant, and those of its listeners that read its configuration.

    Raises PreconditionError if several sshds with configurations of their own listen and none is named, SshdError if
    there is none.
    """
    found = []
    for one in listeners():
        # Anybody may let a program of his own listen that is called `sshd`: only root's is meant.
        if one.is_openssh and one.is_roots and executable in (None, one.executable):
            try:
                found.append((sshd_of(one), one))
            except SshdError:  # whichever it is, it is another than one whose configuration is named
                if configuration is None:
                    raise
    places = sorted({sshd.configuration for sshd, _ in found})
    if configuration is None and len(places) > 1:
        raise PreconditionError(
            f"several sshds listen here, with the configurations {' and '.join(places)}; say which by --sshd-config"
        )
    meant = [
        (sshd, one) for sshd, one in found if configuration is None or same_file(sshd.configuration, configuration)
    ]
    sshd = meant[0][0] if meant else find_sshd(executable, configuration)._replace(options=())
    here = tuple(listener for _, one in meant for listener in _listener(one))
    return sshd, Server(sshd.executable, sshd.configuration, sshd.options, here)


def listeners_of(configuration: str) -> tuple[Listener, ...]:
    """Return the sshds that listen now and read this configuration; they may be others than some minutes ago."""
    found: list[Listener] = []
    for one in listeners():
        with suppress(SshdError):
            if one.is_openssh and same_file(sshd_of(one).configuration, configuration):
                found += _listener(one)
    return tuple(found)


def drop_in_path(sshd: Sshd, directory: str | None) -> str:
    """Return where the drop-in belongs: a directory whose `*.conf` sshd reads before its first Match block.

    `directory` is where the administrator wants it. Raises PreconditionError if sshd would not read it there, or too
    late; SshdError if the configuration cannot be read.
    """
    directory = os.path.abspath(directory) if directory else None  # noqa: PTH100 - links stay as they are written
    lines = read_config(sshd.configuration).lines
    own = [line for line in lines if line.path == sshd.configuration]
    first_match = next((line.number for line in own if line.keyword == "match"), None)
    places = [(_whole(pattern), line) for line in own if line.keyword == "include" for pattern in line.arguments]
    in_time = [pattern for pattern, line in places if not line.match]
    wanted = directory or next((_folder(one) for one in in_time if _takes(one, f"{_folder(one)}/{DROP_IN}")), None)
    if wanted is not None and any(_takes(pattern, f"{wanted}/{DROP_IN}") for pattern in in_time):
        return f"{wanted}/{DROP_IN}"
    folder = wanted or f"{Path(sshd.configuration).parent}/sshd_config.d"
    include = f"`Include {folder}/*.conf`"
    if any(_takes(pattern, f"{folder}/{DROP_IN}") for pattern, _ in places):
        raise PreconditionError(
            f"{sshd.configuration} includes {folder} only below its Match line {first_match}, which is too late; "
            f"put {include} at its top"
        )
    raise PreconditionError(f"{sshd.configuration} does not include {folder}; put {include} at its top")


def require_writable(path: str) -> None:
    """Raise PreconditionError unless a file can be made, or replaced, at `path`."""
    folder = Path(path).parent
    if not folder.is_dir():
        raise PreconditionError(f"{folder} does not exist; `install -d -m 755 {folder}` makes it")
    if os.statvfs(folder).f_flag & os.ST_RDONLY or not os.access(folder, os.W_OK):
        raise PreconditionError(f"{folder} is on a file system that is read-only here; make it writable")


def _listener(running: Running) -> list[Listener]:
    found = process(running.pid)
    return [] if found is None else [Listener(running.pid, found.start_time, unit_of(running.pid))]


def same_file(one: str, other: str) -> bool:
    """Tell whether two paths name the same file, whether or not it exists."""
    return os.path.realpath(one) == os.path.realpath(other)


def _whole(pattern: str) -> str:
    return pattern if pattern.startswith("/") else f"{INCLUDES_FROM}/{pattern}"


def _folder(pattern: str) -> str:
    return pattern.rpartition("/")[0]


def _takes(pattern: str, path: str) -> bool:
    """Tell whether an Include's pattern names the file, which need not exist."""
    folder, _, name = pattern.rpartition("/")
    at, _, own = path.rpartition("/")
    if glob.has_magic(folder):
        return False
    return same_file(folder, at) and fnmatch.fnmatchcase(own, name)

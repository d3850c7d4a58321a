"""What can be found out about the daemon: whether it could serve under these orders, and does."""

import asyncio
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

from secsign_gate.broker.control import ControlError, asked
from secsign_gate.broker.listening import control_path, require_roots_folder
from secsign_gate.broker.privileges import account_of_broker
from secsign_gate.config import Settings, load_settings
from secsign_gate.config.toml_text import parse_toml
from secsign_gate.directory.users_file import load_users
from secsign_gate.doctor.as_account import acting_as
from secsign_gate.errors import ConfigError, Problem
from secsign_gate.trusted_file import read_trusted_lines

_START = "systemctl start secsign-gate, or `secsign-gate broker`"
_LISTS = {  # of a status, and what is read of each member
    "waiting": {"secsign_id"},
    "pushes": {"name", "recent", "denials", "pause_left"},
    "id_servers": {"url", "state", "sentence"},
}
_RELOAD = "systemctl reload secsign-gate, or send it SIGHUP"


class DaemonFound(NamedTuple):
    """What is known of the daemon.

    `state` is `none` (nobody has set one up), `serving`, `silent` (set up, but nobody answers) or `unknown` (only root
    may ask). `sentence` says so. `problems` are what would keep it from serving, `notes` what may not be meant.
    `status` is what it says of itself (broker/control.py), None unless it serves.
    """

    state: str
    sentence: str
    problems: list[Problem]
    notes: list[str]
    status: dict[str, Any] | None = None


def daemon_found(settings: Settings) -> DaemonFound:
    """Look for a daemon under these orders. One is meant if they set something in [broker], or if its socket is there.

    What would keep it from serving is a problem in the first case only: a socket may be left from a trial.
    """
    place = f"at {settings.broker.socket}"
    meant = bool(parse_toml(settings.path, read_trusted_lines(settings.path)).get("broker"))
    if not meant and not Path(settings.broker.socket).is_socket():
        return DaemonFound("none", "not set up; each login starts a broker of its own (--config)", [], [])
    problems = _problems(settings) if meant else []
    if os.geteuid() != 0:
        return DaemonFound("unknown", f"{place}; run this as root to learn whether it serves", problems, [])
    try:
        status = asyncio.run(asked(control_path(settings.broker.socket), {"request": "status"}))
        _require_our_shape(status)
        sentence = f"serving {place}, pid {status['pid']}, {len(status['waiting'])} waiting"
        return DaemonFound("serving", sentence, problems or _problems(settings), _notes(settings, status), status)
    except ControlError:
        note = f"doors that ask the daemon let nobody in until it serves: {_START}"
        return DaemonFound("silent", f"does not answer {place}", problems, [note])
    except (KeyError, TypeError, ValueError):
        return DaemonFound("serving", f"of another version {place}", problems, [f"restart the daemon: {_START}"])


def _require_our_shape(status: dict[str, Any]) -> None:
    """Raise KeyError or TypeError for a status of another version, as far as anybody here reads it."""
    for name, members in _LISTS.items():
        if not isinstance(status[name], list) or any(members - one.keys() for one in map(dict, status[name])):
            raise TypeError(name)
    if not isinstance(status["pid"], int):
        raise TypeError("pid")


def _problems(settings: Settings) -> list[Problem]:
    """Return what would keep a daemon from serving."""
    problems: list[Problem] = []
    try:
        require_roots_folder(settings.broker.socket)
    except ConfigError as error:
        problems += error.problems
    try:
        account = account_of_broker(settings.broker.account, settings.path)
        if os.geteuid() == 0:
            with acting_as(account.pw_name, account.pw_uid, account.pw_gid):
                _require_readable(settings)
                _require_writable(settings)
    except ConfigError as error:
        problems += error.problems
    return problems


def _require_readable(settings: Settings) -> None:
    """Read all orders once more. Raises ConfigError."""
    load_users(load_settings(settings.path).users_file)


def _require_writable(settings: Settings) -> None:
    """Raise ConfigError unless the file of the record can be written."""
    path = settings.audit.file
    if path is None:
        return
    target = path if os.access(path, os.F_OK, effective_ids=True) else Path(path).parent
    if not os.access(target, os.R_OK | os.W_OK, effective_ids=True):
        what = f"{path} cannot be written by {settings.broker.account}, so nobody would be let in"
        remedy = "name a file in /var/log/secsign-gate (systemd/tmpfiles.d), or chown it"
        raise ConfigError([Problem(settings.path, 0, "audit.file", what, remedy)])


def _notes(settings: Settings, status: dict[str, Any]) -> list[str]:
    """Return in what the orders of the daemon that serves are not those that were checked."""
    if status["configuration"] != settings.path:
        return [f"the daemon serves under the orders in {status['configuration']}, not under these"]
    if status["configuration_fault"]:
        return [f"the daemon could not use these orders when it last read them, and keeps the old ones: {_RELOAD}"]
    changed = max(Path(path).stat().st_mtime for path in (settings.path, settings.users_file))
    if changed > status["loaded_at"]:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(status["loaded_at"]))
        return [f"the daemon has not read these orders since they were changed (last at {when}): {_RELOAD}"]
    return []

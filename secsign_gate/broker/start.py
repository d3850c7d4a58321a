"""From root's command line to a serving broker: the privileged half first, then the sockets, then root is given up."""

import asyncio
import os
import pwd
import socket
import sys
from importlib.util import find_spec
from typing import NoReturn

from secsign_gate.broker.daemon import Daemon
from secsign_gate.broker.listening import Listeners, control_path, listen_for_doors, listen_for_metrics, listen_for_root
from secsign_gate.broker.monitor import start_monitor
from secsign_gate.broker.privileges import NO_GROUP, account_of_broker, become, raise_descriptor_limit
from secsign_gate.broker.service_manager import Notifier, listening_sockets
from secsign_gate.config import Settings, load_settings
from secsign_gate.config.reader import broker_account_named_in
from secsign_gate.errors import ConfigError, Problem

SOCKET_NAME = "secsign-gate.socket"  # what the unit calls it, see systemd/secsign-gate.socket


def start(path: str) -> None:
    """Serve under the orders in `path` until told to stop. Raises ConfigError and OSError before anybody is served."""
    if os.geteuid() != 0:
        problem = "the broker must be started by root, which it gives up at once"
        raise ConfigError([Problem("secsign-gate broker", 0, "", problem, "use sudo, or let systemd start it")])
    account = _account(path)
    # Before the settings, for they hold a secret, and the monitor is a fork of this process. And not in the account's
    # group, by which the file of that secret may be read.
    with start_monitor(account.pw_uid, NO_GROUP) as monitor:
        settings = load_settings(path)
        if account_of_broker(settings.broker.account, path).pw_uid != account.pw_uid:
            raise ConfigError([Problem(path, 0, "broker.account", "it was changed at this moment", "start again")])
        notifier = Notifier()
        given = listening_sockets()
        if set(given) - {SOCKET_NAME}:
            what = f"sockets named {', '.join(sorted(given))} were passed"
            raise ConfigError([Problem("sockets from the service manager", 0, "", what, f"pass {SOCKET_NAME} only")])
        listener = given.get(SOCKET_NAME) or listen_for_doors(settings.broker.socket)
        control = listen_for_root(control_path(settings.broker.socket))
        metrics = _metrics(settings, account)
        raise_descriptor_limit()
        become(account)
        asyncio.run(_serve(path, monitor, notifier, Listeners(listener, control, metrics)))


def _account(path: str) -> pwd.struct_passwd:
    """Return the account that the orders in `path` name, without reading anything secret. Raises ConfigError."""
    try:
        return account_of_broker(broker_account_named_in(path), path)
    except ConfigError:
        load_settings(path)  # if the orders are not usable, that is to be said, and not that a default is not there
        raise


def _metrics(settings: Settings, account: pwd.struct_passwd) -> socket.socket | None:
    """Listen for Prometheus, if that is wanted. Raises ConfigError."""
    place = settings.broker.metrics
    if place is None:
        return None
    if find_spec("prometheus_client") is None:
        what = "metrics need prometheus_client, which is not installed"
        remedy = "install secsign-gate[metrics], or take the setting out"
        raise ConfigError([Problem(settings.path, 0, "broker.metrics", what, remedy)])
    return listen_for_metrics(place, account.pw_gid)


def _end() -> NoReturn:
    """End now. asyncio would wait for its threads, and one of them may be waiting for a name service in vain."""
    sys.stderr.flush()
    os._exit(0)


async def _serve(path: str, monitor: socket.socket, notifier: Notifier, listeners: Listeners) -> None:
    daemon = Daemon(path, monitor, notifier)
    await daemon.run(listeners)
    _end()

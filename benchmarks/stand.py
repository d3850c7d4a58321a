"""A whole stand for a benchmark: ID server with its phone, broker daemon, sshd with the gate for some accounts."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from broker_daemon import DOOR_OF_DAEMON, BrokerDaemon
from gated_host import GatedHost
from orders import write_orders
from running_simulator import RunningSimulator


class Stand(NamedTuple):
    """What runs, and the folder that all of it uses."""

    folder: Path
    simulator: RunningSimulator
    broker: BrokerDaemon
    host: GatedHost


@contextmanager
def fresh_folder() -> Iterator[Path]:
    """Yield a folder that everybody can read and only root can write to; the gate insists on that."""
    with tempfile.TemporaryDirectory(dir="/run") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@contextmanager
def gated_stand(
    accounts: Sequence[str],
    simulator_options: Sequence[str] = (),
    forced: Mapping[str, str] | None = None,
    **tables: Mapping[str, Any],
) -> Iterator[Stand]:
    """Yield a stand on which `accounts` log in by way of the daemon, each with a SecSign ID of its own.

    `forced` adds other forced commands for other accounts, `tables` changes the gate's configuration.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(fresh_folder())
        simulator = stack.enter_context(RunningSimulator(folder / "simulator", *simulator_options))
        ids = {account: account for account in accounts}
        orders = write_orders(folder / "gate", (simulator.url, simulator.ca_file), ids, **tables)
        broker = stack.enter_context(BrokerDaemon(orders))
        forced_commands = {",".join(accounts): DOOR_OF_DAEMON, **(forced or {})}
        host = stack.enter_context(GatedHost(folder / "host", forced_commands))
        yield Stand(folder, simulator, broker, host)

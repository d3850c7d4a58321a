"""A login with a broker of its own, started by the door: let in by a rule, and with a push accepted at once."""

from contextlib import ExitStack

from covered_channel import times_of
from gated_host import DOOR, GatedHost, people
from orders import write_orders
from report import Section, Table, median
from running_simulator import RunningSimulator
from stand import fresh_folder

ROUNDS = 20
HOW = """The door starts a broker for one login: a second interpreter, which reads the configuration and the users file
and writes the record; then, if a push is due, asyncio, httpx and TLS. `none` is the same without a forced command."""


def measure(rounds: int) -> Section:
    """Return what an embedded login takes, beside one without a gate."""
    exempt, pushed, none = people(3)
    with ExitStack() as stack:
        folder = stack.enter_context(fresh_folder())
        simulator = stack.enter_context(RunningSimulator(folder / "simulator", "--auto-accept", "0"))
        id_server = (simulator.url, simulator.ca_file)
        orders = write_orders(folder / "gate", id_server, {pushed: "alice"}, policy={"exempt_accounts": exempt})
        host = stack.enter_context(GatedHost(folder / "host", {f"{exempt},{pushed}": f"{DOOR} --config {orders}"}))
        accounts = {"none": none, "let in by a rule": exempt, "push": pushed}
        times = times_of(stack.enter_context(host.all_connected(accounts)), rounds)
    bare = median(times["none"])
    rows = [(name, f"{median(taken):.0f}", f"{median(taken) - bare:.0f}") for name, taken in times.items()]
    table = Table(("login", "ms", "added"), rows)
    return Section("An embedded login in all", HOW, (table,), (), f"{rounds} rounds, medians")

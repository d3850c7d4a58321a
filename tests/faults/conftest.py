"""Two ID servers by simulator, and the client's settings for each dialect."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from blocking_id_server import PIN_ARGUMENTS, Dialect, settings_for
from running_simulator import RunningSimulator

from secsign_gate.config import IdServerSettings
from secsign_gate.simulator.certificates import TlsFiles, prepare

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    with RunningSimulator(tmp_path_factory.mktemp("simulator"), *PIN_ARGUMENTS) as running:
        yield running


@pytest.fixture(scope="module")
def fallback(tmp_path_factory: pytest.TempPathFactory, simulator: RunningSimulator) -> Iterator[RunningSimulator]:
    """A second ID server, with a certificate of the same authority."""
    folder = tmp_path_factory.mktemp("fallback")
    for name in ("ca.pem", "ca-key.pem"):
        (folder / name).write_bytes(Path(simulator.ca_file).with_name(name).read_bytes())
    with RunningSimulator(folder, *PIN_ARGUMENTS) as running:
        yield running


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return prepare(tmp_path_factory.mktemp("tls"), "good", "127.0.0.1")


@pytest.fixture(params=["form", "rest"])
def dialect(request: pytest.FixtureRequest) -> Dialect:
    chosen: Dialect = request.param
    return chosen


@pytest.fixture
def settings(simulator: RunningSimulator, dialect: Dialect) -> Iterator[IdServerSettings]:
    yield settings_for(dialect, simulator.url, simulator.ca_file)
    simulator.clear_faults()


@pytest.fixture
def user() -> str:
    """A SecSign ID that no other test uses."""
    return f"alice{next(_numbers)}"

"""One simulator per test file, cleared of faults after each test; each test uses SecSign IDs of its own."""

import itertools
from collections.abc import Iterator

import pytest
from dialect_speakers import PIN_ACCOUNT, FormSpeaker, RestSpeaker, connect
from running_simulator import RunningSimulator

NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def simulator_of_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    with RunningSimulator(tmp_path_factory.mktemp("simulator"), "--pin-account", ":".join(PIN_ACCOUNT)) as running:
        yield running


@pytest.fixture
def simulator(simulator_of_file: RunningSimulator) -> Iterator[RunningSimulator]:
    yield simulator_of_file
    simulator_of_file.clear_faults()


@pytest.fixture
def form(simulator: RunningSimulator) -> Iterator[FormSpeaker]:
    with connect(simulator.url, simulator.ca_file) as client:
        yield FormSpeaker(client)


@pytest.fixture
def rest(simulator: RunningSimulator) -> Iterator[RestSpeaker]:
    with connect(simulator.url, simulator.ca_file, PIN_ACCOUNT) as client:
        yield RestSpeaker(client)


@pytest.fixture
def alice() -> str:
    """A SecSign ID that no other test uses."""
    return f"alice{next(NUMBERS)}"

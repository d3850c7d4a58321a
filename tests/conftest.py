"""What tests of all kinds share: their modules are found, none hangs, and signals are as a terminal has them.

Everything else that a test needs stands in the folder of its kind.
"""

import os
import signal
import sys
from collections.abc import Generator
from pathlib import Path
from typing import NoReturn

import hypothesis
import pytest

TESTS = Path(__file__).parent

for folder in (TESTS, TESTS / "private_host"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

# Timings are never asserted: the machine may be busy with something else.
SLOWNESS = [hypothesis.HealthCheck.too_slow]
hypothesis.settings.register_profile(
    "patient",
    deadline=None,
    suppress_health_check=SLOWNESS,
    print_blob=True,
    derandomize="CI" in os.environ,  # there the same examples each time; who works on the code looks for new ones
)
hypothesis.settings.load_profile("patient")


def pytest_configure(config: pytest.Config) -> None:
    """Undo what nohup and `&` do to signals."""
    del config
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):  # they would be ignored in all that is started here
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL)


LONGEST_TEST = 300  # seconds; many times what the slowest needs on a busy machine


class HangError(BaseException):
    """A test did not end. No `except Exception` on its way holds this up."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, None, None]:
    """Fail a test that hangs, so that the others are run and the whole ends."""

    def give_up(*_: object) -> NoReturn:
        raise HangError(f"it took more than {LONGEST_TEST} seconds")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(LONGEST_TEST)
    try:
        return (yield)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)

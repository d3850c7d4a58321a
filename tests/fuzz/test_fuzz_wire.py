import fuzz_wire
import pytest

from secsign_gate import wire


def test_a_short_run_breaks_no_law() -> None:
    assert fuzz_wire.run(seed=1, executions=5000) == 5000


def test_the_seeds_reach_every_message() -> None:
    # Else the run above could pass without ever having read one.
    (whole,) = {fuzz_wire.one(fuzz_wire.SEEDS[-1])}
    assert len(whole) == len(fuzz_wire.MESSAGES) + 1
    assert whole[-1] == "0 left"


def test_the_target_notices_a_reader_that_crashes(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(_frame: bytes) -> None:
        raise ValueError("not a WireError")

    monkeypatch.setattr("secsign_gate.doors.wait_for_broker.decode", crash)
    with pytest.raises(ValueError, match="not a WireError"):
        fuzz_wire.one(fuzz_wire.SEEDS[0])


def test_the_target_notices_a_reader_that_misreads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secsign_gate.doors.wait_for_broker.decode", lambda _frame: wire.Left(why="somebody"))
    with pytest.raises(AssertionError):
        fuzz_wire.one(fuzz_wire.SEEDS[0])

import fuzz_keys
import pytest

from secsign_gate.core.key_restriction import KeyOrders


@pytest.mark.parametrize("reader", fuzz_keys.READERS)
def test_a_short_run_breaks_no_law(reader: str) -> None:
    executions = {"orders": 300, "key_line": 600}.get(reader, 1500)
    assert fuzz_keys.run(reader, seed=1, executions=executions) == executions


def test_every_seed_is_fit_for_every_reader() -> None:
    outcomes = [fuzz_keys.one(seed) for _, seeds in fuzz_keys.READERS.values() for seed in seeds]
    # Else the run above could pass without ever having seen a yes.
    assert any(outcome[2].startswith("1 False False") for outcome in outcomes)
    assert {"PublicKey OtherMethod"} <= {outcome[3] for outcome in outcomes}
    assert any("True" in outcome[5] for outcome in outcomes)
    assert any("False" in outcome[5] for outcome in outcomes)


def test_the_target_notices_a_reader_that_crashes(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(_data: bytes) -> None:
        raise ValueError("not its own error")

    monkeypatch.setattr(fuzz_keys, "parse_key_line", crash)
    with pytest.raises(ValueError, match="not its own error"):
        fuzz_keys.run("key_line", 0, executions=1)


def test_the_target_notices_a_restriction_that_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz_keys, "key_orders", lambda *_: KeyOrders(None, user_rc=True))
    with pytest.raises(AssertionError):
        fuzz_keys.orders(b'command="x" ' + fuzz_keys.KEY)

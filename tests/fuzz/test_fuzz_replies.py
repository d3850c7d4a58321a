import fuzz_replies
import pytest

from secsign_gate.core.auth_session import StateReport
from secsign_gate.errors import IdServerRefused


@pytest.mark.parametrize("seed", range(4))
def test_a_short_run_breaks_no_law(seed: int) -> None:
    assert fuzz_replies.run(seed, executions=2500) == 2500


def test_the_seeds_reach_both_yes_and_no_of_both_dialects() -> None:
    # Else the run above could pass without ever having seen an answer that is one.
    outcomes = {outcome for seed in fuzz_replies.SEEDS for outcome in fuzz_replies.one(seed)}
    assert {"AuthSession ", "StateReport 1", "StateReport 3", "NoneType ", "IdServerRefused"} <= outcomes


def test_the_target_notices_a_reader_that_crashes(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(_reply: object) -> None:
        raise ValueError("not an IdServerError")

    monkeypatch.setattr(fuzz_replies, "READERS", ((crash, "secret"),))
    with pytest.raises(ValueError, match="not an IdServerError"):
        fuzz_replies.run(0, executions=1)


def test_the_target_notices_a_false_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    def gullible(_reply: object) -> object:
        return StateReport(None, None, 3)

    monkeypatch.setattr(fuzz_replies, "READERS", ((gullible, "secret"),))
    with pytest.raises((AssertionError, ValueError)):
        fuzz_replies.one(b"authsessionstate=3&error=500")


def test_the_target_notices_a_secret_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def talkative(_reply: object) -> None:
        raise IdServerRefused("your secret is secret", http_status=503)

    monkeypatch.setattr(fuzz_replies, "READERS", ((talkative, "secret"),))
    with pytest.raises(AssertionError):
        fuzz_replies.one(b"")

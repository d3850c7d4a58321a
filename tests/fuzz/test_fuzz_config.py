import fuzz_config
import pytest

from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.directory.users_file import Users
from secsign_gate.errors import ConfigError, Problem


@pytest.mark.parametrize("seed", range(3))
def test_a_short_run_breaks_no_law(seed: int) -> None:
    assert fuzz_config.run(seed, executions=400) == 400


def test_the_seeds_reach_a_value_of_every_reader_and_a_problem_too() -> None:
    # Else the run above could pass without ever having seen a file that is one.
    outcomes = {outcome for seed in fuzz_config.SEEDS for outcome in fuzz_config.one(seed)}
    assert {"Settings", "Users", "PinAccount", "str", "True", "False"} <= outcomes
    assert any("policy.exempt_commands[2].accounts:is a whole number" in outcome for outcome in outcomes)


def test_the_target_notices_a_reader_that_crashes(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(_path: str) -> None:
        raise KeyError("not a ConfigError")

    monkeypatch.setattr(fuzz_config, "load_settings", crash)
    with pytest.raises(KeyError, match="not a ConfigError"):
        fuzz_config.run(0, executions=1)


def test_the_target_notices_a_line_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def misplace(path: str) -> None:
        raise ConfigError([Problem(path, 9, "", "wrong", "correct it")])

    monkeypatch.setattr(fuzz_config, "load_users", misplace)
    with pytest.raises(AssertionError):
        fuzz_config.one(b"one line\n")


def test_the_target_notices_a_raw_control_character_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def garble(path: str) -> None:
        raise ConfigError([Problem(path, 1, "\x1b[31m", "wrong", "correct it")])

    monkeypatch.setattr(fuzz_config, "load_users", garble)
    with pytest.raises(AssertionError):
        fuzz_config.one(b"one line\n")


def test_the_target_notices_an_impossible_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz_config, "load_users", lambda _path: Users({("a b", None): SecSignId("alice")}))
    with pytest.raises(ValueError, match="an account name holds no blank"):
        fuzz_config.one(b"one line\n")

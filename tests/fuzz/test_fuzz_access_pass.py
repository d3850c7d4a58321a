import fuzz_access_pass
import pytest


@pytest.mark.parametrize("seed", range(3))
def test_a_short_run_breaks_no_law(seed: int) -> None:
    assert fuzz_access_pass.run(seed, executions=1000) == 1000


def test_the_seeds_are_pictures_of_every_kind_or_misplace_a_palette() -> None:
    # Else the run above could pass without ever having seen a picture.
    outcomes = [fuzz_access_pass.one(seed) for seed in fuzz_access_pass.SEEDS]
    assert {outcome[-1] for outcome in outcomes if "kind" in outcome} == set("02346")


def test_the_target_notices_a_reader_that_crashes(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(_data: bytes, _side: int) -> None:
        raise IndexError("not a PictureUnreadable")

    monkeypatch.setattr(fuzz_access_pass, "read_access_pass", crash)
    with pytest.raises(IndexError):
        fuzz_access_pass.run(0, executions=1)


def test_the_target_notices_a_picture_beyond_its_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    class Huge:
        width, height, pixels = 10_000, 1, bytes(30_000)

    monkeypatch.setattr(fuzz_access_pass, "read_access_pass", lambda _data, _side: Huge)
    with pytest.raises(AssertionError):
        fuzz_access_pass.one(b"")

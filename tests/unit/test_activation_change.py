"""A change by value: when it is undone, what of, and that nothing but a change is read as one."""

from __future__ import annotations

import json

import hypothesis.strategies as st
import pytest
from hypothesis import given

from secsign_gate.activation.change import (
    INTERRUPTED,
    NEW_START,
    NOT_CONFIRMED,
    Change,
    KeptFile,
    Listener,
    Moment,
    Phase,
    Server,
    WrittenFile,
    confirmed,
    disabling,
    put_in_force,
    undoing,
    why_due,
)
from secsign_gate.activation.change_json import JournalError, from_json, to_json

BEGAN = Moment("a-boot", 1000.0, 1_800_000_000.0)
BEFORE = (KeptFile("/etc/ssh/sshd_config.d/00-secsign-gate.conf", b"before"),)
ORIGINAL = (KeptFile("/etc/ssh/sshd_config.d/00-secsign-gate.conf", None),)


def change(phase: Phase = Phase.ARMED, previous: Change | None = None) -> Change:
    return Change(
        phase=phase,
        server=Server("/usr/sbin/sshd", "/etc/ssh/sshd_config", ("-o", "Port=22"), (Listener(7, 70),)),
        gated="alice",
        break_glass=("rescue",),
        doors=("force-command", "/run/secsign-gate/broker.sock"),
        started=BEGAN,
        deadline=BEGAN.later(300),
        in_force=None,
        before=BEFORE,
        original=ORIGINAL,
        written=(WrittenFile(BEFORE[0].path, "00"),),
        previous=previous,
    )


WAITING = put_in_force(change(), BEGAN.later(10), 300)


@pytest.mark.parametrize(
    ("present", "now", "why"),
    [
        (None, BEGAN, ""),
        (change(), BEGAN, INTERRUPTED),
        (WAITING, BEGAN.later(309.9), ""),
        (WAITING, BEGAN.later(310), NOT_CONFIRMED),
        (confirmed(WAITING), BEGAN.later(1e9), ""),
        (undoing(WAITING, "a reason"), BEGAN, "a reason"),
        (disabling(confirmed(WAITING)), BEGAN, "the gate was switched off"),
        # the clock on the wall was set, by a day: nothing comes of it
        (WAITING, BEGAN.later(20)._replace(wall=BEGAN.wall + 86400), ""),
        (WAITING, BEGAN.later(310)._replace(wall=BEGAN.wall - 86400), NOT_CONFIRMED),
        # another boot, whose clock has not come as far yet
        (WAITING, Moment("another-boot", 5.0, BEGAN.wall + 20), NEW_START),
        (change(), Moment("another-boot", 5.0, BEGAN.wall + 20), NEW_START),
        (confirmed(WAITING), Moment("another-boot", 5.0, BEGAN.wall + 20), ""),
    ],
)
def test_when_it_is_undone(present: Change | None, now: Moment, why: str) -> None:
    assert why_due(present, now) == why


def test_a_container_that_starts_anew_has_the_old_boot() -> None:
    assert why_due(WAITING, BEGAN.later(20), at_boot=True) == NEW_START
    assert why_due(confirmed(WAITING), BEGAN.later(20), at_boot=True) == ""


def test_an_undo_goes_back_one_change_and_disable_all_of_them() -> None:
    first = confirmed(WAITING)
    second = change(Phase.WAITING, previous=first)
    assert (undoing(second, "x").before, undoing(second, "x").previous) == (BEFORE, first)
    assert (disabling(second).before, disabling(second).previous) == (ORIGINAL, None)
    assert (disabling(confirmed(second)).before, confirmed(second).previous) == (ORIGINAL, None)
    assert disabling(second).server.listeners == (Listener(7, 70),)
    assert disabling(first).server.listeners == ()  # one that was stopped since is not started


def test_an_undo_that_is_begun_again_keeps_its_reason() -> None:
    assert undoing(undoing(WAITING, "first"), "second").why == "first"
    assert disabling(undoing(WAITING, "first")).before == ORIGINAL


texts = st.text(max_size=20)
numbers = st.integers(0, 2**40)
paths = texts.map(lambda text: "/" + text.replace("\0", ""))
moments = st.builds(Moment, texts, st.floats(0, 1e12), st.floats(0, 1e12))
kept = st.builds(
    KeptFile, paths, st.none() | st.binary(max_size=50), numbers, numbers, numbers, numbers,
    st.lists(st.tuples(texts, st.binary(max_size=9)), max_size=2).map(tuple),
)  # fmt: skip
changes = st.builds(
    Change,
    st.sampled_from(Phase),
    st.builds(Server, texts, texts, st.lists(texts, max_size=3).map(tuple),
              st.lists(st.builds(Listener, numbers, numbers), max_size=2).map(tuple)),
    texts, st.lists(texts, max_size=2).map(tuple), st.lists(texts, max_size=2).map(tuple),
    moments, moments, st.none() | moments,
    st.lists(kept, max_size=2).map(tuple), st.lists(kept, max_size=2).map(tuple),
    st.lists(st.builds(WrittenFile, paths, texts), max_size=2).map(tuple), st.none(), texts,
)  # fmt: skip


@given(changes, st.none() | changes)
def test_what_is_written_is_what_is_read(one: Change, previous: Change | None) -> None:
    whole = one._replace(previous=previous)
    assert from_json(to_json(whole)) == whole


@given(st.text() | st.recursive(st.none() | st.booleans() | st.floats() | texts,
       lambda inner: st.lists(inner) | st.dictionaries(texts, inner)).map(json.dumps))  # fmt: skip
def test_nothing_else_is_read_as_a_change(text: str) -> None:
    with pytest.raises(JournalError):
        from_json(text)


def test_a_change_of_another_format_is_not_guessed_at() -> None:
    value = json.loads(to_json(WAITING))
    with pytest.raises(JournalError, match="format 2"):
        from_json(json.dumps(value | {"format": value["format"] + 1}))


@given(changes, st.data())
def test_a_damaged_change_is_no_other_change(one: Change, data: st.DataObject) -> None:
    """A part that is missing or of another kind is a fault; no exception but this one comes of it."""
    whole = json.loads(to_json(one))
    value = whole["change"]
    name = data.draw(st.sampled_from(sorted(value)))
    if data.draw(st.booleans()):
        del value[name]
    else:
        value[name] = data.draw(st.none() | st.booleans() | st.lists(st.none()) | st.just({"x": 1}) | st.just("\0"))
    try:
        from_json(json.dumps(whole))
    except JournalError:
        return
    assert name in value

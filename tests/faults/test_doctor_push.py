"""The doctor's one push: each way that it can end, and that nothing is left on the phone."""

import asyncio
import threading
from pathlib import Path

import pytest
from loopback_servers import nobody_listens
from running_simulator import RunningSimulator

from secsign_gate.config import Settings, load_settings
from secsign_gate.core.login import Account
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.doctor.one_push import PushEnd, push_once, request_for_test

SOMEBODY = Account("alice", 2001, "/home/alice", "/bin/bash", ())
SECONDS = 5


def orders(tmp_path: Path, url: str, ca_file: str) -> Settings:
    tmp_path.chmod(0o755)
    path = tmp_path / "secsign-gate.toml"
    path.write_text(
        f'[id_server]\ndialect = "form"\nurl = "{url}"\nca_file = "{ca_file}"\n[push]\nwait_seconds = {SECONDS}\n'
    )
    path.chmod(0o644)
    return load_settings(str(path))


@pytest.fixture
def settings(tmp_path: Path, simulator: RunningSimulator) -> Settings:
    simulator.clear_faults()
    return orders(tmp_path, simulator.url, simulator.ca_file)


def pushed(settings: Settings, user: str) -> tuple[PushEnd, list[str]]:
    told: list[str] = []
    request = request_for_test(SOMEBODY, SecSignId(user))
    end = asyncio.run(push_once(settings, request, lambda stage, _: told.append(stage)))
    return end, told


def disposed(simulator: RunningSimulator, user: str) -> list[str | None]:
    return [one["disposed"] for one in simulator.auth_sessions() if one["secsignid"] == user]


def test_accepted(settings: Settings, simulator: RunningSimulator, user: str) -> None:
    tap = threading.Thread(target=simulator.accept, args=[user])
    tap.start()
    end, told = pushed(settings, user)
    tap.join()
    assert (end.accepted, end.why) == (True, "approved")
    assert "has created it" in told[0]
    assert told[-2:] == ["accepted on the phone", "it is disposed of"]
    assert disposed(simulator, user) == ["release"]


def test_the_phone_says_that_it_is_a_test_and_for_whom(
    settings: Settings, simulator: RunningSimulator, user: str
) -> None:
    tap = threading.Thread(target=simulator.deny, args=[user])
    tap.start()
    pushed(settings, user)
    tap.join()
    [shown] = [one for one in simulator.auth_sessions() if one["secsignid"] == user]
    assert "test by secsign-gate doctor: alice@" in str(shown)


def test_denied(settings: Settings, simulator: RunningSimulator, user: str) -> None:
    tap = threading.Thread(target=simulator.deny, args=[user])
    tap.start()
    end, _ = pushed(settings, user)
    tap.join()
    assert (end.accepted, end.why) == (False, "denied_on_phone")
    assert disposed(simulator, user) == ["release"]


def test_nobody_answers(settings: Settings, simulator: RunningSimulator, user: str) -> None:
    end, told = pushed(settings, user)
    assert (end.accepted, end.why) == (False, "no_answer")
    assert told[-1] == "it is withdrawn from the phone"
    assert disposed(simulator, user) == ["cancel"]


def test_a_frozen_id(settings: Settings, simulator: RunningSimulator, user: str) -> None:
    simulator.faults("frozen", on="create")
    end, _ = pushed(settings, user)
    assert (end.accepted, end.why) == (False, "frozen")
    assert "tap it in the SecSign app" in end.sentence


def test_an_id_that_the_server_does_not_know(tmp_path: Path, user: str) -> None:
    with RunningSimulator(tmp_path / "server", "--id", "somebody.else") as simulator:
        end, _ = pushed(orders(tmp_path, simulator.url, simulator.ca_file), user)
    assert (end.accepted, end.why) == (False, "no_such_secsign_id")


def test_a_server_that_is_not_there(tmp_path: Path, simulator: RunningSimulator, user: str) -> None:
    with nobody_listens() as url:
        end, _ = pushed(orders(tmp_path, url, simulator.ca_file), user)
    assert (end.accepted, end.why) == (False, "id_server_unreachable")


def test_interrupted_it_is_withdrawn(settings: Settings, simulator: RunningSimulator, user: str) -> None:
    async def interrupted() -> None:
        request = request_for_test(SOMEBODY, SecSignId(user))
        on_its_way = asyncio.Event()
        push = asyncio.create_task(push_once(settings, request, lambda *_: on_its_way.set()))
        await on_its_way.wait()
        push.cancel()
        with pytest.raises(asyncio.CancelledError):
            await push

    asyncio.run(interrupted())
    assert disposed(simulator, user) == ["cancel"]


def test_interrupted_before_the_server_has_answered_it_is_withdrawn_too(
    settings: Settings, simulator: RunningSimulator, user: str
) -> None:
    simulator.faults("late", on="create", milliseconds=500)

    async def interrupted() -> None:
        push = asyncio.create_task(push_once(settings, request_for_test(SOMEBODY, SecSignId(user)), lambda *_: None))
        while not await asyncio.to_thread(disposed, simulator, user):  # the server has made it, and not said so yet
            pass
        push.cancel()
        with pytest.raises(asyncio.CancelledError):
            await push

    asyncio.run(interrupted())
    assert disposed(simulator, user) == ["cancel"]


def test_what_cannot_be_withdrawn_is_said(settings: Settings, simulator: RunningSimulator, user: str) -> None:
    simulator.faults("status", on="cancel", status=503)
    _, told = pushed(settings, user)
    assert "could not be taken off the phone" in told[-1]

"""Who has a uid, while the databases are slow or hang: a login waits for them, never for those of other accounts."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, Protocol, cast

import pytest
from broker_visit import QUESTION, IdServerOfFutures, Records, Visit
from ssh_samples import ED25519, words

from secsign_gate import wire
from secsign_gate.broker import account_lookup
from secsign_gate.broker.account_lookup import AccountLookUps, SlowLookUpError, UnknownAccountError
from secsign_gate.broker.connections import Connections
from secsign_gate.broker.recorder import Recorder
from secsign_gate.broker.state import StateInMemory
from secsign_gate.broker.threads import ThreadsByAccount
from secsign_gate.broker.world import Kept, Proving, World
from secsign_gate.config import load_settings
from secsign_gate.core import key_restriction
from secsign_gate.core.ancestry import UnprovenError
from secsign_gate.core.authorized_keys import KeyLine, parse_key_line
from secsign_gate.core.login import Account
from secsign_gate.core.verdict import Reason
from secsign_gate.directory.users_file import load_users

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from secsign_gate.broker.monitor import Monitor

LONGEST_WAIT = 20.0


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(LONGEST_WAIT):
            await work()

    asyncio.run(bounded())


def account(uid: int) -> Account:
    return Account(f"user{uid}", uid, "/", "/bin/sh", ())


class Databases:
    """The databases of accounts. Those of the uids in `hanging` do not answer before `answer` is set."""

    def __init__(self) -> None:
        self.asked: Counter[int] = Counter()
        self.hanging: set[int] = set()
        self.answer = threading.Event()
        self.real = account_lookup.account_of

    def account_of(self, uid: int) -> Account:
        self.asked[uid] += 1
        if uid in self.hanging and not self.answer.wait(LONGEST_WAIT):
            raise AssertionError("a test left its databases hanging")
        return account(uid)


@pytest.fixture
def databases(monkeypatch: pytest.MonkeyPatch) -> Iterator[Databases]:
    made = Databases()
    monkeypatch.setattr(account_lookup, "account_of", made.account_of)
    yield made
    made.answer.set()


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110 - what is waited for happens in a thread
        await asyncio.sleep(0)


class TestLookUps:
    def test_all_who_wait_for_one_uid_wait_for_the_same_look_up(self, databases: Databases) -> None:
        databases.hanging = {1000}

        async def work() -> None:
            look_ups = AccountLookUps(ThreadsByAccount())
            waiting = [asyncio.create_task(look_ups.account(1000)) for _ in range(50)]
            assert await look_ups.account(1001) == account(1001)
            databases.answer.set()
            assert await asyncio.gather(*waiting) == [account(1000)] * 50
            assert databases.asked == {1000: 1, 1001: 1}
            await look_ups.account(1000)  # nothing is kept: groups change
            assert databases.asked[1000] == 2

        run(work)

    def test_one_that_hangs_takes_one_place_and_no_more_however_often_it_is_asked_for(
        self, databases: Databases, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        databases.hanging = {1000}

        async def work() -> None:
            look_ups = AccountLookUps(ThreadsByAccount(2))
            monkeypatch.setattr(account_lookup, "LOOK_UP_SECONDS", 0.01)
            for _ in range(5):
                with pytest.raises(SlowLookUpError, match="databases of accounts did not say"):
                    await look_ups.account(1000)
            monkeypatch.undo()
            monkeypatch.setattr(account_lookup, "account_of", databases.account_of)
            assert await asyncio.gather(*map(look_ups.account, range(5))) == list(map(account, range(5)))
            assert databases.asked[1000] == 1

        run(work)

    def test_when_all_places_are_taken_by_other_uids_a_look_up_waits_for_the_first(self, databases: Databases) -> None:
        databases.hanging = {1, 2}

        async def work() -> None:
            look_ups = AccountLookUps(ThreadsByAccount(2))
            hanging = [asyncio.create_task(look_ups.account(uid)) for uid in (1, 2)]
            await until(lambda: databases.asked.total() == 2)
            next_one = asyncio.create_task(look_ups.account(3))
            await asyncio.sleep(0)
            assert databases.asked[3] == 0
            databases.answer.set()
            assert await asyncio.gather(next_one, *hanging) == [account(3), account(1), account(2)]

        run(work)

    def test_a_uid_without_an_account(self) -> None:
        async def work() -> None:
            look_ups = AccountLookUps(ThreadsByAccount())
            for _ in range(2):
                with pytest.raises(UnknownAccountError, match="no account has the uid 4294967290"):
                    await look_ups.account(4294967290)

        run(work)


class TestThreads:
    def test_work_of_one_uid_is_done_one_after_the_other(self) -> None:
        inside = []
        most = []

        def work() -> None:
            inside.append(1)
            most.append(len(inside))
            threading.Event().wait(0.001)  # let others run, if they may
            inside.pop()

        async def many() -> None:
            threads = ThreadsByAccount()
            await asyncio.gather(*(threads.result_of(work, 1000) for _ in range(20)))

        run(many)
        assert most == [1] * 20

    def test_who_leaves_before_his_turn_has_begun_nothing(self) -> None:
        begun = []
        go_on = threading.Event()

        async def work() -> None:
            threads = ThreadsByAccount()
            first = asyncio.create_task(threads.result_of(lambda: go_on.wait(LONGEST_WAIT), 1000))
            await asyncio.sleep(0)
            second = asyncio.create_task(threads.result_of(lambda: begun.append(2), 1000))
            third = asyncio.create_task(threads.result_of(lambda: begun.append(3), 1000))
            await asyncio.sleep(0)
            second.cancel()
            go_on.set()
            await asyncio.gather(first, third)

        run(work)
        assert begun == [3]

    def test_a_fault_is_that_of_who_asked(self) -> None:
        async def work() -> None:
            threads = ThreadsByAccount()
            with pytest.raises(ZeroDivisionError):
                await threads.result_of(lambda: 1 // 0, 1000)
            assert await threads.result_of(lambda: 7, 1000) == 7

        run(work)


class NothingProven:
    """A monitor that can prove nothing, as for a door that hides where it comes from."""

    def proof_for(self, *_: object) -> None:
        """Return nothing: no door of its connection was proven before."""

    async def prove(self, *_: object) -> None:
        raise UnprovenError("it is no child of sshd")


class Visited(Protocol):
    """Runs a test's coroutine with a visit to a daemon's broker."""

    def __call__(self, test: Callable[[Visit], Coroutine[Any, Any, None]]) -> None:
        """Return when it has ended."""


@pytest.fixture
def visited(tmp_path: Path) -> Visited:
    """Run a test's coroutine with a visit to a daemon's broker."""
    (tmp_path / "gate.toml").write_text('[id_server]\ndialect = "form"\nurl = "https://id.example.org"\n')
    (tmp_path / "users").write_text("root alice\n")
    for name in ("gate.toml", "users"):
        (tmp_path / name).chmod(0o600)
    settings = load_settings(str(tmp_path / "gate.toml"))

    def with_visit(test: Callable[[Visit], Coroutine[Any, Any, None]]) -> None:
        async def work() -> None:
            id_server, records = IdServerOfFutures(), Records()
            connections = Connections(lambda *_: lambda: None, lambda _: None)
            kept = Kept(StateInMemory(), Proving(cast("Monitor", NothingProven()), connections))
            world = World(settings, load_users(settings.users_file), Recorder(records), lambda: id_server, kept)
            await test(Visit(world, id_server, records))

        run(work)

    return with_visit


class TestLogins:
    def test_a_door_that_leaves_while_the_databases_hang_is_done_with(
        self, visited: Visited, databases: Databases
    ) -> None:
        databases.hanging = {0}

        async def test(visit: Visit) -> None:
            await visit.begin()
            await until(lambda: databases.asked[0] == 1)
            visit.writer.close()
            await visit.serving
            assert visit.records.said() == ["verdict: client_left"]
            await visit.end()

        visited(test)

    def test_databases_that_do_not_answer_are_a_refusal_with_a_sentence(
        self, visited: Visited, databases: Databases, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        databases.hanging = {0}
        monkeypatch.setattr(account_lookup, "LOOK_UP_SECONDS", 0.01)

        async def test(visit: Visit) -> None:
            await visit.begin()
            answer = await visit.answer()
            assert not answer.allowed
            assert answer.why == Reason.BROKER_UNAVAILABLE
            assert "databases of accounts did not say within" in answer.detail
            await visit.end()

        visited(test)

    @pytest.mark.parametrize(
        ("number", "length", "in_a_thread"), [(1, 200, False), (200, 200, True), (257, 20, None), (2, 40_000, None)]
    )
    def test_many_lines_are_judged_in_a_thread_and_more_are_refused(
        self, visited: Visited, monkeypatch: pytest.MonkeyPatch, number: int, length: int, in_a_thread: bool | None
    ) -> None:
        read_in = set()

        def read(line: bytes) -> KeyLine | None:
            read_in.add(threading.current_thread() is not threading.main_thread())
            return parse_key_line(line)

        monkeypatch.setattr(key_restriction, "parse_key_line", read)
        line = (words(ED25519) + b" ").ljust(length, b"x")

        async def test(visit: Visit) -> None:
            question = wire.Ask(**{**vars(QUESTION), "auth_info": b"publickey " + words(ED25519) + b"\n"})
            await visit.begin(question)
            assert isinstance(await visit.hear(), wire.FindKeyLines)
            visit.say(wire.KeyLines(lines=[(b"/keys", at, line) for at in range(1, number + 1)], unsafe=[]))
            if in_a_thread is None:
                answer = await visit.answer()
                assert answer.why == Reason.KEY_OPTIONS_UNREADABLE
                assert "256 lines or 64 KiB" in answer.detail
                assert read_in == set()
            else:
                assert isinstance(await visit.hear(), wire.Progress)
                assert read_in == {in_a_thread}
                visit.id_server.created.set_result(None)
            await visit.end()

        visited(test)

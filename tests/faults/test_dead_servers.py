"""A server that gives no sign of life: in a sentence, in time, known to the next ones, and forgiven when it is back."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from blocking_id_server import BlockingIdServer, creates, push, rest_session, settings_for
from loopback_servers import ByScript, TlsServer, Wiretap, nobody_listens, nobody_speaks
from running_simulator import RunningSimulator

from secsign_gate.config import IdServerSettings
from secsign_gate.core.circuit import ServerHealth, ServerState
from secsign_gate.errors import IdServerError, IdServerRefused, IdServerUnreachable
from secsign_gate.id_server.dialects import HttpIdServer, id_server
from secsign_gate.simulator.certificates import TlsFiles

BRIEFLY = 0.3


def accepted_by(listening: socket.socket) -> int:
    """How many connections wait to be accepted."""
    count = 0
    try:
        while True:
            listening.accept()[0].close()
            count += 1
    except BlockingIOError:
        return count


def let_time_pass(server: BlockingIdServer) -> None:
    """Make it time to try every server that is down."""
    client = server.id_server
    assert isinstance(client, HttpIdServer)
    for url, circuit in client._circuits.items():
        client._circuits[url] = circuit._replace(try_at=0.0)


class TestKnownAtOnce:
    def test_refused_once_is_known_to_the_next(self, settings: IdServerSettings, user: str) -> None:
        with nobody_listens() as url, BlockingIdServer(settings._replace(url=url)) as server:
            assert server.health() == (ServerHealth(url, ServerState.UNKNOWN, 0.0, ""),)
            with pytest.raises(IdServerUnreachable, match=r"Connection refused\); check url[^(]*$"):
                server.open(push(user))
            for _ in range(3):
                with pytest.raises(IdServerUnreachable, match=r"Connection refused.*tried again in [12] s") as caught:
                    server.open(push(user))
                assert not caught.value.request_may_have_arrived
            [health] = server.health()
        assert health.state is ServerState.DOWN
        assert "Connection refused" in health.sentence

    def test_a_silent_one_is_not_connected_to_again(self, settings: IdServerSettings, user: str) -> None:
        with (
            nobody_speaks() as (url, listening),
            BlockingIdServer(settings._replace(url=url, connect_seconds=BRIEFLY)) as server,
        ):
            for _ in range(4):
                with pytest.raises(IdServerUnreachable, match="time limit"):
                    server.open(push(user))
            assert accepted_by(listening) == 1

    def test_a_crowd_before_a_silent_server_learns_it_together(self, settings: IdServerSettings, user: str) -> None:
        async def crowd(url: str) -> None:
            server = id_server(settings._replace(url=url, connect_seconds=BRIEFLY))
            ends = await asyncio.gather(
                *(server.open(push(f"{user}.{number}")) for number in range(50)), return_exceptions=True
            )
            assert {type(end) for end in ends} == {IdServerUnreachable}
            assert not any(end.request_may_have_arrived for end in ends if isinstance(end, IdServerUnreachable))
            await server.aclose()

        with nobody_speaks() as (url, listening):
            asyncio.run(crowd(url))
            assert accepted_by(listening) == 1

    def test_one_that_takes_requests_and_says_nothing(self, tls: TlsFiles) -> None:
        script = ByScript()
        silent = TlsServer(tls.server_file, script)
        with silent.running() as url:
            settings = settings_for("rest", url, str(tls.ca_file))._replace(total_seconds=BRIEFLY)
            with BlockingIdServer(settings._replace(connect_seconds=BRIEFLY)) as server:
                with pytest.raises(IdServerUnreachable, match="time limit") as caught:
                    server.open(push("alice"))
                assert caught.value.request_may_have_arrived
                with pytest.raises(IdServerUnreachable, match="tried again"):
                    server.open(push("bob"))
                # That it can be connected to is nothing new.
                let_time_pass(server)
                server.warm()
                assert server.health()[0].state is ServerState.DOWN
            assert sum(b"secsignid=alice" in request for request in script.requests) == 1
            assert not any(b"secsignid=bob" in request for request in script.requests)

    def test_refusals_and_nonsense_are_signs_of_life(
        self, simulator: RunningSimulator, settings: IdServerSettings, user: str
    ) -> None:
        with BlockingIdServer(settings) as server:
            for number, fault in enumerate(("error", "empty", "frozen", "close", "garbage", "cut", "huge")):
                simulator.faults(fault, on="create")
                with pytest.raises(IdServerError):
                    server.open(push(f"{user}.{number}"))
                assert server.health()[0].state is ServerState.UP
            assert server.open(push(f"{user}.last")).secsign_id == f"{user}.last"


class TestTheFallback:
    def test_takes_over_at_once_while_the_main_server_is_known_to_be_down(
        self, fallback: RunningSimulator, settings: IdServerSettings, user: str
    ) -> None:
        with nobody_speaks() as (url, listening):
            chosen = settings._replace(url=url, fallback_url=fallback.url, connect_seconds=1.5)
            with BlockingIdServer(chosen) as server:
                for number in range(3):
                    assert server.open(push(f"{user}.{number}")).server_url == fallback.url
                states = [health.state for health in server.health()]
            assert accepted_by(listening) == 1
        assert states == [ServerState.DOWN, ServerState.UP]

    def test_is_warmed_where_creates_would_go_there(
        self, fallback: RunningSimulator, settings: IdServerSettings, user: str
    ) -> None:
        tap = Wiretap(fallback.url)
        with nobody_listens() as url, tap.running() as second:
            with BlockingIdServer(settings._replace(url=url, fallback_url=second)) as server:
                server.warm()
                assert tap.connections == 1
                assert server.open(push(user)).server_url == second
            assert tap.connections == 1

    def test_when_both_are_known_to_be_down_the_sentence_names_both(
        self, settings: IdServerSettings, user: str
    ) -> None:
        with (
            nobody_listens() as main,
            nobody_listens() as second,
            BlockingIdServer(settings._replace(url=main, fallback_url=second)) as server,
        ):
            with pytest.raises(IdServerUnreachable):
                server.open(push(user))
            with pytest.raises(IdServerUnreachable) as caught:
                server.open(push(user))
        sentence = str(caught.value)
        assert sentence.count("tried again") == 2
        assert main.removeprefix("https://") in sentence
        assert second.removeprefix("https://") in sentence


class TestTheWayBack:
    def test_warming_finds_out_and_no_login_pays(
        self, simulator: RunningSimulator, settings: IdServerSettings, user: str
    ) -> None:
        with flapping(simulator) as (url, switch), BlockingIdServer(settings._replace(url=url)) as server:
            switch(False)
            server.warm()
            assert server.health()[0].state is ServerState.DOWN
            switch(True)
            server.warm()  # too early: nobody is asked
            assert server.health()[0].state is ServerState.DOWN
            let_time_pass(server)
            server.warm()
            assert server.health()[0].state is ServerState.UP
            assert server.open(push(user)).secsign_id == user

    def test_without_it_the_first_login_after_the_pause_finds_out(
        self, simulator: RunningSimulator, settings: IdServerSettings, user: str
    ) -> None:
        with flapping(simulator) as (url, switch), BlockingIdServer(settings._replace(url=url)) as server:
            for number in range(3):
                switch(False)
                with pytest.raises(IdServerUnreachable):
                    server.open(push(f"{user}.no{number}"))
                switch(True)
                let_time_pass(server)
                assert server.open(push(f"{user}.{number}")).secsign_id == f"{user}.{number}"
                assert creates(simulator, f"{user}.no{number}") == 0
                server.drop_connections()

    def test_while_one_finds_out_the_others_are_told_at_once(
        self, simulator: RunningSimulator, settings: IdServerSettings, user: str
    ) -> None:
        async def one_of_ten(url: str) -> None:
            server = id_server(settings._replace(url=url))
            assert isinstance(server, HttpIdServer)
            switch(False)
            with pytest.raises(IdServerUnreachable):
                await server.open(push(f"{user}.first"))
            switch(True)
            server._circuits[url] = server._circuits[url]._replace(try_at=0.0)
            ends = await asyncio.gather(
                *(server.open(push(f"{user}.{number}")) for number in range(10)), return_exceptions=True
            )
            assert sum(isinstance(end, IdServerUnreachable) for end in ends) == 9
            await server.aclose()

        with flapping(simulator) as (url, switch):
            asyncio.run(one_of_ten(url))

    def test_looks_are_tried_whatever_is_known_and_can_end_it(
        self, simulator: RunningSimulator, settings: IdServerSettings, user: str
    ) -> None:
        with flapping(simulator) as (url, switch), BlockingIdServer(settings._replace(url=url)) as server:
            ours = server.open(push(user))
            switch(False)
            server.drop_connections()
            for _ in range(2):
                with pytest.raises(IdServerUnreachable, match=r"Connection refused\); check"):
                    server.state_of(ours)
            assert server.health()[0].state is ServerState.DOWN
            switch(True)
            server.state_of(ours)
            assert server.health()[0].state is ServerState.UP
            server.cancel(ours)

    def test_a_look_at_a_server_that_is_no_longer_named_is_nobodys_business(
        self, simulator: RunningSimulator, settings: IdServerSettings
    ) -> None:
        with nobody_listens() as other, BlockingIdServer(settings) as server:
            with pytest.raises(IdServerUnreachable):
                server.state_of(rest_session(other))
            with pytest.raises(IdServerRefused):
                server.state_of(rest_session(simulator.url))
            assert [health.url for health in server.health()] == [simulator.url]


@contextmanager
def flapping(simulator: RunningSimulator) -> Iterator[tuple[str, "Switch"]]:
    """Yield a URL at which the simulator is, or nobody listens, as the switch says."""
    switch = Switch(simulator)
    try:
        yield switch.url, switch
    finally:
        switch(False)


class Switch:
    """Turns a port on and off."""

    def __init__(self, simulator: RunningSimulator) -> None:
        self._simulator = simulator
        self._on = Wiretap(simulator.url).running()
        self.url = self._on.__enter__()
        self._is_on = True

    def __call__(self, on: bool) -> None:
        if self._is_on and not on:
            self._on.__exit__(None, None, None)
        elif on and not self._is_on:
            self._on = Wiretap(self._simulator.url).running(int(self.url.rpartition(":")[2]))
            assert self._on.__enter__() == self.url
        self._is_on = on

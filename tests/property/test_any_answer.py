"""Whatever bytes come back over TLS, in whatever pieces: an answer that is one, or our own error, and nothing else."""

import asyncio
import itertools
import ssl
from collections.abc import Iterator
from typing import Literal

import pytest
from blocking_id_server import BlockingIdServer, rest_session, settings_for
from hypothesis import given, settings
from hypothesis import strategies as st
from loopback_servers import TlsServer

from secsign_gate.config import IdServerSettings
from secsign_gate.core.auth_session import AuthSessionState, StateReport
from secsign_gate.errors import IdServerError
from secsign_gate.simulator.certificates import prepare

BODY = b'{"authsessionstate":3}'
BY_LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n" + BODY
IN_CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n16\r\n" + BODY + b"\r\n0\r\n\r\n"
TO_THE_END = b"HTTP/1.1 200 OK\r\n\r\n" + BODY
GOOD = (BY_LENGTH, IN_CHUNKS, TO_THE_END)
End = Literal["good-bye", "cut", "nothing"]


class AnyAnswer:
    """Answers each request by `pieces`, each a TLS record of its own, and then ends the connection by `end`."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.end: End = "nothing"

    def __call__(self, conversation: ssl.SSLSocket) -> None:
        pieces, end = self.pieces, self.end
        conversation.recv(65536)
        for piece in filter(None, pieces):
            conversation.sendall(piece)
        if end == "good-bye":
            conversation.settimeout(5)
            conversation.unwrap()
        elif end == "nothing":
            conversation.recv(65536)


Server = tuple[AnyAnswer, IdServerSettings]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    files = prepare(tmp_path_factory.mktemp("tls"), "good", "127.0.0.1")
    script = AnyAnswer()
    with TlsServer(files.server_file, script).running() as url:
        wanted = settings_for("rest", url, str(files.ca_file))._replace(requests_per_second=1000, total_seconds=5.0)
        yield script, wanted


def ask(server: Server, pieces: list[bytes], end: End) -> StateReport | IdServerError:
    script, wanted = server
    script.pieces, script.end = pieces, end
    with BlockingIdServer(wanted) as client:
        try:
            return client.state_of(rest_session(wanted.url))
        except IdServerError as error:
            return error
        finally:
            client.drop_connections()
            assert not asyncio.all_tasks(client._runner.get_loop())


@st.composite
def mutilated(draw: st.DrawFn) -> bytes:
    answer = bytearray(draw(st.sampled_from(GOOD)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(answer)))
        match draw(st.sampled_from(["insert", "delete", "replace", "double"])):
            case "insert":
                answer[place:place] = draw(st.binary(min_size=1, max_size=8))
            case "delete":
                del answer[place : place + draw(st.integers(1, 8))]
            case "replace":
                answer[place : place + 1] = draw(st.binary(min_size=1, max_size=1))
            case "double":
                answer[place:place] = answer[place : place + 30]
    return bytes(answer)


ENDS: st.SearchStrategy[End] = st.sampled_from(["good-bye", "cut"])
ANSWERS = st.one_of(mutilated(), st.binary(max_size=200), st.sampled_from(GOOD))


@given(ANSWERS, ENDS)
@settings(max_examples=150, deadline=None)
def test_any_bytes_end_in_a_report_or_in_our_own_error(server: Server, answer: bytes, end: End) -> None:
    end_of_it = ask(server, [answer], end)
    assert isinstance(end_of_it, StateReport | IdServerError)
    assert str(end_of_it).isprintable()


@given(st.sampled_from([BY_LENGTH, IN_CHUNKS]), st.lists(st.integers(0, 90), max_size=6), st.booleans())
@settings(max_examples=40, deadline=None)
def test_a_good_answer_is_one_in_any_pieces(server: Server, answer: bytes, cuts: list[int], cut_off: bool) -> None:
    places = sorted({0, len(answer), *(place for place in cuts if place < len(answer))})
    pieces = [answer[here:there] for here, there in itertools.pairwise(places)]
    report = ask(server, pieces, "cut" if cut_off else "nothing")
    assert isinstance(report, StateReport)
    assert report.state == AuthSessionState.AUTHENTICATED


@given(st.sampled_from([BY_LENGTH, IN_CHUNKS]), st.binary(min_size=1, max_size=50), ENDS)
@settings(max_examples=40, deadline=None)
def test_a_good_answer_with_more_behind_it_is_none(server: Server, answer: bytes, more: bytes, end: End) -> None:
    assert isinstance(ask(server, [answer + more], end), IdServerError)


@given(st.sampled_from(GOOD), st.data())
@settings(max_examples=60, deadline=None)
def test_a_good_answer_that_is_cut_short_is_none(server: Server, answer: bytes, data: st.DataObject) -> None:
    end: End = "cut" if answer is TO_THE_END else data.draw(ENDS)
    length = data.draw(st.integers(0, len(answer) - (0 if answer is TO_THE_END else 1)))
    assert isinstance(ask(server, [answer[:length]], end), IdServerError)

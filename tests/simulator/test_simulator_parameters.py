"""The strict reader: what is encoded well comes back, and any other bytes are refused, by the whole server too."""

import unicodedata
from urllib.parse import quote, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from secsign_gate.simulator import parameters
from secsign_gate.simulator.auth_sessions import AuthSessions, PhoneHabits
from secsign_gate.simulator.bell import Bell
from secsign_gate.simulator.fault_queue import FaultQueue
from secsign_gate.simulator.id_server import IdServer, World
from secsign_gate.simulator.journal import Journal
from secsign_gate.simulator.messages import HttpRequest
from secsign_gate.simulator.refusals import BadRequest

PRINTABLE = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=40)
FORM = {"content-type": "application/x-www-form-urlencoded", "content-length": "1"}
BASIC = {"authorization": "Basic Z2F0ZTpzZWNyZXQ="}


@given(st.dictionaries(PRINTABLE, PRINTABLE, max_size=8), st.booleans(), st.booleans())
def test_what_is_percent_encoded_comes_back(given_ones: dict[str, str], trailing: bool, plus: bool) -> None:
    encoded = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in given_ones.items())
    if plus:
        encoded = urlencode(given_ones)
    if trailing and given_ones:
        encoded += "&"
    assert parameters.read(encoded.encode()) == given_ones


@given(st.binary(max_size=200) | st.text("&=%+a0Ff;", max_size=40).map(str.encode))
@example(b"a=1&a=1")
@example(b"a=%e2%82")
@example(b"%00=")
def test_any_bytes_are_parameters_without_control_characters_or_refused(encoded: bytes) -> None:
    try:
        found = parameters.read(encoded)
    except BadRequest:
        return
    letters = {letter for pair in found.items() for text in pair for letter in text}
    assert "Cc" not in {unicodedata.category(letter) for letter in letters}
    assert encoded.removesuffix(b"&").count(b"&") == max(0, len(found) - 1)


@pytest.mark.parametrize("text", ["%zz", "%4", "%", "a b", "\x7f", "ä"])
def test_what_is_not_percent_encoded_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        parameters.read(b"a=" + text.encode())


def server() -> IdServer:
    return IdServer(World(AuthSessions(PhoneHabits()), FaultQueue(), Journal(), Bell(), "gate:secret"))


MESSY = st.text("&=%+-01aZreqstnm /?", max_size=60).map(str.encode)


@given(st.sampled_from(["GET", "POST", "DELETE", "PUT"]), MESSY, MESSY, st.sampled_from([FORM, BASIC, {}]))
def test_whatever_is_sent_gets_an_orderly_answer_and_creates_nothing(
    method: str, path: bytes, body: bytes, headers: dict[str, str]
) -> None:
    idserver = server()
    for where in ("/", "/rest/v2/AuthSession", f"/rest/v2/AuthSession/{path.decode()}", f"/{path.decode()}"):
        request = HttpRequest(method, where, body if method == "GET" else b"", headers, body)
        asked, fault, delivery = idserver.answer(request, 0.0)
        assert fault is None
        assert delivery.reply is not None
        assert b"error" in delivery.reply.body
        assert asked.kind in ("create", "state", "cancel", "malformed")


@given(
    st.dictionaries(st.sampled_from(["request", "apimethod", "secsignid", "servicename", "serviceaddress"]), PRINTABLE)
)
def test_a_create_is_served_only_when_complete_and_well_formed(given_ones: dict[str, str]) -> None:
    body = urlencode({"request": "ReqRequestAuthSession"} | given_ones, quote_via=quote).encode()
    _, _, delivery = server().answer(HttpRequest("POST", "/", b"", FORM, body), 0.0)
    assert delivery.reply is not None
    complete = {"apimethod", "secsignid", "servicename", "serviceaddress"} <= set(given_ones)
    assert complete or delivery.reply.body.startswith(b"error=400&")

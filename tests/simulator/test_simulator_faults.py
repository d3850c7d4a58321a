"""Each fault as the client meets it, in the dialect or dialects that it is about."""

import base64
import json
import socket
import ssl
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from dialect_speakers import FormSpeaker, RestSpeaker, connect, form_fields, good
from running_simulator import RunningSimulator

from secsign_gate.simulator.fault_queue import FAULTS


class Case:
    """An open auth session in both dialects, and how their state answers look once a fault is asked for."""

    def __init__(self, simulator: RunningSimulator, form: FormSpeaker, rest: RestSpeaker, secsign_id: str) -> None:
        self.simulator, self.form, self.rest, self.secsign_id = simulator, form, rest, secsign_id
        self.created = form.create(secsign_id)
        self.in_rest = good(rest.create(f"{secsign_id}-rest"))["authsessionid"]

    def body(self) -> bytes:
        created = self.created
        ours = "&".join(f"{name}={created[name]}" for name in ("secsignid", "authsessionid", "requestid"))
        return f"request=ReqGetAuthSessionState&apimethod=a&{ours}".encode()

    def form_answer(self, fault: str, **options: Any) -> httpx.Response:
        self.simulator.faults(fault, on="state", **options)
        return self.form.post(self.body())

    def rest_answer(self, fault: str, **options: Any) -> httpx.Response:
        self.simulator.faults(fault, on="state", **options)
        return self.rest.state(self.in_rest)

    def form_state(self) -> str:
        return self.form.state(self.created)["authsessionstate"]

    def bytes_after(self, fault: str, **options: Any) -> "Pieces":
        """What comes over the TLS connection, record by record, until its end."""
        self.simulator.faults(fault, on="state", **options)
        head = (
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(self.body())}\r\n\r\n"
        )
        url = httpx.URL(self.simulator.url)
        context = ssl.create_default_context(cafile=self.simulator.ca_file)
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
        with (
            socket.create_connection((url.host, url.port or 0), timeout=20) as plain,
            context.wrap_socket(plain, server_hostname=url.host, suppress_ragged_eofs=False) as secured,
        ):
            secured.sendall(head.encode() + self.body())
            return Pieces(secured)


def is_connected(ended: socket.socket) -> bool:
    """A TCP connection that was reset has no peer any more; one that was closed from afar still has."""
    try:
        ended.getpeername()
    except OSError:
        return False
    return True


class Pieces:
    """All records received, and how the connection ended: with TLS's good-bye, or with a reset."""

    def __init__(self, secured: ssl.SSLSocket) -> None:
        self.records: list[bytes] = []
        self.end = "good-bye"
        try:
            while piece := secured.recv(65536):
                self.records.append(piece)
        except (ssl.SSLEOFError, ConnectionResetError):
            self.end = "cut" if is_connected(secured) else "reset"
        self.whole = b"".join(self.records)


@pytest.fixture
def case(simulator: RunningSimulator, form: FormSpeaker, rest: RestSpeaker, alice: str) -> Case:
    return Case(simulator, form, rest, alice)


# --- event ------------------------------------------------------------------------------------------------------------


def frozen(case: Case) -> None:
    assert form_fields(case.form_answer("frozen").text)["authsessionstate"] == "5"
    assert case.form.create(case.secsign_id)["errorcode"] == "20006"
    case.simulator.unfreeze(case.secsign_id)
    assert case.form.create(case.secsign_id)["authsessionstate"] == "1"


def frozen_at_create(case: Case) -> None:
    case.simulator.faults("frozen", on="create")
    assert case.rest.create(f"{case.secsign_id}-new").status_code == 409


def suspended(case: Case) -> None:
    assert form_fields(case.form_answer("suspended").text)["authsessionstate"] == "5"
    assert case.form_state() == "5"


def expired(case: Case) -> None:
    assert good(case.rest_answer("expired"))["authsessionstate"] == 2


def invalid(case: Case) -> None:
    assert good(case.rest_answer("invalid"))["authsessionstate"] == 8


# --- instead ----------------------------------------------------------------------------------------------------------


def status(case: Case) -> None:
    for number in (400, 401, 403, 404, 409, 429, 500, 502, 503):
        answer = case.form_answer("status", status=number)
        assert (answer.status_code, form_fields(answer.text)["error"]) == (number, str(number))
        answer = case.rest_answer("status", status=number)
        assert (answer.status_code, answer.json()["error"]) == (number, number)
    assert case.form_state() == "1"


def error(case: Case) -> None:
    assert form_fields(case.form_answer("error", error="boom", errormsg="", errorcode=20000).text) == {
        "error": "boom",
        "errorcode": "20000",
    }
    answer = case.rest_answer("error", error="boom")
    assert (answer.status_code, answer.json()) == (200, {"error": "boom", "errormsg": "Something went wrong."})


def redirect(case: Case) -> None:
    for number in (301, 302, 303, 307, 308):
        answer = case.rest_answer("redirect", status=number, location="https://localhost:1/rest")
        assert (answer.status_code, answer.headers["location"]) == (number, "https://localhost:1/rest")


def captive_portal(case: Case) -> None:
    answer = case.form_answer("captive-portal")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "<!doctype html>" in answer.text


# --- answer -----------------------------------------------------------------------------------------------------------


def wrong_authsessionid(case: Case) -> None:
    assert form_fields(case.form_answer("wrong-authsessionid").text)["authsessionid"] != case.created["authsessionid"]
    assert good(case.rest_answer("wrong-authsessionid"))["authsessionid"] != case.in_rest


def wrong_secsignid(case: Case) -> None:
    assert form_fields(case.form_answer("wrong-secsignid").text)["secsignid"] == "mallory"
    assert good(case.rest_answer("wrong-secsignid"))["secsignid"] == "mallory"


def wrong_requestid(case: Case) -> None:
    case.simulator.faults("wrong-requestid", on="create")
    created = case.form.create(f"{case.secsign_id}-new")
    assert case.form.state(created)["error"] == "400"


def missing(case: Case) -> None:
    assert set(form_fields(case.form_answer("missing", field="secsignid").text)) == {
        "authsessionid",
        "authsessionstate",
    }
    assert "authsessionstate" not in good(case.rest_answer("missing"))


def field(case: Case) -> None:
    assert form_fields(case.form_answer("field", name="authsessionstate", value="AUTHENTICATED").text) == {
        "authsessionid": case.created["authsessionid"],
        "secsignid": case.secsign_id,
        "authsessionstate": "AUTHENTICATED",
    }
    assert good(case.rest_answer("field", name="more", value="x\0y"))["more"] == "x\0y"


def literal(case: Case) -> None:
    assert b'"authsessionid":[1,2]' in case.rest_answer("literal", name="authsessionid", value="[1,2]").content


def state(case: Case) -> None:
    strange = [
        "0",
        "9",
        "3.0",
        "3e0",
        '"3 "',
        '" 3"',
        '"+3"',
        '"03"',
        "0x3",
        "true",
        "null",
        "[3]",
        '{"3":1}',
        "33",
        "",
    ]
    for value in strange:
        assert case.form_answer("state", value=value).text.endswith(f"&authsessionstate={value}")
        assert f'"authsessionstate":{value}' in case.rest_answer("state", value=value).text


def state_and_error(case: Case) -> None:
    fields = form_fields(case.form_answer("state-and-error").text)
    assert (fields["authsessionstate"], fields["error"]) == ("3", "500")
    answer = case.rest_answer("state-and-error")
    assert (answer.status_code, answer.json()["authsessionstate"], answer.json()["error"]) == (200, 3, 500)


def duplicate(case: Case) -> None:
    assert case.form_answer("duplicate").text.endswith("&authsessionstate=1&authsessionstate=3")
    assert case.rest_answer("duplicate").text.count('"authsessionstate"') == 2


def forged_echo(case: Case) -> None:
    case.simulator.faults("forged-echo", on="create")
    answer = case.form.say(
        request="ReqRequestAuthSession",
        apimethod="a",
        secsignid=f"{case.secsign_id}-new",
        servicename="b",
        serviceaddress="c",
    )
    assert answer.text.count("authsessionid=") == 2


# --- reply ------------------------------------------------------------------------------------------------------------


def empty(case: Case) -> None:
    answer = case.form_answer("empty")
    assert (answer.status_code, answer.content) == (200, b"")


def byte_order_mark(case: Case) -> None:
    assert case.rest_answer("byte-order-mark").content.startswith(b'\xef\xbb\xbf{"')


def nul(case: Case) -> None:
    assert b"authsessionstate=1\0" in case.form_answer("nul").content


def control_character(case: Case) -> None:
    assert case.form_answer("control-character").content.endswith(b"\x1b[2J")


def invalid_utf8(case: Case) -> None:
    with pytest.raises(UnicodeDecodeError):
        case.rest_answer("invalid-utf8").content.decode()


def deep_json(case: Case) -> None:
    with pytest.raises(RecursionError):
        json.loads(case.rest_answer("deep-json").content)


def huge(case: Case) -> None:
    assert len(case.form_answer("huge", size=1_000_000).content) == 1_000_000


def huge_header(case: Case) -> None:
    assert len(case.form_answer("huge-header", size=20_000).headers["x-huge"]) == 20_000
    with pytest.raises(httpx.RemoteProtocolError):
        case.form_answer("huge-header")


def gzip(case: Case) -> None:
    answer = case.rest_answer("gzip")
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) != len(answer.content)


def raw(case: Case) -> None:
    body = base64.b64encode(b"\x00anything").decode()
    answer = case.form_answer("raw", status=418, headers={"X-Any": "thing"}, body_base64=body)
    assert (answer.status_code, answer.headers["x-any"], answer.content) == (418, "thing", b"\x00anything")


# --- delivery ---------------------------------------------------------------------------------------------------------


def hang(case: Case) -> None:
    case.simulator.faults("hang", on="state")
    with connect(case.simulator.url, case.simulator.ca_file, timeout=0.2) as client, pytest.raises(httpx.ReadTimeout):
        FormSpeaker(client).post(case.body())
    assert case.form_state() == "1"


def close(case: Case) -> None:
    pieces = case.bytes_after("close")
    assert (pieces.whole, pieces.end) == (b"", "good-bye")


def reset(case: Case) -> None:
    pieces = case.bytes_after("reset")
    assert (pieces.whole, pieces.end) == (b"", "reset")


def late(case: Case) -> None:
    case.simulator.faults("late", on="state", milliseconds=60_000)
    with connect(case.simulator.url, case.simulator.ca_file, timeout=0.2) as client, pytest.raises(httpx.ReadTimeout):
        FormSpeaker(client).post(case.body())
    assert form_fields(case.form_answer("late", milliseconds=1).text)["authsessionstate"] == "1"


def drip(case: Case) -> None:
    pieces = case.bytes_after("drip", milliseconds=1)
    assert {len(record) for record in pieces.records} == {1}
    assert pieces.whole.startswith(b"HTTP/1.1 200 OK\r\n")
    assert pieces.whole.endswith(b"&authsessionstate=1")


def cut(case: Case) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        case.form_answer("cut")
    with pytest.raises(httpx.RemoteProtocolError):
        case.rest_answer("cut", missing=1)


def wrong_length(case: Case) -> None:
    assert len(case.form_answer("wrong-length", content_length=7).content) == 7
    assert case.bytes_after("wrong-length", content_length=7).whole.endswith(b"authsessionstate=1")


def bad_chunk(case: Case) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        case.rest_answer("bad-chunk")


def garbage(case: Case) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        case.form_answer("garbage")
    assert case.bytes_after("garbage", base64_bytes=base64.b64encode(b"SSH-2.0").decode()).whole == b"SSH-2.0"


EXPECTATIONS: dict[str, Callable[[Case], None]] = {
    check.__name__.replace("_", "-"): check
    for check in (
        *(frozen, suspended, expired, invalid),
        *(status, error, redirect, captive_portal),
        *(wrong_authsessionid, wrong_secsignid, wrong_requestid, missing, field, literal, state),
        *(state_and_error, duplicate, forged_echo),
        *(empty, byte_order_mark, nul, control_character, invalid_utf8, deep_json, huge, huge_header, gzip, raw),
        *(hang, close, reset, late, drip, cut, wrong_length, bad_chunk, garbage),
    )
}


@pytest.mark.parametrize("fault", EXPECTATIONS)
def test_the_client_meets_the_fault_that_was_asked_for(case: Case, fault: str) -> None:
    EXPECTATIONS[fault](case)
    assert fault in {entry["fault"] for entry in case.simulator.log()}


def test_every_fault_has_its_expectation() -> None:
    assert set(EXPECTATIONS) == set(FAULTS)


def test_an_id_may_be_frozen_when_it_is_asked(case: Case) -> None:
    frozen_at_create(case)


def test_a_create_that_was_cut_has_taken_effect_and_a_refused_one_has_not(case: Case) -> None:
    case.simulator.faults("cut", on="create")
    with pytest.raises(httpx.RemoteProtocolError):
        case.form.create(f"{case.secsign_id}-cut")
    assert case.simulator.pending(f"{case.secsign_id}-cut")
    case.simulator.faults("status", on="create", status=503)
    assert case.rest.create(f"{case.secsign_id}-503").status_code == 503
    assert not case.simulator.pending(f"{case.secsign_id}-503")


def test_a_fault_hits_its_kind_of_request_as_often_as_wanted_and_no_other(case: Case) -> None:
    case.simulator.faults("empty", on="state", times=2)
    assert case.form.cancel(case.form.create(f"{case.secsign_id}-other"))["authsessionstate"] == "6"
    answers = [case.form.post(case.body()).text for _ in range(3)]
    assert [not answer for answer in answers] == [True, True, False]


def test_a_fault_until_cleared_ends_when_cleared(case: Case) -> None:
    case.simulator.faults("empty", times=None)
    assert [case.form.post(case.body()).text for _ in range(5)] == [""] * 5
    case.simulator.clear_faults()
    assert case.form_state() == "1"


def test_faults_are_served_in_the_order_asked_for_one_at_a_time(case: Case) -> None:
    case.simulator.faults("status", on="state", status=500)
    case.simulator.faults("status", on="any", status=429)
    assert [case.form.post(case.body()).status_code for _ in range(3)] == [500, 429, 200]


def test_good_answers_share_one_connection_and_faults_of_delivery_end_it(case: Case) -> None:
    case.simulator.faults("status", on="state")
    for _ in range(3):
        case.form.post(case.body())
    with pytest.raises(httpx.RemoteProtocolError):
        case.form_answer("close")
    assert case.form_state() == "1"
    numbers = [
        entry["connection"]
        for entry in case.simulator.log("state")
        if entry["parameters"]["authsessionid"] == case.created["authsessionid"]
    ]
    assert len(set(numbers[:4])) == 1
    assert numbers[4] not in numbers[:4]


@pytest.mark.parametrize(
    "wanted",
    [
        {"fault": "no-such"},
        {"fault": "hang", "on": "nothing"},
        {"fault": "hang", "times": 0},
        {"fault": "hang", "times": True},
        {"fault": "hang", "options": {"seconds": 1}},
        {"fault": "drip", "options": {"milliseconds": "1"}},
        {"fault": "field", "options": {"name": "x"}},
        {"fault": "raw", "options": {"body_base64": "!"}},
        {"fault": "raw", "options": {"headers": {"a": 1}}},
        {"fault": "raw", "options": {"status": 204}},
        {"fault": "redirect", "options": {"location": "https://localhost/\r\nx: y"}},
        {"fault": "hang", "more": 1},
        {"fault": ["hang"]},
        {"on": "any"},
    ],
)
def test_a_fault_that_cannot_be_is_refused_with_a_sentence(simulator: RunningSimulator, wanted: dict[str, Any]) -> None:
    answer = httpx.post(f"{simulator.phone_url}faults", json=wanted)
    assert answer.status_code == 400
    assert answer.json()["error"].endswith(".")
    assert httpx.get(f"{simulator.phone_url}faults").json() == {"faults": []}

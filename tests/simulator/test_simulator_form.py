"""The form dialect from the client's side, over TLS: each rule of the reference's section 2."""

import base64
import re
import struct

import pytest
from dialect_speakers import FormSpeaker, form_fields
from running_simulator import RunningSimulator


def test_a_created_auth_session_has_every_field_a_vendor_client_reads(form: FormSpeaker, alice: str) -> None:
    created = form.create(alice)
    assert set(created) == {
        "authsessionid",
        "requestid",
        "secsignid",
        "servicename",
        "serviceaddress",
        "authsessionstate",
    }
    assert -(2**63) <= int(created["authsessionid"]) < 2**63
    assert re.fullmatch("[0-9A-F]{64}", created["requestid"])
    assert created["authsessionstate"] == "1"


def test_auth_session_ids_are_negative_about_half_of_the_time(form: FormSpeaker, alice: str) -> None:
    numbers = [int(form.create(f"{alice}-{number}")["authsessionid"]) for number in range(32)]
    assert {number < 0 for number in numbers} == {True, False}


def test_values_come_back_raw_and_not_percent_encoded(form: FormSpeaker, alice: str) -> None:
    created = form.create(alice, servicename="Zürich + web1/login", serviceaddress="https://web1/?a=b")
    assert (created["servicename"], created["serviceaddress"]) == ("Zürich + web1/login", "https://web1/?a=b")


def test_an_ampersand_in_a_service_name_makes_forged_fields(form: FormSpeaker, alice: str) -> None:
    answer = form.say(
        request="ReqRequestAuthSession",
        apimethod="SecSignGate",
        secsignid=alice,
        servicename="x&authsessionstate=3",
        serviceaddress="y",
        showaccesspass="false",
    )
    assert answer.text.count("authsessionstate=") == 2


def test_a_blank_may_be_a_plus_and_a_trailing_ampersand_is_harmless(form: FormSpeaker, alice: str) -> None:
    body = f"request=ReqRequestAuthSession&apimethod=a&secsignid={alice}&servicename=a+b%2Bc&serviceaddress=d&"
    assert form_fields(form.post(body.encode()).text)["servicename"] == "a b+c"


def test_the_access_pass_is_a_base64_png_of_88_by_88_rgba_pixels(form: FormSpeaker, alice: str) -> None:
    created = form.create(alice, showaccesspass="true")
    png = base64.b64decode(created["authsessionicondata"], validate=True)
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">IIBB", png[16:26]) == (88, 88, 8, 6)


def test_without_showaccesspass_there_is_an_access_pass(form: FormSpeaker, alice: str) -> None:
    answer = form.ask(
        request="ReqRequestAuthSession", apimethod="a", secsignid=alice, servicename="b", serviceaddress="c"
    )
    assert answer["authsessionicondata"]


def test_pending_fetched_authenticated_released_and_gone(
    form: FormSpeaker, simulator: RunningSimulator, alice: str
) -> None:
    created = form.create(alice)
    ours = {"authsessionid": created["authsessionid"], "secsignid": alice}
    assert form.state(created) == ours | {"authsessionstate": "1"}
    simulator.fetch(alice)
    assert form.state(created) == ours | {"authsessionstate": "7"}
    simulator.accept(alice)
    assert form.state(created) == ours | {"authsessionstate": "3"}
    assert form.release(created) == {"authsessionid": created["authsessionid"], "authsessionstate": "3"}
    assert form.state(created)["error"] == "400"
    record = next(one for one in simulator.auth_sessions() if one["secsignid"] == alice)
    assert (record["state"], record["disposed"]) == ("AUTHENTICATED", "release")


def test_denied_on_the_phone_is_state_4(form: FormSpeaker, simulator: RunningSimulator, alice: str) -> None:
    created = form.create(alice)
    simulator.deny(alice)
    assert form.state(created)["authsessionstate"] == "4"


def test_cancel_answers_6_without_the_id_and_ends_the_auth_session(
    form: FormSpeaker, simulator: RunningSimulator, alice: str
) -> None:
    created = form.create(alice)
    assert form.cancel(created) == {"authsessionid": created["authsessionid"], "authsessionstate": "6"}
    assert form.state(created)["error"] == "400"
    assert not simulator.pending(alice)
    record = next(one for one in simulator.auth_sessions() if one["secsignid"] == alice)
    assert (record["state"], record["disposed"]) == ("CANCELED", "cancel")


def test_an_open_auth_session_is_not_released(form: FormSpeaker, alice: str) -> None:
    created = form.create(alice)
    assert form.release(created)["error"] == "400"
    assert form.state(created)["authsessionstate"] == "1"


@pytest.mark.parametrize(
    "changed",
    [
        {"requestid": "0" * 64},
        {"secsignid": "mallory"},
        {"authsessionid": "4"},
        {"requestid": "7b10" + "0" * 60},
        {"authsessionid": "04"},
        {"authsessionid": "9223372036854775808"},
    ],
)
def test_a_follow_up_that_does_not_match_is_refused(form: FormSpeaker, alice: str, changed: dict[str, str]) -> None:
    created = form.create(alice)
    assert form.state(created, **changed)["error"] == "400"
    assert form.cancel(created, **changed)["error"] == "400"
    assert form.state(created)["authsessionstate"] == "1"


def test_ids_are_folded_to_lower_case(form: FormSpeaker, simulator: RunningSimulator, alice: str) -> None:
    created = form.create(alice.upper())
    assert created["secsignid"] == alice
    assert form.state(created, secsignid=alice.title())["authsessionstate"] == "1"
    assert simulator.pending(alice.upper())


def test_the_second_login_suspends_the_first_and_the_third_freezes_the_id(
    form: FormSpeaker, simulator: RunningSimulator, alice: str
) -> None:
    first, second, third = (form.create(alice) for _ in range(3))
    assert form.state(first)["authsessionstate"] == "5"
    assert form.state(second)["authsessionstate"] == "5"
    assert (third["error"], third["errorcode"]) == ("500", "20006")
    assert form.create(alice)["errorcode"] == "20006"
    simulator.unfreeze(alice)
    assert form.create(alice)["authsessionstate"] == "1"


CREATE = "request=ReqRequestAuthSession&apimethod=a&secsignid=mallory&servicename=b&serviceaddress=c"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(CREATE.replace("&servicename=b", ""), id="missing"),
        pytest.param(CREATE + "&scriptversion=1", id="unknown"),
        pytest.param(CREATE + "&servicename=b", id="twice"),
        pytest.param(CREATE + "&showaccesspass=1", id="truth value"),
        pytest.param(CREATE + "&showaccesspass=False", id="truth value with a capital"),
        pytest.param(CREATE.replace("ReqRequest", "reqrequest"), id="request in lower case"),
        pytest.param(CREATE.replace("servicename=b", "servicename="), id="empty"),
        pytest.param(CREATE.replace("servicename=b", f"servicename={'b' * 256}"), id="too long"),
        pytest.param(CREATE.replace("servicename=b", "servicename=b%0a"), id="line feed"),
        pytest.param(CREATE.replace("servicename=b", "servicename=b%00"), id="NUL"),
        pytest.param(CREATE.replace("servicename=b", "servicename=b%zz"), id="broken escape"),
        pytest.param(CREATE.replace("servicename=b", "servicename=b%ff"), id="not UTF-8"),
        pytest.param(CREATE.replace("servicename=b", "servicename=b c"), id="not encoded"),
        pytest.param(CREATE.replace("mallory", "mal%20lory"), id="ID with a blank"),
        pytest.param(CREATE.replace("mallory", "m%C3%A4llory"), id="ID outside ASCII"),
        pytest.param(CREATE + "&requestid=" + "0" * 64, id="parameter of another request"),
        pytest.param(CREATE + "&&", id="empty piece"),
        pytest.param(CREATE + "&flag", id="no value"),
        pytest.param("", id="nothing"),
    ],
)
def test_a_malformed_request_is_error_400_with_status_200(
    form: FormSpeaker, simulator: RunningSimulator, body: str
) -> None:
    answer = form.post(body.encode())
    assert answer.status_code == 200
    assert form_fields(answer.text)["error"] == "400"
    assert form_fields(answer.text)["errormsg"]
    assert not simulator.pending("mallory")


def test_http_itself_must_be_used_as_documented(form: FormSpeaker) -> None:
    body = CREATE.encode()
    assert form.client.get("/").status_code == 405
    assert form.client.put("/", content=body).status_code == 405
    assert form.post(body, "application/json").status_code == 415
    assert form.post(body, "text/plain").status_code == 415
    chunked = {"content-type": "application/x-www-form-urlencoded"}
    assert form.client.post("/", content=iter([body]), headers=chunked).status_code == 411
    assert form.post(b"a" * 70_000).status_code == 413
    assert form.client.post("/elsewhere", content=body).status_code == 404
    assert form_fields(form.client.post("/?x=y", content=body, headers=chunked).text)["error"] == "400"


def test_the_journal_counts_connections_and_keeps_no_secret(
    form: FormSpeaker, simulator: RunningSimulator, alice: str
) -> None:
    created = form.create(alice)
    form.state(created)
    entries = [entry for entry in simulator.log() if entry["parameters"].get("secsignid") == alice]
    assert [(entry["dialect"], entry["kind"], entry["status"]) for entry in entries] == [
        ("form", "create", 200),
        ("form", "state", 200),
    ]
    assert entries[0]["connection"] == entries[1]["connection"]
    assert created["requestid"] not in str(simulator.log())

"""The phone's JSON API and its defences, from the side of a program and of a hostile web page."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from dialect_speakers import FormSpeaker, RestSpeaker
from running_simulator import RunningSimulator


@pytest.fixture
def phone(simulator: RunningSimulator) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=simulator.phone_url, trust_env=False, timeout=20) as client:
        yield client


def test_a_request_shows_its_texts_and_not_which_picture_is_right(
    form: FormSpeaker, simulator: RunningSimulator, alice: str
) -> None:
    form.create(alice, showaccesspass="true", servicename="<b>web1</b>", serviceaddress="web1.example.org")
    (request,) = simulator.pending(alice)
    assert (request["servicename"], request["serviceaddress"]) == ("<b>web1</b>", "web1.example.org")
    assert (request["secsignid"], request["state"], request["transaction"]) == (alice, "PENDING", None)
    assert 0 < request["seconds_left"] <= 120
    assert "access_pass" not in request


def test_waiting_ends_when_a_request_comes(form: FormSpeaker, simulator: RunningSimulator, alice: str) -> None:
    found: list[list[dict[str, Any]]] = []
    waiter = threading.Thread(target=lambda: found.append(simulator.pending(alice, wait=20)))
    waiter.start()
    form.create(alice)
    waiter.join(timeout=20)
    assert [request["secsignid"] for (request,) in found] == [alice]


def test_what_is_over_cannot_be_pressed_any_more(
    form: FormSpeaker, simulator: RunningSimulator, phone: httpx.Client, alice: str
) -> None:
    form.create(alice)
    number = simulator.wait_for(alice)["number"]
    assert phone.post(f"requests/{number}/deny", json={}).json() == {"state": "DENIED"}
    late = phone.post(f"requests/{number}/accept", json={})
    assert (late.status_code, late.json()) == (404, {"error": "This request is no longer open."})
    assert simulator.auth_sessions()[-1]["state"] == "DENIED"


def test_all_open_requests_are_accepted_at_once(form: FormSpeaker, simulator: RunningSimulator, alice: str) -> None:
    form.create(alice)
    form.create(f"{alice}.too")
    simulator.deny(alice)
    assert simulator.accept_all() >= 1
    states = {one["secsignid"]: one["state"] for one in simulator.auth_sessions()}
    assert (states[alice], states[f"{alice}.too"]) == ("DENIED", "AUTHENTICATED")
    assert simulator.pending() == []


def test_a_stale_button_never_accepts_a_newer_request(
    form: FormSpeaker, simulator: RunningSimulator, phone: httpx.Client, alice: str
) -> None:
    form.create(alice)
    stale = simulator.wait_for(alice)["number"]
    newer = form.create(alice)
    assert phone.post(f"requests/{stale}/accept", json={}).status_code == 404
    assert form.state(newer)["authsessionstate"] == "1"


def test_events_tell_the_view_at_once_and_again_when_it_changes(
    rest: RestSpeaker, simulator: RunningSimulator, phone: httpx.Client, alice: str
) -> None:
    with phone.stream("GET", "events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        views = (json.loads(line.removeprefix("data: ")) for line in stream.iter_lines() if line)
        assert alice not in str(next(views)["requests"])
        rest.create(alice, transactiontitle="alice@web1", transactiondescr="uptime")
        assert next(views)["requests"][-1]["transaction"]["title"] == "alice@web1"
        simulator.accept(alice)
        last = next(views)
        assert (last["ended"][0]["secsignid"], last["ended"][0]["state"]) == (alice, "AUTHENTICATED")


def test_the_page_comes_with_a_policy_that_lets_nothing_foreign_in(phone: httpx.Client) -> None:
    for path, kind in (
        ("", "text/html"),
        ("phone.js", "javascript"),
        ("phone.css", "text/css"),
        ("phone.svg", "image/svg"),
    ):
        answer = phone.get(path)
        assert kind in answer.headers["content-type"]
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "://" not in answer.text.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize("host", ["rebound.example.org", "127.0.0.1", "127.0.0.1:1", "localhost.example.org:80"])
def test_another_host_name_is_refused_against_dns_rebinding(phone: httpx.Client, host: str) -> None:
    for path in ("", "requests", "log", "auth-sessions", "events"):
        assert phone.get(path, headers={"host": host}).status_code == 403


def test_another_page_cannot_press_a_button(
    form: FormSpeaker, simulator: RunningSimulator, phone: httpx.Client, alice: str
) -> None:
    created = form.create(alice)
    accept = f"requests/{simulator.wait_for(alice)['number']}/accept"
    cross_site = {"origin": "https://evil.example.org", "content-type": "application/json"}
    refused = [
        phone.post(accept, content="{}", headers=cross_site),
        phone.post(accept, content="{}", headers=cross_site | {"origin": "null"}),
        phone.post(accept, content="{}", headers={"content-type": "text/plain"}),
        phone.post(accept, data={"a": "b"}),
        phone.post(accept),
        phone.delete("faults"),
        phone.get("requests", headers={"origin": "https://evil.example.org"}),
    ]
    assert [answer.status_code for answer in refused] == [403] * len(refused)
    assert "access-control-allow-origin" not in refused[0].headers
    assert phone.get(accept).status_code == 405
    assert form.state(created)["authsessionstate"] == "1"


def test_nonsense_gets_a_sentence(
    form: FormSpeaker, simulator: RunningSimulator, phone: httpx.Client, alice: str
) -> None:
    form.create(alice)
    number = simulator.wait_for(alice)["number"]
    json_type = {"content-type": "application/json"}
    answers = [
        phone.post(f"requests/{number}/explode", json={}),
        phone.post(f"requests/{number}/pick", content="{", headers=json_type),
        phone.post(f"requests/{number}/pick", content="[]", headers=json_type),
        phone.post("requests/999999/accept", json={}),
        phone.post("requests/x/accept", json={}),
        phone.get("requests?wait=soon"),
        phone.get("access-passes/nothing.png"),
        phone.get("../secrets"),
        phone.post("faults", content="\xff", headers=json_type),
    ]
    assert all(400 <= answer.status_code < 500 and answer.json()["error"] for answer in answers)
    assert simulator.pending(alice)

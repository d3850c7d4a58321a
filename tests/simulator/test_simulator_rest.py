"""The REST dialect from the client's side, over TLS: each rule of the reference's section 3 that a login needs."""

import base64
import ssl
from pathlib import Path

import httpx
import pytest
from dialect_speakers import PIN_ACCOUNT, RestSpeaker, connect, good
from running_simulator import RunningSimulator


def test_a_created_auth_session_is_a_json_object_with_an_integer_id(rest: RestSpeaker, alice: str) -> None:
    created = good(rest.create(alice))
    assert set(created) == {"authsessionid", "secsignid", "authsessionstate"}
    assert type(created["authsessionid"]) is int
    assert (created["secsignid"], created["authsessionstate"]) == (alice, 1)


def test_pending_fetched_authenticated_disposed_and_gone(
    rest: RestSpeaker, simulator: RunningSimulator, alice: str
) -> None:
    authsessionid = good(rest.create(alice))["authsessionid"]
    assert good(rest.state(authsessionid))["authsessionstate"] == 1
    simulator.fetch(alice)
    assert good(rest.state(authsessionid))["authsessionstate"] == 7
    simulator.accept(alice)
    assert good(rest.state(authsessionid)) == {
        "authsessionid": authsessionid,
        "secsignid": alice,
        "authsessionstate": 3,
    }
    good(rest.cancel(authsessionid))
    gone = rest.state(authsessionid)
    assert (gone.status_code, gone.json()["error"]) == (400, 400)
    record = next(one for one in simulator.auth_sessions() if one["secsignid"] == alice)
    assert (record["state"], record["disposed"]) == ("AUTHENTICATED", "cancel")


def test_delete_withdraws_an_open_request_from_the_phone(
    rest: RestSpeaker, simulator: RunningSimulator, alice: str
) -> None:
    authsessionid = good(rest.create(alice))["authsessionid"]
    assert simulator.pending(alice)
    good(rest.cancel(authsessionid))
    assert not simulator.pending(alice)


def test_a_transaction_reaches_the_phone_and_has_no_access_pass(
    rest: RestSpeaker, simulator: RunningSimulator, alice: str
) -> None:
    created = good(
        rest.create(
            alice,
            showaccesspassicons="true",
            transactiontitle="alice@web1",
            transactiondescr="From 192.0.2.1: uptime",
            transactiondata="host=web1;command=a b=c;",
        )
    )
    assert "authsessionicondata" not in created
    (request,) = simulator.pending(alice)
    assert request["transaction"] == {
        "title": "alice@web1",
        "description": "From 192.0.2.1: uptime",
        "data": [["host", "web1"], ["command", "a b=c"]],
    }
    assert request["access_passes"] == []


def test_the_access_pass_comes_when_asked_for(rest: RestSpeaker, alice: str) -> None:
    created = good(rest.create(alice, showaccesspassicons="true"))
    assert base64.b64decode(created["authsessionicondata"], validate=True).startswith(b"\x89PNG")


def test_the_wrong_picture_is_a_no_and_the_right_one_a_yes(
    rest: RestSpeaker, simulator: RunningSimulator, alice: str
) -> None:
    for tap_the_right_one, state in ((False, 4), (True, 3)):
        created = good(rest.create(alice, showaccesspassicons="true"))
        icon = base64.b64decode(created["authsessionicondata"])
        choices = simulator.wait_for(alice)["access_passes"]
        assert len(set(choices)) == 4
        pictures = {name: httpx.get(f"{simulator.phone_url}access-passes/{name}.png").content for name in choices}
        (right,) = (name for name, picture in pictures.items() if picture == icon)
        tapped = right if tap_the_right_one else next(name for name in choices if name != right)
        simulator.pick(alice, tapped)
        assert good(rest.state(created["authsessionid"]))["authsessionstate"] == state


def test_a_frozen_id_is_status_409(rest: RestSpeaker, alice: str) -> None:
    answers = [rest.create(alice) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 409]
    assert answers[2].json()["errorcode"] == 20006


@pytest.mark.parametrize(
    "auth",
    [None, ("gate", "wrong"), ("other", "secret"), ("gate", ""), ("Gate", "secret")],
)
def test_only_the_pin_account_is_served(simulator: RunningSimulator, alice: str, auth: tuple[str, str] | None) -> None:
    with connect(simulator.url, simulator.ca_file, auth) as client:
        speaker = RestSpeaker(client)
        answers = [speaker.create(alice), speaker.state(1), speaker.cancel(1), client.get("/rest/v2/Nothing")]
    assert [answer.status_code for answer in answers] == [401] * 4
    assert all(answer.json()["error"] == 401 for answer in answers)
    assert not simulator.pending(alice)


@pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Bearer Z2F0ZTpzZWNyZXQ=", "Basic Z2F0ZTpzZWNyZXQ= x"])
def test_a_broken_authorization_is_status_401(simulator: RunningSimulator, header: str) -> None:
    with connect(simulator.url, simulator.ca_file) as client:
        assert client.get("/rest/v2/AuthSession/1", headers={"authorization": header}).status_code == 401


@pytest.mark.parametrize(
    "changed",
    [
        {"showaccesspassicons": "1"},
        {"unknown": "1"},
        {"servicename": ""},
        {"serviceaddress": "x" * 256},
        {"secsignid": "a b"},
        {"showaccesspass": "false"},
        {"transactiontitle": "only a title"},
        {"transactiondescr": "only a description"},
        {"transactiondata": "a=b;"},
        {"transactiontitle": "a", "transactiondescr": "b", "transactiondata": "no pairs"},
        {"transactiontitle": "a", "transactiondescr": "b\x07"},
    ],
)
def test_a_malformed_create_is_status_400(
    rest: RestSpeaker, simulator: RunningSimulator, changed: dict[str, str]
) -> None:
    given = {"secsignid": "mallory", "servicename": "a", "serviceaddress": "b", "showaccesspassicons": "false"}
    answer = rest.client.get(rest.path, params=given | changed)
    assert (answer.status_code, answer.json()["error"]) == (400, 400)
    assert not simulator.pending("mallory")


@pytest.mark.parametrize("missing", ["secsignid", "servicename", "serviceaddress", "showaccesspassicons"])
def test_every_parameter_of_create_is_needed(rest: RestSpeaker, missing: str) -> None:
    given = {"secsignid": "mallory", "servicename": "a", "serviceaddress": "b", "showaccesspassicons": "false"}
    del given[missing]
    assert rest.client.get(rest.path, params=given).status_code == 400


def test_a_parameter_given_twice_is_status_400(rest: RestSpeaker) -> None:
    query = "secsignid=mallory&servicename=a&serviceaddress=b&showaccesspassicons=false&servicename=a"
    assert rest.client.get(f"{rest.path}?{query}").status_code == 400


@pytest.mark.parametrize("authsessionid", ["1", "abc", "01", "+1", "9223372036854775808", "1%20", "-0", "1.0"])
def test_an_auth_session_that_does_not_exist_is_status_400(rest: RestSpeaker, authsessionid: str) -> None:
    assert rest.state(authsessionid).status_code == 400
    assert rest.cancel(authsessionid).status_code == 400


def test_http_itself_must_be_used_as_documented(rest: RestSpeaker, alice: str) -> None:
    authsessionid = good(rest.create(alice))["authsessionid"]
    assert rest.client.post(rest.path, json={}).status_code == 405
    assert rest.client.delete(rest.path).status_code == 405
    assert rest.client.put(f"{rest.path}/{authsessionid}").status_code == 405
    assert rest.client.get(f"{rest.path}s").status_code == 404
    assert rest.client.get("/rest/v2/Nothing").status_code == 404
    assert rest.client.get("/rest/v1/AuthSession/1").status_code == 404
    assert rest.client.get(f"{rest.path}/{authsessionid}?x=y").status_code == 400
    assert rest.client.request("DELETE", f"{rest.path}/{authsessionid}", content=b"x").status_code == 400
    assert good(rest.state(authsessionid))["authsessionstate"] == 1


def test_java_clients_that_send_a_content_type_without_body_are_served(rest: RestSpeaker, alice: str) -> None:
    rest.client.headers["content-type"] = "application/json"
    authsessionid = good(rest.create(alice))["authsessionid"]
    good(rest.cancel(authsessionid))


def test_both_dialects_share_the_ids_but_rest_needs_no_request_id(
    rest: RestSpeaker, simulator: RunningSimulator, alice: str
) -> None:
    good(rest.create(alice))
    entry = next(entry for entry in simulator.log("create") if entry["parameters"].get("secsignid") == alice)
    assert (entry["dialect"], entry["path"], entry["headers"]["authorization"]) == ("rest", rest.path, "(secret)")
    assert base64.b64encode(":".join(PIN_ACCOUNT).encode()).decode() not in str(simulator.log())


def test_whether_there_is_such_a_secsign_id(tmp_path: Path) -> None:
    """Reference 3.3: a flag without a value, a truth value back, the ID in any case; nothing else is taken there."""
    with (
        RunningSimulator(tmp_path, "--pin-account", ":".join(PIN_ACCOUNT), "--id", "alice") as simulator,
        httpx.Client(base_url=simulator.url, verify=ssl.create_default_context(cafile=simulator.ca_file)) as client,
    ):

        def ask(path: str) -> httpx.Response:
            return client.get(f"/rest/v2/SecSignId/{path}", auth=PIN_ACCOUNT)

        assert (ask("alice?exist").json(), ask("ALICE?exist").json(), ask("bob?exist").json()) == (
            {"exist": True}, {"exist": True}, {"exist": False},
        )  # fmt: skip
        assert client.get("/rest/v2/SecSignId/alice?exist").status_code == 401
        assert ask("a%20b?exist").status_code == 400
        assert ask("alice?devices").status_code == 400
        assert ask("alice").status_code == 404
        assert simulator.auth_sessions() == []

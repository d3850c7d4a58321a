"""Two clients that speak the ID server's dialects by hand: TLS, checked against ca.pem, and nothing forgiven."""

import json
import ssl
from typing import Any
from urllib.parse import quote, urlencode

import httpx

PIN_ACCOUNT = ("gate", "secret")
PATIENCE = 20.0


def connect(url: str, ca_file: str, auth: tuple[str, str] | None = None, timeout: float = PATIENCE) -> httpx.Client:
    return httpx.Client(
        base_url=url,
        verify=ssl.create_default_context(cafile=ca_file),
        auth=auth,
        timeout=timeout,
        trust_env=False,
    )


def form_fields(body: str) -> dict[str, str]:
    """Split at every `&` and at the first `=`, and insist that no name comes twice."""
    pairs = [piece.split("=", 1) for piece in body.split("&")]
    assert all(len(pair) == 2 for pair in pairs), body
    fields = dict(pairs)
    assert len(fields) == len(pairs), body
    return fields


class FormSpeaker:
    """The form dialect, one method per request; answers as fields."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def post(self, body: bytes, content_type: str = "application/x-www-form-urlencoded") -> httpx.Response:
        return self.client.post("/", content=body, headers={"content-type": content_type})

    def say(self, **parameters: str) -> httpx.Response:
        return self.post(urlencode(parameters, quote_via=quote).encode())

    def ask(self, **parameters: str) -> dict[str, str]:
        answer = self.say(**parameters)
        assert answer.status_code == 200, answer.text
        return form_fields(answer.text)

    def create(self, secsign_id: str, *, showaccesspass: str = "false", **more: str) -> dict[str, str]:
        parameters = {"servicename": "web1 login", "serviceaddress": "web1.example.org"} | more
        return self.ask(
            request="ReqRequestAuthSession",
            apimethod="SecSignGate",
            secsignid=secsign_id,
            showaccesspass=showaccesspass,
            **parameters,
        )

    def follow(self, request: str, created: dict[str, str], **changed: str) -> dict[str, str]:
        ours = {name: created[name] for name in ("secsignid", "authsessionid", "requestid")}
        return self.ask(**({"request": request, "apimethod": "SecSignGate"} | ours | changed))

    def state(self, created: dict[str, str], **changed: str) -> dict[str, str]:
        return self.follow("ReqGetAuthSessionState", created, **changed)

    def cancel(self, created: dict[str, str], **changed: str) -> dict[str, str]:
        return self.follow("ReqCancelAuthSession", created, **changed)

    def release(self, created: dict[str, str], **changed: str) -> dict[str, str]:
        return self.follow("ReqReleaseAuthSession", created, **changed)


class RestSpeaker:
    """REST version 2, one method per request; answers as httpx gives them."""

    path = "/rest/v2/AuthSession"

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def create(self, secsign_id: str, *, showaccesspassicons: str = "false", **more: str) -> httpx.Response:
        parameters = {
            "secsignid": secsign_id,
            "servicename": "web1 login",
            "serviceaddress": "https://web1.example.org/",
            "showaccesspassicons": showaccesspassicons,
        }
        return self.client.get(self.path, params=parameters | more)

    def state(self, authsessionid: int | str) -> httpx.Response:
        return self.client.get(f"{self.path}/{authsessionid}")

    def cancel(self, authsessionid: int | str) -> httpx.Response:
        return self.client.delete(f"{self.path}/{authsessionid}")


def good(answer: httpx.Response) -> dict[str, Any]:
    """The JSON object of a good REST answer, with no name twice."""
    assert answer.status_code == 200, answer.text
    pairs: list[tuple[str, Any]] = json.loads(answer.text, object_pairs_hook=lambda found: found)
    assert len(dict(pairs)) == len(pairs), answer.text
    assert "error" not in dict(pairs), answer.text
    return dict(pairs)

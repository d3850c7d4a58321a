"""The form dialect: `POST /` with a URL-encoded form, answered with `name=value&name=value`, values raw."""

import base64

from secsign_gate.simulator import access_passes, parameters
from secsign_gate.simulator.auth_sessions import AuthSession, PushRequest, State
from secsign_gate.simulator.messages import Answer, Asked, Create, FollowUp, HttpRequest, Kind
from secsign_gate.simulator.refusals import BadRequest, LengthNeeded, Refusal, WrongContentType, WrongMethod

KINDS: dict[str, Kind] = {
    "ReqRequestAuthSession": "create",
    "ReqGetAuthSessionState": "state",
    "ReqCancelAuthSession": "cancel",
    "ReqReleaseAuthSession": "release",
}
CREATE_REQUIRED = {
    "apimethod": parameters.API_METHOD,
    "secsignid": parameters.SECSIGN_ID,
    "servicename": parameters.DISPLAY_TEXT,
    "serviceaddress": parameters.DISPLAY_TEXT,
}
CREATE_OPTIONAL = {"pluginname": parameters.DISPLAY_TEXT, "showaccesspass": parameters.TRUTH}
FOLLOW_UP_REQUIRED = {
    "apimethod": parameters.API_METHOD,
    "secsignid": parameters.SECSIGN_ID,
    "authsessionid": parameters.AUTH_SESSION_ID,
    "requestid": parameters.REQUEST_ID,
}


def read(request: HttpRequest) -> Asked:
    """Read a request to `/`; whatever is wrong with it comes back as its refusal."""
    try:
        _check_http(request)
        given = parameters.read(request.body)
    except Refusal as refusal:
        return Asked("form", "malformed", {}, refusal)
    kind = KINDS.get(given.get("request", ""), "malformed")
    try:
        return Asked("form", kind, given, _operation(kind, given))
    except Refusal as refusal:
        return Asked("form", kind, given, refusal)


def _check_http(request: HttpRequest) -> None:
    if request.method != "POST":
        raise WrongMethod("Only POST is known here.")
    if "content-length" not in request.headers:
        raise LengthNeeded("A Content-Length is needed.")
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/x-www-form-urlencoded":
        raise WrongContentType("The content type must be application/x-www-form-urlencoded.")
    if request.query:
        raise BadRequest("Parameters belong into the body.")


def _operation(kind: Kind, given: dict[str, str]) -> Create | FollowUp:
    values = {name: value for name, value in given.items() if name != "request"}
    if kind == "malformed":
        raise BadRequest("The parameter request names no known request.")
    if kind == "create":
        parameters.check(values, CREATE_REQUIRED, CREATE_OPTIONAL)
        return Create(
            PushRequest(
                secsign_id=values["secsignid"].lower(),
                service_name=values["servicename"],
                service_address=values["serviceaddress"],
                wants_access_pass=values.get("showaccesspass") != "false",
            )
        )
    parameters.check(values, FOLLOW_UP_REQUIRED, {})
    return FollowUp(parameters.int64(values["authsessionid"]), values["secsignid"].lower(), values["requestid"])


def answer(kind: Kind, auth_session: AuthSession) -> Answer:
    """Say how it went, with the fields that vendor clients were seen to read."""
    push = auth_session.push
    own_id: tuple[str, str | int] = ("authsessionid", auth_session.authsessionid)
    if kind == "create":
        created: list[tuple[str, str | int]] = [
            own_id,
            ("requestid", auth_session.requestid),
            ("secsignid", push.secsign_id),
            ("servicename", push.service_name),
            ("serviceaddress", push.service_address),
            ("authsessionstate", int(auth_session.state)),
        ]
        if auth_session.access_pass:
            icon = base64.b64encode(access_passes.picture(auth_session.access_pass)).decode()
            created.append(("authsessionicondata", icon))
        return Answer("form", 200, tuple(created))
    if kind == "cancel":
        return Answer("form", 200, (own_id, ("authsessionstate", int(State.CANCELED))))
    if kind == "release":
        return Answer("form", 200, (own_id, ("authsessionstate", int(auth_session.state))))
    return Answer("form", 200, (own_id, ("secsignid", push.secsign_id), ("authsessionstate", int(auth_session.state))))

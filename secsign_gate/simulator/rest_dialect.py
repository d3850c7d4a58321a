"""The REST dialect, version 2: `/rest/v2/AuthSession` with a PIN account by HTTP Basic, answered with JSON."""

import base64
import binascii
import hmac

from secsign_gate.simulator import access_passes, parameters
from secsign_gate.simulator.auth_sessions import AuthSession, PushRequest, State, Transaction
from secsign_gate.simulator.messages import Answer, Asked, Create, Exist, FollowUp, HttpRequest, Kind, Literally
from secsign_gate.simulator.refusals import BadRequest, NoPinAccount, Refusal, UnknownResource, WrongMethod

PREFIX = "/rest/"
AUTH_SESSION = "/rest/v2/AuthSession"
SECSIGN_ID = "/rest/v2/SecSignId/"
_EXIST = b"exist"  # a flag without a value

CREATE_REQUIRED = {
    "secsignid": parameters.SECSIGN_ID,
    "servicename": parameters.DISPLAY_TEXT,
    "serviceaddress": parameters.DISPLAY_TEXT,
    "showaccesspassicons": parameters.TRUTH,
}
TRANSACTION_REQUIRED = {
    "transactiontitle": parameters.DISPLAY_TEXT,
    "transactiondescr": parameters.LONG_TEXT,
}
TRANSACTION_OPTIONAL = {"transactiondata": parameters.PAIRS}


def read(request: HttpRequest, pin_account: str | None) -> Asked:
    """Read a request below `/rest/`; whatever is wrong with it comes back as its refusal.

    `pin_account` is `NAME:PASSWORD`; None: nobody has one, so everybody is refused.
    """
    kind = _kind(request)
    given = _id_in_path(request)
    try:
        _check_pin_account(request, pin_account)
        if kind != "exist":
            given |= parameters.read(request.query)
        return Asked("rest", kind, given, _operation(kind, given, request))
    except Refusal as refusal:
        return Asked("rest", kind, given, refusal)


def _check_pin_account(request: HttpRequest, pin_account: str | None) -> None:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        given = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        given = b""
    known = pin_account is not None and hmac.compare_digest(given, pin_account.encode())
    if scheme.lower() != "basic" or not known:
        raise NoPinAccount("The PIN account is missing or wrong.")


def _id_in_path(request: HttpRequest) -> dict[str, str]:
    if request.path.startswith(SECSIGN_ID):
        return {"secsignid": request.path.removeprefix(SECSIGN_ID)}
    last = request.path.removeprefix(f"{AUTH_SESSION}/")
    return {} if last == request.path else {"authsessionid": last}


def _kind(request: HttpRequest) -> Kind:
    if request.path.startswith(SECSIGN_ID):
        return "exist" if (request.method, request.query) == ("GET", _EXIST) else "malformed"
    match request.method, request.path == AUTH_SESSION, bool(_id_in_path(request)):
        case "GET", True, _:
            return "create"
        case "GET", _, True:
            return "state"
        case "DELETE", _, True:
            return "cancel"
        case _:
            return "malformed"


def _operation(kind: Kind, given: dict[str, str], request: HttpRequest) -> Create | FollowUp | Exist:
    if kind == "malformed":
        if request.path == AUTH_SESSION or "authsessionid" in given:
            raise WrongMethod("This method is unknown here.")
        raise UnknownResource("There is no such resource.")
    if request.body:
        raise BadRequest("A body is not expected.")
    if kind == "create":
        return Create(_push(given))
    if kind == "exist":
        parameters.check(given, {"secsignid": parameters.SECSIGN_ID}, {})
        return Exist(given["secsignid"].lower())
    parameters.check(given, {"authsessionid": parameters.AUTH_SESSION_ID}, {})
    return FollowUp(parameters.int64(given["authsessionid"]))


def _push(given: dict[str, str]) -> PushRequest:
    if any(name.startswith("transaction") for name in given):
        parameters.check(given, CREATE_REQUIRED | TRANSACTION_REQUIRED, TRANSACTION_OPTIONAL)
        pairs = (pair.partition("=") for pair in given.get("transactiondata", "").split(";") if pair)
        data = tuple((key, value) for key, _, value in pairs)
        transaction = Transaction(given["transactiontitle"], given["transactiondescr"], data)
    else:
        parameters.check(given, CREATE_REQUIRED, {})
        transaction = None
    return PushRequest(
        secsign_id=given["secsignid"].lower(),
        service_name=given["servicename"],
        service_address=given["serviceaddress"],
        wants_access_pass=given["showaccesspassicons"] == "true",
        transaction=transaction,
    )


def existence(*, exists: bool) -> Answer:
    """Say whether there is such a SecSign ID."""
    return Answer("rest", 200, (("exist", Literally("true" if exists else "false")),))


def answer(kind: Kind, auth_session: AuthSession) -> Answer:
    """Say how it went, with the fields that vendor clients were seen to read."""
    state = State.CANCELED if kind == "cancel" else auth_session.state
    fields: list[tuple[str, str | int]] = [
        ("authsessionid", auth_session.authsessionid),
        ("secsignid", auth_session.push.secsign_id),
        ("authsessionstate", int(state)),
    ]
    if kind == "create" and auth_session.access_pass:
        icon = base64.b64encode(access_passes.picture(auth_session.access_pass)).decode()
        fields.append(("authsessionicondata", icon))
    return Answer("rest", 200, tuple(fields))

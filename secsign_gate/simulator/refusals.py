"""The ID server's ways to say no. Each carries the numbers with which the two dialects say it."""

from typing import ClassVar


class Refusal(Exception):
    """A request that the ID server refuses; its text is for people (`errormsg`)."""

    http_status: ClassVar[int | None] = None
    """The status in both dialects when HTTP itself was used wrongly; None: form says 200, REST says `rest_status`."""
    form_error: ClassVar[int] = 400
    rest_status: ClassVar[int] = 400
    error_code: ClassVar[int | None] = None


class BadRequest(Refusal):
    """A parameter is missing, unknown, repeated or badly formed: the server counts and checks them."""


class NoSuchAuthSession(Refusal):
    """The auth session is unknown, was released or cancelled, or the request does not prove its right to it."""


class UnknownSecSignId(Refusal):
    """Nobody enrolled this SecSign ID."""

    form_error = 500
    rest_status = 404
    error_code = 20000


class FrozenSecSignId(Refusal):
    """Too many concurrent logins: nothing goes until the user taps the SecSign ID on the phone."""

    form_error = 500
    rest_status = 409
    error_code = 20006


class NoPinAccount(Refusal):
    """REST demands a PIN account by HTTP Basic in every request."""

    http_status = 401


class UnknownResource(Refusal):
    """There is nothing at this path."""

    http_status = 404


class WrongMethod(Refusal):
    """The path does not know this method."""

    http_status = 405


class LengthNeeded(Refusal):
    """A body must come with a Content-Length, never in chunks."""

    http_status = 411


class BodyTooLarge(Refusal):
    """No request of this protocol is that large."""

    http_status = 413


class WrongContentType(Refusal):
    """The form dialect reads `application/x-www-form-urlencoded` only."""

    http_status = 415

"""The ID server's words as values: one push, the states that it passes through, what is asked and reported.

The dialects (id_server/) translate into these types; core/approval.py judges them.
"""

from enum import IntEnum
from typing import NamedTuple

from secsign_gate.core.secsign_id import SecSignId


class AuthSessionState(IntEnum):
    """States of an auth session (protocol reference 4.1). Only PENDING and FETCHED go on; only 3 is a yes."""

    NOSTATE = 0
    PENDING = 1
    EXPIRED = 2
    AUTHENTICATED = 3
    DENIED = 4
    SUSPENDED = 5
    CANCELED = 6
    FETCHED = 7
    INVALID = 8


class Transaction(NamedTuple):
    """What the phone shows instead of an access pass (REST only, protocol reference 3.2)."""

    title: str
    description: str


class PushRequest(NamedTuple):
    """One push to be created. All texts have passed `core.display_text`.

    `transaction` and `access_pass` exclude each other: a transaction is confirmed without a picture.
    """

    secsign_id: SecSignId
    service_name: str
    service_address: str
    access_pass: bool
    transaction: Transaction | None


class AuthSession(NamedTuple):
    """A push that the ID server has created.

    `id` is a signed 64-bit decimal kept as text. `request_id` is the form dialect's capability, a secret; None in REST.
    `server_url` is the server that answered and the only one that follow-ups go to. `access_pass` is the PNG, or None.
    """

    id: str
    secsign_id: SecSignId
    request_id: str | None
    server_url: str
    access_pass: bytes | None

    def __repr__(self) -> str:
        return f"AuthSession(id={self.id!r}, secsign_id={self.secsign_id!r})"


class StateReport(NamedTuple):
    """A well-formed answer to "what became of this auth session?".

    `auth_session_id` and `secsign_id` are what the server said, None if it did not say; `state` is its number,
    0 to 8 or unknown. Whether it answers *our* question is judged in core/approval.py.
    """

    auth_session_id: str | None
    secsign_id: str | None
    state: int

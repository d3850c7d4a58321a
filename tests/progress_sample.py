"""What a broker says of a login that waits for alice's phone."""

from __future__ import annotations

from secsign_gate.wire import Progress


def progress(**changes: object) -> Progress:
    """Return it; `changes` are the fields that a test wants otherwise."""
    facts: dict[str, object] = {
        "stage": "pushed",
        "place": 0,
        "account": "alice",
        "host": "web1",
        "secsign_id": "alice",
        "seconds_left": 60,
        "wants": "a shell",
        "phone_text": "",
        "access_pass": b"",
        "speak": True,
    }
    return Progress(**(facts | changes))  # type: ignore[arg-type]  # a caller names fields, with values of their kinds

"""Waiting for what the gate puts on record."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gate import Gate

LONGEST_WAIT = 60.0  # seconds; a guard against hanging, never an expectation


def wait_for_record(gate: Gate, **fields: object) -> dict[str, Any]:
    """Return the first record that has all these fields, waiting for it. Raises AssertionError with what happened."""
    deadline = time.monotonic() + LONGEST_WAIT
    while time.monotonic() < deadline:
        for record in gate.records:
            if fields.items() <= {name: value for name, value in record.items() if not isinstance(value, list)}.items():
                return record
        time.sleep(0.02)
    raise AssertionError(f"nothing on record has {fields}; {gate.story()}")

"""What starts the watcher may hang: then there is no undo, and that is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from secsign_gate.activation import arming
from secsign_gate.activation.arming import ArmingError, arm
from secsign_gate.activation.journal import Journal

if TYPE_CHECKING:
    from pathlib import Path


def test_a_watcher_that_does_not_come_up_in_time_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arming, "systemd_runs", lambda: False)
    monkeypatch.setattr(arming, "_watch", lambda _: ["/bin/sh", "-c", "sleep 60"])
    monkeypatch.setattr(arming, "_SECONDS", 0.1)
    with pytest.raises(ArmingError, match=r"cannot be started; nothing was changed"):
        arm(Journal(str(tmp_path)), "")

"""ssh2 of node, which most editors and deployment programs in that language use. `make clients` fetches it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from both_ways import ENDED, TYPED, after_the_line, in_short

if TYPE_CHECKING:
    from both_ways import BothWays, Side

PROGRAM = Path(__file__).with_name("ssh2.js")
MODULES = Path(__file__).parents[2] / ".cache/node/node_modules"

if not (MODULES / "ssh2").exists():
    pytest.skip("npm was not there to fetch ssh2 of node", allow_module_level=True)


def ssh2(side: Side, *scripts: str) -> dict[str, Any]:
    """Run these parts of the program and return what each of them saw, as far as it got."""
    place = side.settings.with_name("seen.json")
    wanted = {"host": side.host, "port": side.port, "account": side.account, "key": str(side.key), "seen": str(place)}
    wanted |= {"scripts": scripts, "typed": TYPED.decode(), "ended": ENDED.decode()}
    side.run("node", PROGRAM, json.dumps(wanted), NODE_PATH=str(MODULES))
    seen: dict[str, Any] = json.loads(place.read_text())
    for one in seen.values():
        if isinstance(one, dict):
            one |= {name: base64.b64decode(one[name]) for name in ("stdout", "stderr")}
    return seen


def everything(side: Side) -> dict[str, Any]:
    seen = ssh2(side, "put", "get", "empty", "copies", "shell")
    seen["shell"]["stdout"] = after_the_line(seen["shell"]["stdout"])
    for one in ("put", "get", "empty"):
        seen[one] |= {name: in_short(seen[one][name]) for name in ("stdout", "stderr")}
    return seen


def test_everything(both: BothWays) -> None:
    seen = both.same(everything, pushes=5)
    assert seen["put"]["status"] == 3
    assert seen["get"]["signal"] == "SIGTERM"
    assert seen["copies"] == ["below", "three"]
    assert b"25 90\r\n" in seen["shell"]["stdout"]
    assert b"20 70\r\n" in seen["shell"]["stdout"]


def test_when_denied(both: BothWays) -> None:
    seen = both.denied(lambda side: ssh2(side, "put", "copies"))
    assert [(name, one["stdout"], one["status"]) for name, one in seen.items()] == [("put", b"", 77)]

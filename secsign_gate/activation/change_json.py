"""A change as the journal holds it: JSON, and nothing but what `to_json` writes is read as one. Pure."""

import base64
import json
from typing import Any

from secsign_gate.activation.change import Change, KeptFile, Listener, Moment, Phase, Server, WrittenFile
from secsign_gate.errors import GateError

_FORMAT = 1  # another one is not guessed at


class JournalError(GateError):
    """What the journal holds is no change that this program knows. `str()` is one sentence."""


def to_json(change: Change) -> str:
    """Return the change as the journal holds it."""
    return json.dumps({"format": _FORMAT, "change": _plain(change)}, indent=1) + "\n"


def from_json(text: str) -> Change:
    """Return the change that `to_json` wrote. Raises JournalError for anything else, also of another version."""
    try:
        value = json.loads(text)
        if value["format"] != _FORMAT:
            raise JournalError(f"the journal is of format {value['format']!a}, and this version knows {_FORMAT}")
        return _change(value["change"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise JournalError("the journal holds no change that this version knows") from None


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _plain(part) for name, part in value._asdict().items()}
    return [_plain(part) for part in value] if isinstance(value, tuple) else value


def _change(value: dict[str, Any]) -> Change:
    server = value["server"]
    return Change(
        phase=Phase(value["phase"]),
        server=Server(
            executable=_text(server["executable"]),
            configuration=_text(server["configuration"]),
            options=_texts(server["options"]),
            listeners=tuple(
                Listener(int(one["pid"]), int(one["start_time"]), _text(one["unit"])) for one in server["listeners"]
            ),
        ),
        gated=_text(value["gated"]),
        break_glass=_texts(value["break_glass"]),
        doors=_texts(value["doors"]),
        started=_moment(value["started"]),
        deadline=_moment(value["deadline"]),
        in_force=None if value["in_force"] is None else _moment(value["in_force"]),
        before=_kept_files(value["before"]),
        original=_kept_files(value["original"]),
        written=tuple(WrittenFile(_path(one["path"]), _text(one["digest"])) for one in value["written"]),
        previous=None if value["previous"] is None else _change(value["previous"]),
        why=_text(value["why"]),
    )


def _kept_files(values: list[dict[str, Any]]) -> tuple[KeptFile, ...]:
    return tuple(
        KeptFile(
            path=_path(one["path"]),
            content=None if one["content"] is None else base64.b64decode(_text(one["content"]), validate=True),
            mode=int(one["mode"]),
            uid=int(one["uid"]),
            gid=int(one["gid"]),
            mtime=int(one["mtime"]),
            attributes=tuple((_text(name), base64.b64decode(data, validate=True)) for name, data in one["attributes"]),
        )
        for one in values
    )


def _moment(value: dict[str, Any]) -> Moment:
    return Moment(_text(value["boot"]), float(value["since_boot"]), float(value["wall"]))


def _texts(values: list[str]) -> tuple[str, ...]:
    return tuple(_text(value) for value in values)


def _path(value: object) -> str:
    path = _text(value)
    if not path.startswith("/") or "\0" in path:
        raise ValueError("a journal names files by their whole path")
    return path


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text was expected")
    return value

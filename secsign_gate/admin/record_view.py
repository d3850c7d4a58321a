"""One record as one line for people: what fits into the width, in columns, and nothing that a terminal would obey."""

from datetime import datetime, tzinfo
from typing import NamedTuple

from secsign_gate.admin.logged_record import LoggedRecord

_COLOURS = {"allow": "green", "refuse": "red", "left": "yellow"}
_TIME, _SHORT_TIME = "%Y-%m-%d %H:%M:%S", "%m-%d %H:%M:%S"
_NARROW = 100  # columns; below them the year gives way, there is too little room for names already
_VERDICT, _WAITED, _REFERENCE = 6, 5, 6
_GAPS = 7
# Of what the fixed columns leave, in percent: account, client address, what was wanted, why.
_SHARES = (17, 27, 28, 28)
_UNCUT = (12, 15, 24, 18)  # where there is no terminal to be too narrow: aligned as long as nothing is longer
_LONGEST = 9999.0  # seconds that have room


class Cell(NamedTuple):
    """A piece of a line: its text, padded, and a colour or None. The gap after it is not in it."""

    text: str
    colour: str | None = None


def record_line(record: LoggedRecord, width: int | None, zone: tzinfo | None) -> list[Cell]:
    """Return the line for `record` as cells to be joined by blanks.

    `width` is that of the terminal in columns: longer fields are cut and end in `~`. None cuts nothing. `zone` is the
    time zone to show times in, None for that of this host.
    """
    time = _local_time(record, zone, _SHORT_TIME if width is not None and width < _NARROW else _TIME)
    verdict = _verdict(record)
    shares: tuple[int, ...] = _UNCUT
    if width is not None:
        room = max(0, width - len(time) - _VERDICT - _WAITED - _REFERENCE - _GAPS)
        shares = _shared(room)
    account, address, wanted, why = (
        _fitted(text, share, cut=width is not None)
        for text, share in zip(
            (record.says("account") or "-", record.says("client_address") or "-", _wanted(record), _why(record)),
            shares,
            strict=True,
        )
    )
    cells = [
        Cell(time),
        Cell(_fitted(verdict, _VERDICT, cut=True), _COLOURS.get(verdict)),
        Cell(account),
        Cell(address),
        Cell(wanted),
        Cell(why),
        Cell(_waited(record.fields.get("waited_seconds")).rjust(_WAITED)),
        Cell(_fitted(record.says("reference") or "-", _REFERENCE, cut=width is not None)),
    ]
    return cells if width is None else _first(cells, width)


def plain(text: str) -> str:
    """Return `text` with all but printable ASCII as an escape: a record may have been written by anybody."""
    return "".join(char if " " <= char <= "~" else f"\\u{ord(char):04x}" for char in text)


def _local_time(record: LoggedRecord, zone: tzinfo | None, form: str) -> str:
    try:
        return datetime.fromisoformat(record.time).astimezone(zone).strftime(form)
    except (ValueError, OverflowError):  # the month 13, or a year that the zone takes out of the calendar
        return record.time[: len("2024-05-17T09:30:12")]


def _verdict(record: LoggedRecord) -> str:
    if record.says("event") == "client_left_before_hand_over":
        return "left"  # it had been allowed, but nothing ran
    return record.says("verdict") or "-"


def _wanted(record: LoggedRecord) -> str:
    """Return what ran or would have: a restricted key runs its own command, whatever the client says.

    Of PAM's questions it is the service, or `connection` for an SSH connection as a whole.
    """
    wanted = record.says("wanted")
    if wanted == "service":
        return record.says("service") or wanted
    return record.says("restriction") or record.says("command") or wanted or "-"


def _why(record: LoggedRecord) -> str:
    why = record.says("ground") or record.says("reason") or ("" if record.says("verdict") else record.says("event"))
    rule = record.says("rule")
    words = why.replace("_", " ") or "-"
    return f"{words}: {rule}" if rule else words


def _waited(seconds: object) -> str:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= _LONGEST:
        return "-"
    return f"{seconds:.1f}s" if seconds < 100 else f"{seconds:.0f}s"  # noqa: PLR2004 - no room for a fraction beyond


def _shared(room: int) -> tuple[int, ...]:
    """Return the widths of the four columns between the fixed ones. What rounding leaves is for the last one."""
    first = [room * share // 100 for share in _SHARES[:-1]]
    return (*first, room - sum(first))


def _first(cells: list[Cell], width: int) -> list[Cell]:
    """Return what of `cells` a terminal has room for that is too narrow even for the fixed columns."""
    kept = []
    for cell in cells:
        if width <= 0:
            break
        kept.append(cell._replace(text=cell.text[:width]))
        width -= len(cell.text) + 1
    return kept


def _fitted(text: str, width: int, *, cut: bool) -> str:
    text = plain(text)
    if cut and len(text) > width:
        text = text[: max(0, width - 1)] + "~"[:width]
    return text.ljust(width)

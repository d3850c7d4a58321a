"""Finding out what `enable` would do, and whether it can: everything that can be known before the first change."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from secsign_gate.activation.change import Change, KeptFile, Phase, Server, digest
from secsign_gate.activation.checkpoint import keep
from secsign_gate.activation.journal import Journal
from secsign_gate.activation.orders import Reach, reach, require_account, require_answers, usable_orders
from secsign_gate.activation.plan import Doors, Gated, diff, drop_in_text, shipped_name
from secsign_gate.activation.plan_doors import (
    KEYS_DROP_IN,
    SHIPPED_KEYS,
    SHIPPED_PAM,
    keys_text,
    keys_user,
    pam_text,
)
from secsign_gate.activation.server import (
    PreconditionError,
    drop_in_path,
    require_root,
    require_writable,
    same_file,
    sshd_meant,
)
from secsign_gate.activation.shipped import shipped_drop_in, shipped_pam
from secsign_gate.config import Settings
from secsign_gate.sshd.program import Sshd

FORCE_COMMAND, AUTHORIZED_KEYS, PAM = "force-command", "authorized-keys", "pam"
DOORS = (FORCE_COMMAND, AUTHORIZED_KEYS, PAM)
_MODE = 0o644
_PAM_FOLDER = "/etc/pam.d"
_PAM_SECONDS = 90  # that the PAM door waits unless told otherwise (doors/pam.py)


class Request(NamedTuple):
    """What the administrator asks for. `orders` is our configuration's path; None elsewhere means: find it.

    `door_names` are some of DOORS. `seconds` is how long the change waits to be confirmed.
    """

    gated: Gated
    break_glass: tuple[str, ...]
    doors: Doors
    door_names: frozenset[str]
    seconds: float
    orders: str
    sshd: str | None = None
    sshd_config: str | None = None
    directory: str | None = None


class Plan(NamedTuple):
    """What would be done: `files` as they are to be, `before` as they are, and the `diff` between the two.

    `in_force` is the confirmed change that this one would follow, None if there is none.
    """

    sshd: Sshd
    server: Server
    files: tuple[KeptFile, ...]
    before: tuple[KeptFile, ...]
    diff: str
    reach: Reach
    settings: Settings
    in_force: Change | None


def plan_change(request: Request, journal: Journal) -> Plan:
    """Return what `enable` would do; changes nothing, and makes no file. Raises GateError if it could not be done."""
    require_root()
    change = journal.read()
    if change is not None and change.phase is not Phase.CONFIRMED:
        raise PreconditionError(
            "an earlier change is not confirmed yet; `secsign-gate confirm` or `disable` comes first"
        )
    sshd, server = sshd_meant(request.sshd, request.sshd_config)
    if change is not None and not same_file(change.server.configuration, server.configuration):
        raise PreconditionError(
            f"the gate is switched on for the sshd of {change.server.configuration}, and only one sshd's can be at a "
            "time; run `secsign-gate disable` first, or write a drop-in for the other by hand"
        )
    sshd.validate()
    drop_in = drop_in_path(sshd, request.directory)
    usable = usable_orders(request.orders)
    wanted = dict(_wanted(request, sshd, drop_in, change))
    if change is not None:  # files of a door that is no longer wanted become what they were
        gone = {written.path for written in change.written} - wanted.keys()
        wanted |= {kept.path: kept for kept in change.original if kept.path in gone}
    files, before = [], []
    for path, file in wanted.items():
        require_writable(path)
        present = keep(path)
        _require_ours(change, present)
        if (file.content, file.mode) != (present.content, present.mode):
            files.append(file)
            before.append(present)
    reached = reach(request.gated, request.break_glass, usable, request.door_names)
    require_answers(usable, reached.served, broker=bool(request.doors.broker))
    return Plan(
        sshd=sshd,
        server=server,
        files=tuple(files),
        before=tuple(before),
        diff="".join(diff(new.path, old.content, new.content) for new, old in zip(files, before, strict=True)),
        reach=reached,
        settings=usable.settings,
        in_force=change,
    )


def _wanted(request: Request, sshd: Sshd, drop_in: str, change: Change | None) -> Iterator[tuple[str, KeptFile]]:
    """Yield each file that the doors need, as it is to be. Raises GateError."""
    gated, break_glass, doors = request.gated, request.break_glass, request.doors
    if FORCE_COMMAND in request.door_names:
        text = drop_in_text(shipped_drop_in(shipped_name(gated)), gated, break_glass, doors)
        yield drop_in, KeptFile(drop_in, text.encode(), _MODE)
    if AUTHORIZED_KEYS in request.door_names:
        text = keys_text(shipped_drop_in(SHIPPED_KEYS), gated, break_glass, doors)
        require_account(keys_user(text))
        path = str(Path(drop_in).with_name(KEYS_DROP_IN))
        yield path, KeptFile(path, text.encode(), _MODE)
    if PAM in request.door_names:
        path = f"{_PAM_FOLDER}/{_pam_service(request, sshd)}"
        present = next((kept for kept in _original(change) if kept.path == path), None) or keep(path)
        if present.content is None:
            raise PreconditionError(
                f"{path} does not exist, so sshd's PAM service is set up elsewhere; see docs/pam.md"
            )
        text = pam_text(
            present.content.decode("utf-8", "surrogateescape"), shipped_pam(SHIPPED_PAM), gated, break_glass, doors
        )
        yield path, present._replace(content=text.encode("utf-8", "surrogateescape"), mtime=0)


def _original(change: Change | None) -> tuple[KeptFile, ...]:
    return () if change is None else change.original


def _pam_service(request: Request, sshd: Sshd) -> str:
    """Return the name of the service that sshd asks. Raises PreconditionError unless PAM could be a door."""
    settings = sshd.settings()
    if not settings.is_on("usepam"):
        raise PreconditionError("sshd does not ask PAM; set `UsePAM yes`, or take another door")
    if not request.doors.broker:
        raise PreconditionError("the PAM door asks the daemon and nobody else; set one up first, and say --broker")
    grace = settings.value("logingracetime")
    if grace.isdecimal() and 0 < int(grace) <= _PAM_SECONDS:
        raise PreconditionError(
            f"LoginGraceTime is {grace} s, and PAM may wait {_PAM_SECONDS} s for the phone; set `LoginGraceTime 120`"
        )
    return settings.value("pamservicename") or "sshd"


def _require_ours(change: Change | None, present: KeptFile) -> None:
    """Raise PreconditionError if somebody has changed by hand what this program wrote."""
    for written in () if change is None else change.written:
        if written.path == present.path and (present.content is None or digest(present.content) != written.digest):
            raise PreconditionError(
                f"{present.path} has been changed by hand since `secsign-gate enable` wrote it; keep your change in "
                "another file, then run `secsign-gate disable` first"
            )

"""Whether the ID server knows a SecSign ID, asked without a push: REST has a question for it, the form dialect none."""

import asyncio
from typing import TYPE_CHECKING

from secsign_gate.core.pacing import Kind
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.doctor.finding import Finding, Status
from secsign_gate.errors import IdServerError
from secsign_gate.id_server.dialects import dialect_of
from secsign_gate.id_server.rest import RestDialect
from secsign_gate.id_server.transport import Transport

if TYPE_CHECKING:
    from secsign_gate.config import IdServerSettings


def examine_secsign_ids(settings: "IdServerSettings", secsign_ids: tuple[SecSignId, ...]) -> tuple[Finding, ...]:
    """Ask the main server about each of `secsign_ids`. What it does not say is no fault: the right may be missing."""
    dialect = dialect_of(settings)
    if not isinstance(dialect, RestDialect):
        return ()
    return asyncio.run(_ask(dialect, settings, secsign_ids))


async def _ask(
    dialect: RestDialect, settings: "IdServerSettings", secsign_ids: tuple[SecSignId, ...]
) -> tuple[Finding, ...]:
    transport = Transport(settings, lambda *_: None)
    findings = []
    try:
        for secsign_id in secsign_ids:
            try:
                reply = await transport.exchange(settings.url, Kind.LOOK, dialect.exist(secsign_id))
                findings.append(_judged(secsign_id, exists=dialect.exists(reply)))
            except IdServerError:
                what = f"the ID server does not say whether there is a SecSign ID {secsign_id}; a push tells"
                findings.append(Finding(Status.NOTE, "", "", what))
    finally:
        await transport.aclose()
    return tuple(findings)


def _judged(secsign_id: SecSignId, *, exists: bool) -> Finding:
    if exists:
        return Finding(Status.CLOSED, "", "", f"the ID server knows the SecSign ID {secsign_id}")
    what = f"the ID server knows no SecSign ID {secsign_id}"
    why = "logins that would ask it are refused (no_such_secsign_id)"
    return Finding(Status.BROKEN, "", "", what, why, "write it as it stands in the app, or enrol it")

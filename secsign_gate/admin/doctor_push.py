"""`secsign-gate doctor --push`: one real push, each stage told as it comes."""

import asyncio

import click

from secsign_gate.admin.doctor_text import Page
from secsign_gate.config import Settings
from secsign_gate.core.secsign_id import SecSignId
from secsign_gate.doctor.one_push import PushEnd, push_once, request_for_test
from secsign_gate.doctor.walk import Walk


class PushMade:
    """Makes one push and shows it on `page`, unless `quiet`. `stages` are those that it has come through."""

    def __init__(self, page: Page, color: bool | None, *, quiet: bool) -> None:  # noqa: FBT001 - as click has it
        self.stages: list[dict[str, object]] = []
        self._page = page
        self._color = color
        self._quiet = quiet

    def push(self, walk: Walk) -> PushEnd:
        """Push for the login that was walked. Raises click.ClickException if nobody can be pushed, or not now."""
        settings, secsign_id = _whom(walk)
        self._show(click.style("push", bold=True))
        end = asyncio.run(push_once(settings, request_for_test(walk.account, secsign_id), self._tell))
        outcome = "accepted" if end.accepted else f"not accepted ({end.why})"
        self._show(
            click.style(f"{outcome} after {end.seconds:.1f} s", fg="green" if end.accepted else "red", bold=True)
        )
        return end._replace(seconds=round(end.seconds, 3))

    def _tell(self, stage: str, seconds: float) -> None:
        self.stages.append({"stage": stage, "seconds": round(seconds, 3)})
        self._show(self._line(stage, seconds))

    def _line(self, what: str, seconds: float) -> str:
        return self._page.readable(f"  {seconds:6.1f} s  {what}")

    def _show(self, line: str) -> None:
        if not self._quiet:
            click.echo(line, color=self._color)


def _whom(walk: Walk) -> tuple[Settings, SecSignId]:
    name, ids = walk.account.name, walk.secsign_ids
    if walk.settings is None:
        raise click.ClickException("the configuration is not usable, so nobody can be pushed; correct it first")
    if not ids:
        raise click.ClickException(
            f"{name} has no SecSign ID, so there is no phone to push; add its line to the users file"
        )
    if len(ids) > 1:
        raise click.ClickException(f"{name} has several SecSign IDs ({', '.join(ids)}); say by --fingerprint whose key")
    if any(one.get("secsign_id") == ids[0] for one in (walk.status or {}).get("waiting", ())):
        # The ID server suspends the first of two, and that one is somebody's login.
        raise click.ClickException(f"another request is on the phone of {ids[0]}; try again when it is answered")
    return walk.settings, ids[0]

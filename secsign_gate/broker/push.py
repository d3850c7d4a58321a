"""One push, from its turn to its end, for every channel that waits for it.

Channels of one SSH connection that open while a push is under way wait for that one answer (law 4); so a push lives as
long as anybody waits for it, and is withdrawn when the last one has left. The next push for the same SecSign ID has its
turn only after this one is off the phone: the ID server suspends the first of two.
"""

import asyncio
from contextlib import suppress

from secsign_gate.broker.state import Turn
from secsign_gate.broker.world import World
from secsign_gate.core.approval import Approval, next_look, observe, opened, refusal_for
from secsign_gate.core.auth_session import AuthSession, AuthSessionState, PushRequest, StateReport
from secsign_gate.core.grant import Coverage
from secsign_gate.core.push_limits import refusal
from secsign_gate.core.verdict import Reason, Refuse, Verdict, refuse
from secsign_gate.errors import IdServerError, IdServerUnreachable

# Nobody is pushed who is known to have left (law 9); what the door has said by now is heard within this time.
LAST_CALL_SECONDS = 0.005
LAST_LOOK_SECONDS = 2.0


class Push:
    """One push. Get it by `push_for` and join it at once; whoever has joined leaves by `leave`, exactly once.

    `stage` is as in wire.Progress, empty as long as there is nothing to tell, and `place` how many come before while it
    is `queued`. `deadline` is when the stage ends at the latest, in seconds of the broker's clock. `verdict` is None
    until the end. `changes` counts how often any of these has changed.
    """

    def __init__(self, request: PushRequest, account: str, world: World) -> None:
        self.request = request
        self.account = account
        self.stage = ""
        self.place = 0
        self.deadline = 0.0
        self.auth_session: AuthSession | None = None
        self.verdict: Verdict | None = None
        self.changes = 0
        self.covered: Coverage | None = None
        self._world = world
        self._waiting = 0
        self._news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = world.follow(self._run())

    def join(self) -> None:
        """Wait for this push, too."""
        self._waiting += 1

    def leave(self) -> None:
        """Wait for it no more. When nobody does, it is withdrawn, and nobody joins it any more."""
        self._waiting -= 1
        if self._waiting:
            return
        if self.covered is not None:
            self._world.kept.under_way.pop(self.covered, None)
        if self.verdict is None:
            self.verdict = refuse(Reason.CLIENT_LEFT)
            self._task.cancel()

    def news_after(self, changes: int) -> "asyncio.Future[None]":
        """Return what is done once stage, place or verdict have changed more often than that. All who wait share it."""
        if self.changes == changes:
            return self._news
        news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        news.set_result(None)
        return news

    async def _run(self) -> None:
        turn = self._world.state.turn(self.request.secsign_id)
        try:
            if await self._has_its_turn(turn):
                await self._ask()
            else:
                self._end(refuse(Reason.QUEUE_TOO_SLOW))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a refusal for all who wait
            self._end_by_defect(error)
        finally:
            turn.leave()

    async def _has_its_turn(self, turn: Turn) -> bool:
        """Wait until no other push comes before this one. Returns False if that took too long."""
        deadline = self._world.clock() + self._world.settings.push.queue_seconds
        try:
            while turn.place:
                self._tell("queued", deadline, turn.place)
                async with asyncio.timeout(deadline - self._world.clock()):
                    await turn.moved()
        except TimeoutError:
            return False
        return True

    async def _ask(self) -> None:
        """Push, and follow the push to its end. However this ends, the auth session is withdrawn or disposed of."""
        world, secsign_id = self._world, self.request.secsign_id
        limits, seconds = world.settings.limits, world.settings.push.wait_seconds
        too_often = refusal(*world.state.histories(self.account, secsign_id), world.clock(), limits)
        if too_often is not None:
            self._end(too_often)
            return
        self._tell("asking", world.clock() + seconds)
        id_server = world.id_server  # an embedded broker loads the client's libraries here
        await asyncio.sleep(LAST_CALL_SECONDS)
        world.kept.pushes += 1
        world.kept.last_push_at = pushed_at = world.clock()
        world.state.pushed(self.account, secsign_id, pushed_at, limits)
        opening = asyncio.create_task(id_server.open(self.request))
        approval: Approval | None = None
        try:
            # Not stopped once it may be on its way: only its answer tells what to withdraw.
            self.auth_session = await asyncio.shield(opening)
            approval = opened(self.auth_session, secsign_id, world.clock(), seconds)
            while approval.verdict is None:
                self._tell("fetched" if approval.state is AuthSessionState.FETCHED else "pushed", approval.deadline)
                await asyncio.sleep(next_look(approval, world.clock(), world.jitter()))
                reply = await self._look(self.auth_session, approval.deadline)
                approval = observe(approval, reply, world.clock())
            world.state.ended(self.account, secsign_id, approval.verdict, world.clock())
            self._end(approval.verdict)
        except IdServerError as error:
            if isinstance(error, IdServerUnreachable) and not error.request_may_have_arrived:
                world.state.not_pushed(self.account, secsign_id, pushed_at)  # no phone can have rung
            self._end(refusal_for(error))
        except Exception as error:
            self._end_by_defect(error)  # now: what follows may take seconds, and after an end nobody cuts it short
            raise
        finally:
            await self._taken_off_the_phone(opening, approval)

    async def _taken_off_the_phone(self, opening: "asyncio.Task[AuthSession]", approval: Approval | None) -> None:
        """Withdraw or dispose of the auth session. What the phone has said by then is remembered, though nobody waits.

        Else who has a key, and leaves before each look, could have a phone pushed again and again, denied or not.
        """
        try:
            # A broker that stops remembers nothing, and has a request for each push to make as it is.
            if approval is not None and approval.verdict is None and not self._world.kept.stopping:
                approval = await self._looked_at_once_more(approval)
        finally:
            await self._world.tidied(opening, approval)

    async def _looked_at_once_more(self, approval: Approval) -> Approval:
        world = self._world
        with suppress(IdServerError, TimeoutError):
            async with asyncio.timeout(LAST_LOOK_SECONDS):
                approval = observe(approval, await world.id_server.state_of(approval.auth_session), world.clock())
        if isinstance(approval.verdict, Refuse):
            world.state.ended(self.account, self.request.secsign_id, approval.verdict, world.clock())
        return approval

    async def _look(self, auth_session: AuthSession, deadline: float) -> StateReport | IdServerError:
        """Ask once what became of the push. A look that fails, or is not back before `deadline`, is an observation."""
        try:
            async with asyncio.timeout(deadline - self._world.clock()):
                return await self._world.id_server.state_of(auth_session)
        except IdServerError as error:
            return error
        except TimeoutError:
            return IdServerUnreachable("the ID server let the time run out", request_may_have_arrived=True)

    def _tell(self, stage: str, deadline: float, place: int = 0) -> None:
        if (stage, place, deadline) != (self.stage, self.place, self.deadline):
            self.stage, self.place, self.deadline = stage, place, deadline
            self._announce()

    def _end(self, verdict: Verdict) -> None:
        if self.verdict is None:
            self.verdict = verdict
            self._announce()

    def _end_by_defect(self, error: Exception) -> None:
        self._end(refuse(Reason.INTERNAL_ERROR, f"{type(error).__name__}: {error}"))

    def _announce(self) -> None:
        self.changes += 1
        news, self._news = self._news, asyncio.get_running_loop().create_future()
        news.set_result(None)


def push_for(world: World, request: PushRequest, account: str, covered: Coverage | None) -> Push:
    """Return the push under way that `covered` shares, or a new one made of `request`. None shares with nobody."""
    push = world.kept.under_way.get(covered) if covered is not None else None
    if push is None:
        push = Push(request, account, world)
        if covered is not None:
            push.covered = covered
            world.kept.under_way[covered] = push
    return push

"""The phone's port: the page, the JSON API under it, and the controls that tests and `secsign-gate phone` use.

Plain HTTP on loopback. A web page of somebody else must not press the buttons: the Host is checked against DNS
rebinding, and what changes anything must be JSON from this very page or from no page at all.
"""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from secsign_gate.simulator import access_passes, fault_queue
from secsign_gate.simulator.auth_sessions import AuthSession
from secsign_gate.simulator.id_server import World

PAGE_FOLDER = Path(__file__).with_name("phone_page")
PAGE_FILES = {"/": "phone.html", "/phone.css": "phone.css", "/phone.js": "phone.js", "/phone.svg": "phone.svg"}
LONGEST_WAIT = 60.0
RECENT = 4
SECURITY_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


def make_phone(world: World, port: int) -> Starlette:
    """Make the ASGI application of the phone that listens on this port."""
    phone = Phone(world)
    routes = [
        *(Route(path, _file(name)) for path, name in PAGE_FILES.items()),
        Route("/access-passes/{name}.png", phone.picture),
        Route("/events", phone.events),
        Route("/requests", phone.requests),
        Route("/requests/{number:int}/{act}", phone.act, methods=["POST"]),
        Route("/requests/accept", phone.accept_all, methods=["POST"]),
        Route("/ids/{secsign_id}/unfreeze", phone.unfreeze, methods=["POST"]),
        Route("/faults", phone.faults),
        Route("/faults", phone.add_fault, methods=["POST"]),
        Route("/faults", phone.clear_faults, methods=["DELETE"]),
        Route("/log", phone.log),
        Route("/auth-sessions", phone.auth_sessions),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(OwnPageOnly, port=port)],
        exception_handlers={HTTPException: _say_error},
    )


class Phone:
    """What the page and the controls ask for."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def picture(self, request: Request) -> Response:
        """Draw one access pass."""
        try:
            return Response(access_passes.picture(request.path_params["name"]), media_type="image/png")
        except KeyError:
            raise HTTPException(404, "There is no such picture.") from None

    async def requests(self, request: Request) -> Response:
        """List the open requests, of one `secsignid` if given; with `wait` seconds, as soon as there is one."""
        secsign_id = request.query_params.get("secsignid")
        ends = self._now() + _seconds(request.query_params.get("wait", "0"))
        while True:
            rings = self._world.bell.rings
            found = self._world.auth_sessions.open_ones(secsign_id and secsign_id.lower(), self._now())
            if found or self._now() >= ends or self._world.bell.leaving:
                return JSONResponse({"requests": [self._counted_down(one) for one in found]})
            await self._world.bell.wait(rings, ends - self._now())

    async def act(self, request: Request) -> Response:
        """Fetch, accept, deny, or pick a picture for one open request."""
        picked = (await _json_object(request)).get("access_pass")
        found = self._world.auth_sessions.on_phone(request.path_params["number"], self._now())
        if found is None:
            raise HTTPException(404, "This request is no longer open.")
        match request.path_params["act"]:
            case "fetch":
                found.fetch()
            case "accept":
                found.accept()
            case "deny":
                found.deny()
            case "pick":
                found.pick(str(picked))
            case _:
                raise HTTPException(404, "One may fetch, accept, deny or pick.")
        self._world.bell.ring()
        return JSONResponse({"state": found.state.name})

    async def accept_all(self, request: Request) -> Response:
        """Accept every open request at one moment, as no number of calls of `act` would."""
        await _json_object(request)
        found = self._world.auth_sessions.open_ones(None, self._now())
        for one in found:
            one.accept()
        self._world.bell.ring()
        return JSONResponse({"number": len(found)})

    async def unfreeze(self, request: Request) -> Response:
        """Tap a frozen ID."""
        self._world.auth_sessions.unfreeze(request.path_params["secsign_id"].lower())
        self._world.bell.ring()
        return JSONResponse({})

    async def events(self, request: Request) -> Response:
        """Tell what the phone shows, again whenever it changes, as server-sent events."""
        del request
        return StreamingResponse(self._events(), media_type="text/event-stream")

    async def _events(self) -> AsyncIterator[str]:
        shown = None
        while not self._world.bell.leaving:
            rings, view = self._world.bell.rings, self._view()
            if view != shown:
                yield f"data: {json.dumps(view | {'now': self._now()})}\n\n"
                shown = view
            await self._world.bell.wait(rings, 1.0)

    async def faults(self, request: Request) -> Response:
        """List the faults still to come."""
        del request
        return JSONResponse({"faults": [fault.as_json() for fault in self._world.faults.waiting()]})

    async def add_fault(self, request: Request) -> Response:
        """Ask for a fault."""
        try:
            self._world.faults.add(fault_queue.read(await _json_object(request)))
        except fault_queue.FaultMistake as mistake:
            raise HTTPException(400, str(mistake)) from mistake
        return await self.faults(request)

    async def clear_faults(self, request: Request) -> Response:
        """Behave again."""
        self._world.faults.clear()
        return await self.faults(request)

    async def log(self, request: Request) -> Response:
        """List every request that the ID server received."""
        del request
        return JSONResponse({"log": self._world.journal.as_json()})

    async def auth_sessions(self, request: Request) -> Response:
        """List every auth session with its state."""
        del request
        return JSONResponse(
            {"auth_sessions": [self._record(one) for one in self._world.auth_sessions.all(self._now())]}
        )

    def _now(self) -> float:
        return self._world.bell.now()

    def _view(self) -> dict[str, Any]:
        everything = self._world.auth_sessions.all(self._now())
        ended = [one for one in everything if not one.is_open][-RECENT:]
        return {
            "requests": [self._shown(one) for one in everything if one.is_open],
            "ended": [self._shown(one) for one in reversed(ended)],
            "frozen": sorted(self._world.auth_sessions.frozen),
        }

    def _shown(self, one: AuthSession) -> dict[str, Any]:
        """Describe a request as the phone knows it: not which picture is the right one."""
        transaction = one.push.transaction
        return {
            "number": one.number,
            "secsignid": one.push.secsign_id,
            "servicename": one.push.service_name,
            "serviceaddress": one.push.service_address,
            "transaction": transaction and transaction._asdict(),
            "access_passes": list(one.choices),
            "state": one.state.name,
            "created": round(one.created, 3),
            "expires": round(one.expires, 3),
        }

    def _counted_down(self, one: AuthSession) -> dict[str, Any]:
        return self._shown(one) | {"seconds_left": max(0, round(one.expires - self._now()))}

    def _record(self, one: AuthSession) -> dict[str, Any]:
        return self._shown(one) | {
            "authsessionid": str(one.authsessionid),
            "access_pass": one.access_pass,
            "disposed": one.disposed,
        }


def _file(name: str) -> Callable[[Request], Response]:
    return lambda request: FileResponse(PAGE_FOLDER / name)  # noqa: ARG005 - the route passes the request


async def _say_error(request: Request, error: Exception) -> Response:
    del request
    known = error if isinstance(error, HTTPException) else HTTPException(500)
    return JSONResponse({"error": known.detail}, known.status_code)


async def _json_object(request: Request) -> dict[str, Any]:
    try:
        found = json.loads(await request.body())
    except ValueError as unreadable:
        raise HTTPException(400, "The body is not JSON.") from unreadable
    if not isinstance(found, dict):
        raise HTTPException(400, "The body is not a JSON object.")
    return found


def _seconds(text: str) -> float:
    if not text.isdecimal():
        raise HTTPException(400, "wait is a number of seconds.")
    return min(float(text), LONGEST_WAIT)


class OwnPageOnly:
    """Refuse what another page made a browser send, and put the security headers on every answer."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or refuse it."""
        request = Request(scope)
        complaint = self._complaint(request)
        app = self._app if complaint is None else JSONResponse({"error": complaint}, 403)

        async def send_safely(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    *((name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()),
                ]
            await send(message)

        await app(scope, receive, send_safely)

    def _complaint(self, request: Request) -> str | None:
        host, origin = request.headers.get("host", ""), request.headers.get("origin")
        if host not in self._hosts:
            return "The Host must be the phone's own address."
        if origin not in (None, f"http://{host}"):
            return "Another page may not use the phone."
        if request.method not in ("GET", "HEAD") and request.headers.get("content-type") != "application/json":
            return "What changes anything must be sent as application/json."
        return None

"""The faults that somebody asked for and that have not happened yet. What each of them does is said in `faults`."""

import base64
import binascii
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, get_args

from secsign_gate.simulator import faults
from secsign_gate.simulator.messages import Kind

On = Literal[Kind, "any"]
KINDS_OF_REQUESTS: tuple[str, ...] = (*get_args(Kind), "any")

FAULTS: dict[str, Callable[..., Any]] = {
    fault.__name__.replace("_", "-"): fault
    for point in (faults.EVENTS, faults.INSTEAD, faults.ANSWERS, faults.REPLIES, faults.DELIVERIES)
    for fault in point
}


class FaultMistake(ValueError):
    """A fault that was asked for does not exist or cannot have these options; the text says what to do."""


class Fault(NamedTuple):
    """A fault to come: what, to which kind of request, how often (None: until cleared), with which options."""

    name: str
    on: str
    times: int | None
    options: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return what was asked for, as it was asked for."""
        return {"fault": self.name, "on": self.on, "times": self.times, "options": dict(self.options)}


def options_of(name: str) -> dict[str, inspect.Parameter]:
    """Return the options of a fault: their names, types (`annotation`) and defaults."""
    parameters = inspect.signature(FAULTS[name]).parameters
    return {each: parameter for each, parameter in parameters.items() if parameter.kind is parameter.KEYWORD_ONLY}


def read(wanted: object) -> Fault:
    """Read `{"fault": NAME, "on": KIND, "times": NUMBER or null, "options": {…}}`; `on` any, `times` 1, options none.

    Raises FaultMistake.
    """
    if not isinstance(wanted, dict) or not {"fault"} <= set(wanted) <= {"fault", "on", "times", "options"}:
        raise FaultMistake("A fault is an object with fault, and perhaps on, times, options.")
    name, on, times, options = (wanted.get(key, default) for key, default in DEFAULTS.items())
    if not isinstance(name, str) or name not in FAULTS:
        raise FaultMistake(f"There is no fault {name!r}; known are {', '.join(sorted(FAULTS))}.")
    if on not in KINDS_OF_REQUESTS:
        raise FaultMistake(f"There is no request {on!r}; known are {', '.join(KINDS_OF_REQUESTS)}.")
    if times is not None and (type(times) is not int or times < 1):
        raise FaultMistake("times is a number from 1, or null for until cleared.")
    if not isinstance(options, dict):
        raise FaultMistake("options is an object.")
    _check_options(name, options)
    return Fault(name, on, times, options)


DEFAULTS: dict[str, Any] = {"fault": None, "on": "any", "times": 1, "options": {}}


def _check_options(name: str, options: Mapping[str, Any]) -> None:
    known = options_of(name)
    for option, value in options.items():
        if option not in known:
            raise FaultMistake(f"The fault {name} has no option {option}; it has {', '.join(known) or 'none'}.")
        words, fits = FORMATS.get(option) or FORMAT_OF_TYPE[known[option].annotation]
        if not fits(value):
            raise FaultMistake(f"The option {option} of the fault {name} must be {words}.")
    for option, parameter in known.items():
        if option not in options and parameter.default is parameter.empty:
            raise FaultMistake(f"The fault {name} needs the option {option}.")


def _is_status(value: Any) -> bool:
    return type(value) is int and value in range(200, 600) and value not in (204, 304)


def _is_base64(value: Any) -> bool:
    try:
        return isinstance(value, str) and base64.b64decode(value, validate=True) is not None
    except binascii.Error:
        return False


def _is_headers(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) and text.isascii() for text in value.values())


LARGEST = 100_000_000
FORMATS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "status": ("a status from 200 to 599 that may have a body", _is_status),
    "location": ("printable ASCII", lambda value: isinstance(value, str) and value.isascii() and value.isprintable()),
    "headers": ("an object of ASCII texts", _is_headers),
    "body_base64": ("base64", _is_base64),
    "base64_bytes": ("base64", _is_base64),
}
FORMAT_OF_TYPE: dict[type, tuple[str, Callable[[Any], bool]]] = {
    int: (f"a number from 0 to {LARGEST}", lambda value: type(value) is int and 0 <= value <= LARGEST),
    str: ("a text", lambda value: isinstance(value, str)),
}


class FaultQueue:
    """First asked for, first served: each request meets at most one fault."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Append a fault."""
        self._waiting.append(fault)

    def clear(self) -> None:
        """Forget all."""
        self._waiting.clear()

    def waiting(self) -> list[Fault]:
        """Return the faults still to come."""
        return list(self._waiting)

    def take(self, kind: Kind) -> Fault | None:
        """Return the fault that a request of this kind meets, and count it."""
        for place, fault in enumerate(self._waiting):
            if fault.on in (kind, "any"):
                if fault.times == 1:
                    del self._waiting[place]
                elif fault.times is not None:
                    self._waiting[place] = fault._replace(times=fault.times - 1)
                return fault
        return None

"""The start of every login's door: its modules are found where they are known to be, without a search.

To search takes Python a fifth of a millisecond and a dozen system calls for each module, and all who log in wait for
that. So the modules that every login needs are named here with their files. Python's own loader reads them, compiled if
that is not older than the source. Every other module is searched for as always.

bin/secsign-gate-force-command runs this text, with site-packages in front of the search path, and then calls `main`.
"""

import _signal  # type: ignore[import-not-found] # `signal` would load enum, for milliseconds; this is its C part
import gc
import sys
from _frozen_importlib import ModuleSpec  # importlib.machinery has both, and would have to be searched for itself
from _frozen_importlib_external import SourceFileLoader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

SITE_PACKAGES = sys.path[0]
PACKAGES = {"secsign_gate": "secsign_gate", "secsign_gate.doors": "secsign_gate/doors"}
MODULES = {
    "secsign_gate.ask": "secsign_gate/ask.py",
    "secsign_gate.ask_and_answer": "secsign_gate/ask_and_answer.py",
    "secsign_gate.doors.ask_broker": "secsign_gate/doors/ask_broker.py",
    "secsign_gate.doors.claim": "secsign_gate/doors/claim.py",
    "secsign_gate.doors.hand_over": "secsign_gate/doors/hand_over.py",
}


class KnownPlaces:
    """Finds the modules above. They have no `__file__`: to derive what goes with it takes time, and nothing asks."""

    @staticmethod
    def find_spec(
        name: str, _path: "Sequence[str] | None" = None, _target: "ModuleType | None" = None, /
    ) -> ModuleSpec | None:
        """Return where the module is and how it is loaded; None for a module that is to be searched for."""
        folder = PACKAGES.get(name)
        place = MODULES.get(name) if folder is None else f"{folder}/__init__.py"
        if place is None:
            return None
        source = f"{SITE_PACKAGES}/{place}"
        spec = ModuleSpec(name, SourceFileLoader(name, source), origin=source)
        if folder is not None:
            spec.submodule_search_locations = [f"{SITE_PACKAGES}/{folder}"]
        return spec


gc.disable()  # who is let in is gone in a few milliseconds, and who waits makes no circles
# A Ctrl-C that comes this early ends us without a word, as it would end a shell that starts.
if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
sys.meta_path.insert(0, KnownPlaces)

from secsign_gate.doors import main  # noqa: E402, F401 - only now is it found without a search

"""The start of every login's door: its modules are found where they are known to be, without a search.

To search takes Python a fifth of a millisecond and a dozen system calls for each module, and all who log in wait for
that. So the modules that every login needs are named here with their files, and what Python has compiled of them is
read in as few system calls as that takes. Where it is of another source than the one that is there, Python's own loader
goes on. Every other module is searched for as always.

bin/secsign-gate-force-command runs this text, with site-packages in front of the search path, and then calls `main`.
"""

import _signal  # type: ignore[import-not-found] # `signal` would load enum, for milliseconds; this is its C part
import gc
import marshal
import posix
import sys
from _frozen_importlib import ModuleSpec  # importlib.machinery has both, and would have to be searched for itself
from _frozen_importlib_external import MAGIC_NUMBER, SourceFileLoader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType, ModuleType

PACKAGE = sys.path[0] + "/secsign_gate"
DOORS = PACKAGE + "/doors"
PLACES = {
    "secsign_gate.ask_and_answer": (PACKAGE, "ask_and_answer"),
    "secsign_gate.doors": (DOORS, "__init__"),
    "secsign_gate.doors.ask_broker": (DOORS, "ask_broker"),
    "secsign_gate.doors.claim": (DOORS, "claim"),
    "secsign_gate.doors.hand_over": (DOORS, "hand_over"),
}
_LARGEST = 1 << 15  # bytes of a compiled module


class KnownPlaces:
    """Finds the modules above, and runs them. They have no `__file__`: to derive it takes time, and nothing asks."""

    @classmethod
    def find_spec(
        cls, name: str, _path: "Sequence[str] | None" = None, _target: "ModuleType | None" = None, /
    ) -> ModuleSpec | None:
        """Return where the module is; None for a module that is to be searched for."""
        if name not in PLACES:
            return None
        folder, file = PLACES[name]
        spec = ModuleSpec(name, cls, origin=f"{folder}/{file}.py")  # type: ignore[arg-type]  # a class may be a loader
        if file == "__init__":
            spec.submodule_search_locations = [folder]
        return spec

    @staticmethod
    def create_module(_spec: ModuleSpec) -> None:
        """Leave that to Python."""

    @staticmethod
    def exec_module(module: "ModuleType") -> None:
        """Run the module as its source is now. Raises OSError where there is none."""
        folder, file = PLACES[module.__name__]
        source = f"{folder}/{file}.py"
        code = compiled(f"{folder}/__pycache__/{file}.{sys.implementation.cache_tag}.pyc", posix.stat(source))
        if code is None:
            code = SourceFileLoader(module.__name__, source).get_code(module.__name__)
        exec(code, module.__dict__)  # type: ignore[arg-type]  # noqa: S102 - a source has code, and an import runs it


def compiled(path: str, source: posix.stat_result) -> "CodeType | None":
    """Return the code in the file at `path` if Python made it of this source, and no more than we read; else None."""
    try:
        descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
        content = posix.read(descriptor, _LARGEST)
    except OSError:  # one that cannot be read is left to Python's loader as well
        return None
    posix.close(descriptor)
    # Of either number there are 32 bits, as Python writes them: a source may be of any date.
    made_at = (int(source.st_mtime) & 0xFFFFFFFF).to_bytes(4, "little")
    made_of = (source.st_size & 0xFFFFFFFF).to_bytes(4, "little")
    if content[:16] != MAGIC_NUMBER + bytes(4) + made_at + made_of or len(content) == _LARGEST:
        return None
    code: CodeType = marshal.loads(memoryview(content)[16:])  # noqa: S302 - of root's, where the source is
    return code


# Its own file holds the version, which no door needs.
sys.modules["secsign_gate"] = package = type(sys)("secsign_gate")
package.__path__ = [PACKAGE]
gc.disable()  # who is let in is gone in a few milliseconds, and who waits makes no circles
# A Ctrl-C that comes this early ends us without a word, as it would end a shell that starts.
if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
sys.meta_path.insert(0, KnownPlaces)

from secsign_gate.doors import main  # noqa: E402, F401 - only now is it found without a search

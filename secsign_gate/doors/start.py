"""The start of every login's door: its modules are read where they are known to be, without a search.

To search takes Python a fifth of a millisecond and a dozen system calls for each module, and all who log in wait for
that. So the modules that every login needs count as loaded from the start, and are read when something is wanted of
them: what Python has compiled, in as few system calls as that takes, or if that is of another source than the one that
is there, by Python's own loader. Every other module is searched for as always.

bin/secsign-gate-force-command runs this text, with site-packages in front of the search path, and then calls `main`.
"""

import _signal  # type: ignore[import-not-found] # `signal` would load enum, for milliseconds; this is its C part
import gc
import marshal
import posix
import sys
from _frozen_importlib_external import MAGIC_NUMBER, SourceFileLoader  # importlib's own would be searched for

TYPE_CHECKING = False
if TYPE_CHECKING:
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
Module = type(sys)
_LARGEST = 1 << 15  # bytes of a compiled module


def wanting(name: str, folder: str, file: str) -> "ModuleType":
    """Return the module `name`, which is read and run once something is wanted of it (PEP 562)."""
    module = Module(name)

    def run(wanted: str) -> object:
        """Return what is `wanted`, as the module's source says now. Raises OSError where there is none."""
        del module.__getattr__
        source = f"{folder}/{file}.py"
        code = compiled(f"{folder}/__pycache__/{file}.{sys.implementation.cache_tag}.pyc", posix.stat(source))
        if code is None:
            code = SourceFileLoader(name, source).get_code(name)
        exec(code, module.__dict__)  # type: ignore[arg-type]  # noqa: S102 - a source has code, and an import runs it
        return getattr(module, wanted)

    module.__getattr__ = run  # type: ignore[method-assign]  # a module's own, not that of all modules
    return module


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


for name, (folder, file) in PLACES.items():
    sys.modules[name] = wanting(name, folder, file)
sys.modules["secsign_gate"] = Module("secsign_gate")  # its own file holds the version, which no door needs
sys.modules["secsign_gate"].__path__ = [PACKAGE]
sys.modules["secsign_gate.doors"].__path__ = [DOORS]
gc.disable()  # who is let in is gone in a few milliseconds, and who waits makes no circles
# A Ctrl-C that comes this early ends us without a word, as it would end a shell that starts.
if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)

from secsign_gate.doors import main  # noqa: E402, F401 - only now does it stand there

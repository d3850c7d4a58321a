"""The files that come with the program, found beside it: below its virtual environment, or in a checkout."""

import sys
from pathlib import Path

from secsign_gate.activation.plan import SHIPPED_PREFIX, PlanError

_MAX_BYTES = 1 << 20


def shipped_drop_in(name: str) -> str:
    """Return the text of a drop-in for sshd. Raises PlanError if it is not there."""
    return _shipped("sshd_config.d", name)


def shipped_pam(name: str) -> str:
    """Return the text of an example for /etc/pam.d. Raises PlanError if it is not there."""
    try:
        return _shipped("pam.d", name)
    except PlanError:
        return _shipped("examples/pam.d", name)  # where a checkout has it


def boot_unit(prefix: str) -> str:
    """Return the text of the unit that undoes an unconfirmed change at the next boot, for the program at `prefix`."""
    return _shipped("systemd", "secsign-gate-undo.service").replace(SHIPPED_PREFIX, prefix)


def _shipped(folder: str, name: str) -> str:
    places = (Path(sys.prefix, "share/secsign-gate"), Path(__file__).parents[2])
    for place in places:
        try:
            with (place / folder / name).open(encoding="utf-8") as file:
                return file.read(_MAX_BYTES)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise PlanError(f"{place / folder / name} cannot be read ({error}); install the program anew") from None
    raise PlanError(f"{name} is not found below {places[0]}; install the program anew")

"""The gate's configuration for a benchmark: the ID server, whom to ask for whom, and what differs from the defaults."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gated_host import KEYS


def write_orders(
    folder: Path, server: tuple[str, str], secsign_ids: Mapping[str, str], **tables: Mapping[str, Any]
) -> Path:
    """Write secsign-gate.toml and what it names into `folder`, and return its path.

    `server` is a URL and the file of the CA that vouches for it. `secsign_ids` maps accounts to SecSign IDs.
    `tables` are tables of the configuration; what is not said stays at its default.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    url, ca_file = server
    shutil.copy(ca_file, folder / "ca.pem")
    (folder / "users").write_text("".join(f"{account} {secsign_id}\n" for account, secsign_id in secsign_ids.items()))
    limits = dict.fromkeys(("pushes_per_account", "pushes_per_secsign_id"), 100_000)
    said = {
        "id_server": {"dialect": "form", "url": url, "ca_file": "ca.pem"} | dict(tables.pop("id_server", {})),
        "sshd": {"authorized_keys_files": [str(KEYS)]} | dict(tables.pop("sshd", {})),
        "limits": limits,
        **tables,
    }
    path = folder / "secsign-gate.toml"
    path.write_text(
        "".join(
            f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
            for name, table in said.items()
        )
    )
    return path

"""A simulator in a process of its own, for tests: started, ready, its phone at hand, and stopped at the end."""

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

PATIENCE = 30.0


class RunningSimulator:
    """`python -m secsign_gate.simulator --folder FOLDER ARGUMENTS…`, ready when constructed.

    `with RunningSimulator(tmp_path, "--id", "alice") as simulator:` stops it at the end; else call `stop()`.
    """

    def __init__(self, folder: Path, *arguments: str, python: str = sys.executable) -> None:
        command = [python, "-m", "secsign_gate.simulator", "--folder", str(folder), "--json", *arguments]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        ready = self.process.stdout.readline()
        if not ready:
            _, complaint = self.process.communicate(timeout=PATIENCE)
            raise RuntimeError(f"the simulator did not start: {complaint}")
        facts = json.loads(ready)
        self.url: str = facts["url"]
        self.phone_url: str = facts["phone_url"]
        self.ca_file: str = facts["ca_file"]
        self._phone = httpx.Client(
            base_url=self.phone_url,
            headers={"content-type": "application/json"},
            timeout=PATIENCE + 5,
            trust_env=False,
        )

    def pending(self, secsign_id: str | None = None, *, wait: int = 0) -> list[dict[str, Any]]:
        """The open requests on the phone; with `wait` seconds, as soon as there is one."""
        query = {"wait": wait} | ({"secsignid": secsign_id} if secsign_id else {})
        requests: list[dict[str, Any]] = self._get("requests", query)["requests"]
        return requests

    def wait_for(self, secsign_id: str) -> dict[str, Any]:
        """The oldest open request of this ID, waiting until there is one."""
        requests = self.pending(secsign_id, wait=int(PATIENCE))
        assert requests, f"no request for {secsign_id} reached the phone"
        return requests[0]

    def accept(self, secsign_id: str) -> None:
        """Wait for a request of this ID and accept it, with the right access pass if there is one."""
        self._act(secsign_id, "accept")

    def accept_all(self) -> int:
        """Accept every open request at once, and return how many there were."""
        answer = self._phone.post("requests/accept", json={})
        assert answer.status_code == 200, answer.text
        number: int = answer.json()["number"]
        return number

    def deny(self, secsign_id: str) -> None:
        """Wait for a request of this ID and deny it."""
        self._act(secsign_id, "deny")

    def fetch(self, secsign_id: str) -> None:
        """Wait for a request of this ID and open it on the phone: FETCHED."""
        self._act(secsign_id, "fetch")

    def pick(self, secsign_id: str, access_pass: str) -> None:
        """Wait for a request of this ID and tap the picture of this name."""
        self._act(secsign_id, "pick", {"access_pass": access_pass})

    def unfreeze(self, secsign_id: str) -> None:
        """Tap a frozen ID."""
        self._post(f"ids/{secsign_id}/unfreeze", {})

    def faults(self, fault: str, *, on: str = "any", times: int | None = 1, **options: Any) -> None:
        """Ask for misbehaviour: a fault's name, to which kind of request, how often (None: until cleared), its options.

        Names and options are the functions of secsign_gate/simulator/faults.py, `-` for `_` in names.
        """
        self._post("faults", {"fault": fault, "on": on, "times": times, "options": options})

    def clear_faults(self) -> None:
        """Behave again."""
        self._phone.delete("faults").raise_for_status()

    def log(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Every request that the ID server received, oldest first; with a kind: only create, state, cancel, …"""
        entries: list[dict[str, Any]] = self._get("log")["log"]
        return [entry for entry in entries if kind in (None, entry["kind"])]

    def auth_sessions(self) -> list[dict[str, Any]]:
        """Every auth session, oldest first: `state`, `disposed` (null, cancel, release), `authsessionid`, texts, …"""
        sessions: list[dict[str, Any]] = self._get("auth-sessions")["auth_sessions"]
        return sessions

    def stop(self) -> None:
        """End it, and insist that it ends cleanly."""
        self._phone.close()
        self.process.terminate()
        try:
            _, complaint = self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        assert (self.process.returncode, complaint) == (0, ""), complaint

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _act(self, secsign_id: str, act: str, body: dict[str, Any] | None = None) -> None:
        self._post(f"requests/{self.wait_for(secsign_id)['number']}/{act}", body or {})

    def _get(self, path: str, query: dict[str, Any] | None = None) -> Any:
        answer = self._phone.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def _post(self, path: str, body: dict[str, Any]) -> None:
        answer = self._phone.post(path, json=body)
        assert answer.status_code == 200, answer.text

"""The certificates as a verifying client meets them, and the folder that keeps the authority."""

import json
import ssl
from pathlib import Path

import httpx
import pytest
from dialect_speakers import connect
from running_simulator import RunningSimulator

from secsign_gate.simulator import certificates
from secsign_gate.simulator.cli import simulator as command


def test_a_good_certificate_is_for_the_address_and_for_localhost(tmp_path: Path) -> None:
    with RunningSimulator(tmp_path) as simulator:
        for url in (simulator.url, simulator.url.replace("127.0.0.1", "localhost")):
            with connect(url, simulator.ca_file) as client:
                assert client.get("/").status_code == 405


@pytest.mark.parametrize(
    ("quality", "complaint"),
    [
        ("wrong-host", "IP address mismatch"),
        ("expired", "certificate has expired"),
        ("self-signed", "self-signed certificate"),
    ],
)
def test_a_bad_certificate_is_bad_in_just_its_own_way(tmp_path: Path, quality: str, complaint: str) -> None:
    with (
        RunningSimulator(tmp_path, "--certificate", quality) as simulator,
        connect(simulator.url, simulator.ca_file) as client,
        pytest.raises(httpx.ConnectError, match=complaint),
    ):
        client.get("/")


def test_without_the_ca_file_nobody_trusts_the_simulator(tmp_path: Path) -> None:
    with RunningSimulator(tmp_path) as simulator, pytest.raises(httpx.ConnectError, match="verify failed"):
        httpx.get(simulator.url, trust_env=False)


def test_the_authority_outlives_a_restart_so_that_clients_go_on_trusting(tmp_path: Path) -> None:
    with RunningSimulator(tmp_path) as simulator:
        trusted = Path(simulator.ca_file).read_bytes()
    with RunningSimulator(tmp_path) as simulator:
        assert Path(simulator.ca_file).read_bytes() == trusted
        with connect(simulator.url, simulator.ca_file) as client:
            assert client.get("/").status_code == 405


def test_old_tls_is_not_spoken(tmp_path: Path) -> None:
    with RunningSimulator(tmp_path) as simulator:
        context = ssl.create_default_context(cafile=simulator.ca_file)
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        with httpx.Client(verify=context, trust_env=False) as client, pytest.raises(httpx.ConnectError):
            client.get(simulator.url)


def test_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    files = certificates.prepare(tmp_path, "good", "127.0.0.1")
    assert [path.stat().st_mode & 0o777 for path in (files.server_file, tmp_path / "ca-key.pem")] == [0o600] * 2


def test_a_folder_with_files_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("not ours")
    with pytest.raises(certificates.FolderMistake, match="do not belong together"):
        certificates.prepare(tmp_path, "good", "127.0.0.1")
    assert [path.name for path in tmp_path.iterdir()] == ["ca.pem"]


def test_the_state_file_lives_as_long_as_the_simulator(tmp_path: Path) -> None:
    with RunningSimulator(tmp_path) as simulator:
        facts = json.loads((tmp_path / "simulator.json").read_text())
        assert (facts["url"], facts["phone_url"]) == (simulator.url, simulator.phone_url)
    assert not (tmp_path / "simulator.json").exists()


def test_the_command_line_knows_every_quality() -> None:
    (option,) = (option for option in command.params if option.name == "certificate")
    assert tuple(getattr(option.type, "choices", ())) == certificates.QUALITIES

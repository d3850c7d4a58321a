"""The configuration is looked for in one place, whoever looks: layers that may not import one another agree on it."""

import inspect
import re
from pathlib import Path

import pytest

from secsign_gate import doors
from secsign_gate.config.reader import DEFAULT_PATH

CHECKOUT = Path(__file__).parents[2]


def test_the_door_names_the_file_that_the_reader_takes() -> None:
    assert doors.DEFAULT_CONFIG == DEFAULT_PATH
    assert doors.CommandLine([]).config == DEFAULT_PATH


def test_the_doors_own_words_name_it() -> None:
    assert DEFAULT_PATH in (inspect.getdoc(doors) or "")


@pytest.mark.parametrize("name", ["README.md", "docs/configuration.md"])
def test_the_documents_name_it(name: str) -> None:
    assert DEFAULT_PATH in (CHECKOUT / name).read_text()


def test_the_drop_ins_name_it() -> None:
    texts = [path.read_text() for path in (CHECKOUT / "sshd_config.d").iterdir()]
    named = [path for text in texts for path in re.findall(r"--config (\S+)", text)]
    assert set(named) == {DEFAULT_PATH}

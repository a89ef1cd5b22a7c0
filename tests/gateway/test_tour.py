"""The README's tour, command by command, against a demo that it starts as a reader would."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.recordings.data import compiled

README = Path(__file__).parents[2] / "README.md"
BIN = Path(sys.executable).parent
PORT = "127.0.0.1:8765"
LONG, SHORT = "bench synthetic", "bench synthetic --size small"
SETTING_UP = ("export ", "pip ")
"""Lines that the test does by itself: what the demo says to export; ccxt is there already."""
pytestmark = compiled


def tour() -> list[str]:
    """The shell blocks of the tour."""
    section = README.read_text().partition("## A tour in five minutes")[2].partition("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A running demo: what it printed at its start."""
    words = [str(BIN / "lionrock"), "demo", "--port", "0", "--seconds", "600", "--json"]
    folder = tmp_path_factory.mktemp("demo")
    with subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


@pytest.mark.parametrize("block", tour(), ids=lambda block: block.partition("\n")[0][:40])
def test_every_command_of_the_tour_works(block: str, demo: dict[str, str], tmp_path: Path) -> None:
    lines = [line for line in block.splitlines() if not line.startswith(SETTING_UP)]
    script = "\n".join(lines).replace(PORT, demo["page"].removeprefix("http://")).replace(LONG, SHORT)
    environment = {
        **os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "LIONROCK_URL": demo["url"].partition("/ws/")[0],
        "LIONROCK_SECRET_FILE": demo["file"],
    }  # fmt: skip
    words = ["bash", "-euc", script]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout or not lines


def test_the_tour_shows_what_it_promises() -> None:
    text = "".join(tour())
    for command in ("lionrock watch", "lionrock trade buy", "ccxt.deribit", "lionrock replay", "lionrock bench"):
        assert command in text

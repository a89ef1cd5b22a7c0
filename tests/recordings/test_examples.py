"""The examples of the recordings' document: each runs, draws its picture and prints what the document says."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from tests.recordings.data import compiled

README = Path(__file__).parents[2] / "engine" / "recordings" / "README.md"
EXAMPLES = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", README.read_text(), re.DOTALL)
MAX_LINES = 60


@compiled
@pytest.mark.parametrize("place", range(3))
def test_an_example_prints_what_the_document_says(
    place: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    assert len(EXAMPLES) == 3
    code, output = EXAMPLES[place]
    assert len(code.splitlines()) < MAX_LINES
    monkeypatch.chdir(tmp_path)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(code, f"example {place} of {README}", "exec"), {"__name__": "example"})
    assert said.getvalue() == output
    pictures = re.findall(r'"(\w+\.png)"', code)
    assert len(pictures) == (place > 0)
    for name in pictures:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG") and README.with_name(name).exists()

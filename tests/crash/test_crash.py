"""A slice of the crash matrix: every so many-th disk that a crash may leave, and broken builds that it finds."""

import pytest

from tests.crash.broken import BREAKS
from tests.crash.check import silent_starts
from tests.crash.matrix import Recording, nested, run
from tests.crash.recorded import is_allowed
from tests.many_starts import prepare_process
from tests.recordings.data import compiled

pytestmark = [compiled, pytest.mark.skipif(bool(why := is_allowed()), reason=why or "strace can be used")]
STRIDE, BROKEN_STRIDE = 97, 24
PARTS = {
    "archive", "gateway log", "history", "journal", "projection", "registry", "signatures", "snapshot", "tip", "vault",
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def quick():
    prepare_process()
    with silent_starts():
        yield


def silent(done, total, losses):
    """No progress is shown."""


def test_no_crash_loses_or_repeats_anything(tmp_path):
    recording = Recording.of(tmp_path / "story")
    found = run(recording, STRIDE, silent)
    assert [loss.what for loss in found.losses] == []
    assert {part for part, _ in found.table} >= PARTS
    assert found.starts > 40 and found.points > 1000
    again = nested(recording, tmp_path, 1, STRIDE, silent)
    assert [loss.what for loss in again.losses] == [] and again.points > 50


@pytest.mark.parametrize("name", sorted(BREAKS))
def test_a_broken_build_is_found(tmp_path, name):
    recording = Recording.of(tmp_path / "story", "--broken", name)
    assert run(recording, BROKEN_STRIDE, silent, most_losses=1).losses

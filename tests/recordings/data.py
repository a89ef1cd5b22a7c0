"""Where recorded data for tests stands, when it is there, and how a recording is replayed in a test."""

import io
from pathlib import Path

import pytest
from numba import config

from engine.recordings.batches import Reader
from engine.recordings.replay import Options, ReplayResult, prepare, replay
from engine.recordings.report_stream import ReportStream

DATA = Path(__file__).parents[3] / "shared" / "data"

needs_data = pytest.mark.skipif(not DATA.exists(), reason=f"the recorded data is not at {DATA}")
compiled = pytest.mark.skipif(bool(config.DISABLE_JIT), reason="too long for the engine as plain Python")


def play(reader: Reader, **options: object) -> tuple[ReplayResult, bytes]:
    """Replay a recording in a state of its own; what it came to and its report stream."""
    reports = io.BytesIO()
    result = replay(reader, prepare(reader), Options(reports=ReportStream(reports), **options))  # type: ignore[arg-type]
    return result, reports.getvalue()

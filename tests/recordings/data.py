"""Where recorded data for tests stands, when it is there, and how a recording is replayed in a test."""

import io
from pathlib import Path

import numpy as np
import pytest
from numba import config

from engine import step
from engine.codes import Mode
from engine.recordings.batches import Reader
from engine.recordings.replay import Options, ReplayResult, replay
from engine.recordings.report_stream import ReportStream
from engine.recordings.research import open_market
from engine.recordings.runner import RING_ROWS, Runner
from engine.schema import STATE, VENUE

DATA = Path(__file__).parents[3] / "shared" / "data"

needs_data = pytest.mark.skipif(not DATA.exists(), reason=f"the recorded data is not at {DATA}")
compiled = pytest.mark.skipif(bool(config.DISABLE_JIT), reason="too long for the engine as plain Python")


def research_runner(ring_rows: int = RING_ROWS) -> Runner:
    """A runner on an empty research state."""
    root = np.zeros(1, STATE)
    for name, value in vars(VENUE).items():
        root[0][f"{name}_capacity"] = value
    step.initialise(root, Mode.RESEARCH)
    return Runner(root, ring_rows)


def play(reader: Reader, ring_rows: int = RING_ROWS, **options: object) -> tuple[ReplayResult, bytes]:
    """Replay a recording in a state of its own; what it came to and its report stream."""
    runner, reports = research_runner(ring_rows), io.BytesIO()
    open_market(runner, reader)
    result = replay(reader, runner, Options(reports=ReportStream(reports), **options))  # type: ignore[arg-type]
    return result, reports.getvalue()

"""The flash1 report stream: its numbers, and that it does not depend on who writes it, or in which pieces."""

import io
import random
from pathlib import Path

import numpy as np
import pytest

from engine.kernels import entry
from engine.recordings import open_recording
from engine.recordings.batches import READER_ID
from engine.recordings.digit_writer import MAX_BYTES, STORE_BYTES, put_integer
from engine.recordings.flash1 import CSV_COLUMNS
from engine.recordings.replay import Options, prepare, replay
from engine.recordings.report_stream import LINE_BYTES, ReportStream
from engine.recordings.runner import Rows
from engine.schema import MIN_EVENT_ROWS
from engine.units import JIT
from tests.recordings.data import play

FLOW = f"synthetic:1:{20_000 if JIT else 300}"
WITHDRAWN = ("NEW", "CANCEL")
EDGES = [0, *(10**power - below for power in range(1, 19) for below in (1, 0)), (1 << 63) - 1]


@entry
def _put(out, value):
    return put_integer(out, 1, value)


def text_of(value: int) -> str:
    """What is written for a number, behind one byte that stays."""
    out = np.full(1 + MAX_BYTES, ord("x"), np.uint8)
    end = int(_put(out, value))
    assert out[0] == ord("x") and end <= len(out) - STORE_BYTES
    return out[1:end].tobytes().decode()


def test_numbers_are_written_as_python_writes_them() -> None:
    chosen = random.Random(1)
    values = EDGES + [-value for value in EDGES] + [chosen.randrange(10 ** chosen.randint(1, 18)) for _ in range(500)]
    assert [text_of(value) for value in values] == [str(value) for value in values]


class Watched:
    """Reports that Python wants to see: they go through `write`, a ring of events at a time."""

    def __init__(self, reports: ReportStream) -> None:
        self.reports, self.events = reports, 0

    def write(self, commands: Rows, sequences: Rows, events: Rows) -> None:
        """Events of some commands."""
        self.events += len(events)
        self.reports.write(commands, sequences, events)

    def finish(self) -> None:
        """The replay is at its end."""
        self.reports.finish()


def test_events_that_python_sees_give_the_same_reports() -> None:
    whole, reports = play(open_recording(FLOW))
    out = io.BytesIO()
    watched, reader = Watched(ReportStream(out)), open_recording(FLOW)
    result = replay(reader, prepare(reader), Options(reports=watched))
    assert out.getvalue() == reports and watched.events >= whole.messages > 0
    assert (result.digest, result.trades, result.rejects) == (whole.digest, whole.trades, whole.rejects)


def test_reports_do_not_depend_on_the_room_for_their_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"{kind},0,0,77,{(1 << 62) + row},{READER_ID - 1},123456789" for row in range(250) for kind in WITHDRAWN]
    file = tmp_path / "long.csv"
    file.write_text("\n".join([",".join(CSV_COLUMNS), *lines]) + "\n")
    whole, reports = play(open_recording(file))
    room = (MIN_EVENT_ROWS + 2) * LINE_BYTES
    assert len(reports) > room
    monkeypatch.setattr("engine.recordings.report_stream.TEXT_BYTES", room)
    in_pieces, same_reports = play(open_recording(file))
    assert same_reports == reports and in_pieces.digest == whole.digest

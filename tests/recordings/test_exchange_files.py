"""What the readers of exchanges' files have in common: bad records cost their own length."""

from pathlib import Path
from typing import Any

import pytest

from engine.recordings import decoder_of
from engine.recordings.batches import EVERYTHING
from engine.recordings.byte_blocks import ByteBlocks
from engine.recordings.databento_csv import REQUIRED
from engine.recordings.source import Source
from tests.recordings.itch_writer import directory, framed
from tests.recordings.pitch_binary_writer import message, time

BAD_RECORDS = 3_000
HEADER = ",".join(REQUIRED) + "\n"
FILES = {
    "itch": directory(["ABC"]) + framed(*[b"D" + bytes(17)] * BAD_RECORDS),
    "pitch": b"S00000001X0000000000001000\n" * BAD_RECORDS,
    "pitch messages": time(1) * 2 + message(0x29, "IQ", 10**9, 1) * BAD_RECORDS,
    "databento": (HEADER + "1,1,A,B,x,1,1,0\n" * BAD_RECORDS).encode(),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_bad_record_that_is_left_out_costs_its_own_length(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = 0

    def counted(take: Any) -> Any:
        def counts(*args: Any) -> bytes:
            nonlocal copied
            data: bytes = take(*args)
            copied += len(data)
            return data

        return counts

    for name in ("rest", "peek"):
        monkeypatch.setattr(ByteBlocks, name, counted(getattr(ByteBlocks, name)))
    path = tmp_path / "day"
    path.write_bytes(FILES[kind])
    decoder = decoder_of(kind.split()[0])(Source(path), EVERYTHING, True)
    blocks = list(decoder.blocks())
    assert decoder.bad == BAD_RECORDS and sum(len(block.rows) for block in blocks) == 0
    assert copied < 300 * BAD_RECORDS

"""The records of a journal on disk as the log's messages bring them."""

from collections.abc import Iterator
from pathlib import Path

from engine.journal.format import RECORD_BYTES, RECORD_HEAD, RECORD_MAGIC, ROW_BYTES, SEGMENT_BYTES


def records_of(folder: Path) -> Iterator[tuple[bytes, bytes]]:
    """(the segment's header with its first record, else nothing; the record) of every record, in order."""
    for path in sorted(folder.glob("journal-*.log")):
        data = path.read_bytes()
        header, offset = data[:SEGMENT_BYTES], SEGMENT_BYTES
        while offset + RECORD_BYTES <= len(data):
            _, magic, count = RECORD_HEAD.unpack_from(data, offset)
            if magic != RECORD_MAGIC:
                break
            end = offset + RECORD_BYTES + count * ROW_BYTES
            yield header, data[offset:end]
            header, offset = b"", end

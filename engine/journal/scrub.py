"""Reading what nobody reads any more: old segments and snapshots are checked before they are needed.

A bit that flips in a segment of last month is found only by whoever reads it, which may be the day on which the newest
snapshot is lost. The bytes come from the disk, not from the system's cache.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from engine import disk
from engine.journal.format import JournalError
from engine.journal.reader import JournalReader
from engine.journal.snapshot import check_body, newest_first, read_header


def faults(directory: Path, pace: Callable[[int], None]) -> Iterator[str]:
    """Check all segments but the one that is written, and all snapshots: a line for each that is damaged.

    `pace` is called with the size of each piece in bytes; it waits when that goes too fast.
    """
    try:
        reader = JournalReader(directory)
    except JournalError as error:
        yield str(error)
        return
    for number in range(1, reader.segments):
        try:
            for size_bytes in reader.check_segment(number):
                pace(size_bytes)
        except JournalError as error:
            yield str(error)
    for path in newest_first(directory):
        try:
            disk.drop_cached(path)
            pace(disk.size_bytes(path))
            check_body(read_header(path))
        except FileNotFoundError:  # a newer one has taken its place meanwhile
            continue
        except (JournalError, OSError) as error:
            yield str(error)

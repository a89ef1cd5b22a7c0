"""The process that checks a journal's old files, at the lowest priority.

`python -m gateway.venue.scrub_process DIR RATE` reads RATE bytes a second. It prints a JSON object a line:
`{"fault": ...}` for each damaged file, and `{"checked_bytes": ...}` when it has come to the end.
"""

import contextlib
import json
import os
import sys
import time
from pathlib import Path

from engine import host

MAX_FAULTS = 100
"""So many are told at most: they are read at the end, from a pipe."""
PIECE_BYTES = 1 << 20
"""It sleeps after so much."""


class Pace:
    """Keeps reading at so many bytes a second."""

    def __init__(self, bytes_per_s: int) -> None:
        self._bytes_per_s = bytes_per_s
        self._owed = 0
        self.checked_bytes = 0

    def __call__(self, size_bytes: int) -> None:
        """So much was read."""
        self.checked_bytes += size_bytes
        self._owed += size_bytes
        if self._owed >= PIECE_BYTES:
            time.sleep(self._owed / self._bytes_per_s)
            self._owed = 0


def main(directory: str, bytes_per_s: str) -> None:
    """Check everything once."""
    os.nice(19)
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    pace = Pace(int(bytes_per_s))
    for number, fault in enumerate(host.scrub_faults(Path(directory), pace)):
        if number < MAX_FAULTS:
            print(json.dumps({"fault": fault}))
    print(json.dumps({"checked_bytes": pace.checked_bytes}))


if __name__ == "__main__":
    main(*sys.argv[1:])

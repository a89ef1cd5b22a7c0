"""Room on the data folder's disk: below a reserve no new orders are taken, so that what must go on still can.

Cancels, liquidations, funding, time and index prices go on in the reserve. Trading comes back by itself once there is a
quarter more than the reserve, so that it does not come and go.

No file holds the reserve: a venue's own large writes, snapshots and archives, leave half of it to the journal. What
another program writes to the same disk could take the room of such a file as soon as it was given up.
"""

import errno
from collections.abc import Sequence
from pathlib import Path

from engine import disk
from gateway.venue.health import Effect, Health

NAME = "DISK_NEARLY_FULL"
_MIB = 1 << 20


class SparingDisk(disk.SystemDisk):
    """The machine's disk for a process beside the venue: a write that would leave less than half of the reserve raises
    OSError (ENOSPC), so it is never this process that leaves no room to the journal.
    """

    def __init__(self, folder: Path, reserve_bytes: int) -> None:
        self._folder, self._left_bytes = folder, reserve_bytes // 2

    def pwrite(self, descriptor: int, parts: Sequence[disk.Bytes], offset: int, flags: int = 0) -> int:
        size_bytes = sum(memoryview(part).nbytes for part in parts)
        if self._left_bytes and self.free_bytes(self._folder) - size_bytes < self._left_bytes:
            raise OSError(
                errno.ENOSPC,
                f"{self._folder}: the last {self._left_bytes / _MIB:,.1f} MiB, half of disk_reserve_bytes, are the "
                "journal's; make room on this disk",
            )
        return super().pwrite(descriptor, parts, offset, flags)


class DiskSpace:
    """Looks at the room about every second."""

    def __init__(self, folder: Path, reserve_bytes: int, health: Health) -> None:
        self._folder, self._reserve_bytes, self._health = folder, reserve_bytes, health
        self.free_bytes = 0

    def look(self) -> None:
        """See how much room there is, and report or clear what follows from it."""
        if not self._reserve_bytes:
            return
        self.free_bytes = disk.current().free_bytes(self._folder)
        if self.free_bytes < self._reserve_bytes:
            cause = (
                f"{self._folder}: {self.free_bytes / _MIB:,.1f} MiB are free, less than disk_reserve_bytes "
                f"({self._reserve_bytes / _MIB:,.1f} MiB)"
            )
            remedy = "make room on this disk; trading then goes on by itself"
            self._health.report(NAME, Effect.NO_NEW_ORDERS, cause, remedy)
        elif self.free_bytes >= self._reserve_bytes + self._reserve_bytes // 4:
            self._health.clear(NAME)

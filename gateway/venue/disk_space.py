"""Room on the data folder's disk: below a reserve no new orders are taken, so that what must go on still can.

Cancels, liquidations, funding, time and index prices go on in the reserve. Trading comes back by itself once there is a
quarter more than the reserve, so that it does not come and go.

No file holds the reserve: a venue's own large writes, snapshots and archives, leave half of it to the journal. What
another program writes to the same disk could take the room of such a file as soon as it was given up.
"""

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from engine import disk, host
from gateway.config import Config
from gateway.venue.beside_venue import pause
from gateway.venue.health import Effect, Health

NAME = "DISK_NEARLY_FULL"
_MIB = 1 << 20


def sparing(folder: Path, reserve_bytes: int) -> AbstractContextManager[None]:
    """Leave half of the reserve on a folder's disk to the journal, whatever this thread writes meanwhile.

    A write that does not fit raises OSError (ENOSPC) with the remedy.
    """
    left_bytes = reserve_bytes // 2
    why = (
        f"{folder}: the last {left_bytes / _MIB:,.1f} MiB, half of disk_reserve_bytes, are the journal's; make room on "
        "this disk"
    )
    return disk.leave_free(folder, left_bytes, why)


@contextlib.contextmanager
def beside_running(config: Config, target: Path) -> Iterator[disk.Pace | None]:
    """For a command that writes much into a folder: the pace to keep if a venue runs on the data folder, else None.

    Then what goes to the disk of the data folder leaves half of the reserve to the venue's journal, as in `sparing`.
    """
    if not host.is_written(config.journal):
        yield None
        return
    is_same_disk = target.stat().st_dev == Path(config.data).stat().st_dev
    with sparing(Path(config.data), config.disk_reserve_bytes if is_same_disk else 0):
        yield pause


class DiskSpace:
    """Looks at the room about every second."""

    def __init__(self, folder: Path, reserve_bytes: int, health: Health) -> None:
        self._folder, self._reserve_bytes, self._health = folder, reserve_bytes, health
        self.free_bytes = 0

    def sparing(self) -> AbstractContextManager[None]:
        """Leave half of the reserve to the journal, whatever this thread writes meanwhile."""
        return sparing(self._folder, self._reserve_bytes)

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

"""Room on the data folder's disk: below a reserve no new orders are taken, so that what must go on still can.

Cancels, liquidations, funding, time and index prices go on in the reserve. Trading comes back by itself once there is a
quarter more than the reserve, so that it does not come and go.
"""

from pathlib import Path

from engine import disk
from gateway.venue.health import Effect, Health

NAME = "DISK_NEARLY_FULL"
_MIB = 1 << 20


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

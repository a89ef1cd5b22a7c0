"""Disks of this machine that tell what is done with them, or have as much room as one says."""

from collections import Counter

from engine import disk


class SmallDisk(disk.SystemDisk):
    """A disk that has as much room as one says."""

    free = 0

    def free_bytes(self, path):
        return self.free


class WatchedDisk(disk.SystemDisk):
    """A disk that notes how much of a file is written, and how much of it is freed, between two of its syncs."""

    def __init__(self):
        self.most_bytes = 0
        """The most of a file that was ever written or freed and not synced."""
        self.cut_files = 0
        self._unsynced_bytes = Counter()

    def _note(self, descriptor, size_bytes):
        self._unsynced_bytes[descriptor] += size_bytes
        self.most_bytes = max(self.most_bytes, self._unsynced_bytes[descriptor])

    def pwrite(self, descriptor, parts, offset, flags=0):
        written_bytes = super().pwrite(descriptor, parts, offset, flags)
        self._note(descriptor, written_bytes)
        return written_bytes

    def truncate(self, descriptor, size_bytes):
        self._note(descriptor, self.size_bytes(descriptor) - size_bytes)
        self.cut_files += 1
        super().truncate(descriptor, size_bytes)

    def sync(self, descriptor):
        super().sync(descriptor)
        self._unsynced_bytes[descriptor] = 0

    def close(self, descriptor):
        self._unsynced_bytes.pop(descriptor, None)
        super().close(descriptor)

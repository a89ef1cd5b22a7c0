"""A disk that fails when a test tells it to."""

import errno
import os

from engine import disk


class FailingDisk(disk.SystemDisk):
    """A disk whose syncs fail once it is told so, or whose writes of files whose names begin with `unwritable`."""

    def __init__(self):
        self.fails, self.unwritable, self._bad = False, None, set()

    def open(self, path, flags):
        descriptor = super().open(path, flags)
        self._bad.discard(descriptor)
        if self.unwritable is not None and path.name.startswith(self.unwritable):
            self._bad.add(descriptor)
        return descriptor

    def pwrite(self, descriptor, parts, offset, flags=0):
        if descriptor in self._bad:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        written = super().pwrite(descriptor, parts, offset, 0 if self.fails else flags)
        if self.fails and flags & os.RWF_DSYNC:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return written

    def sync(self, descriptor):
        if self.fails:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().sync(descriptor)

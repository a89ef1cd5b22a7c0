"""What the processes of a venue share, whether they lead or follow: exit codes, and how the process is tuned."""

import ctypes
import errno
import gc
import sys

from gateway import config as settings
from gateway.commands.common import reason_of

BROKEN = 3
"""Exit code when an invariant of the engine does not hold: a start by itself would not help."""
DISK_FAILED = 4
"""Exit code after a disk error: a person looks at the disk before the next start."""
NOT_LEADING = 5
"""Exit code when another node of the cluster leads: this one comes back as a standby."""
DIVERGED = 6
"""Exit code of a standby when what it has is not what the stream has: a start by itself would not help."""
SWITCH_SECONDS = 0.0005
"""How long the loop may hold the interpreter while the journal's thread waits for it."""
GC_THRESHOLDS = (100_000, 50, 1000)
"""Messages make no reference cycles, and frequent collections would cost a third of the throughput."""
KEPT_BYTES, MAPPED_BYTES = 32 << 20, 4 << 20
"""So much free memory the C library keeps, and what is smaller than that it takes from there. By itself it would give
the memory of a turn's answers back to the system and ask for it again, page by page, each turn."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""The numbers of `mallopt`."""


def not_listening(config: settings.Config, error: OSError) -> str:
    """Why a server cannot listen where its settings say, and what to change."""
    if error.filename is not None:
        return reason_of(error)
    if error.errno == errno.EADDRINUSE:
        return f"port {config.port}: address already in use; choose another with --port, or 0 for a free one"
    if error.errno == errno.EACCES:
        return f"port {config.port}: permission denied; choose one above 1023 with --port"
    return f"host {config.host}: {error.strerror or error}; choose an address of this machine with --host"


def tune(switch_seconds: float) -> None:
    """Tune the process for serving: quick switches between threads, few garbage collections, memory that stays."""
    sys.setswitchinterval(switch_seconds)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc alone has it
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(_MMAP_THRESHOLD, MAPPED_BYTES)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    gc.enable()

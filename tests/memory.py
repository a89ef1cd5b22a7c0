"""How many engines' states a process of the suite holds, and that those go which nobody uses any more.

A venue that is closed is garbage in reference cycles: a few hundred small objects, by which Python's collector does
not see the 15 to 50 MB of memory that hang on them. It would collect them once in some hundred venues.
"""

import gc
import weakref

from engine import host
from engine.host import Rows

COLLECTED = 6
"""With so many states more than there were after the last collection, a process collects its garbage."""


class States:
    """The states that this process has allocated since `watch`, and not let go yet."""

    def __init__(self) -> None:
        self.count = 0
        self._left = 0
        self._allocate = host.allocate

    def watch(self) -> None:
        """Count from now on."""
        self._allocate = host.allocate
        host.allocate = self._counted

    def _counted(self, huge_pages: bool) -> Rows:
        root = self._allocate(huge_pages)
        self.count += 1
        weakref.finalize(root.base, self._let_go).atexit = False  # every view of the state keeps its base
        return root

    def _let_go(self) -> None:
        self.count -= 1

    def collect_many(self) -> None:
        """Collect when many states may be garbage: after a test."""
        if self.count >= self._left + COLLECTED:
            gc.collect()
            self._left = self.count


STATES = States()
"""Those of this process, once it watches."""

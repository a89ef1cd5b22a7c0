"""Which tests a worker of pytest-xdist begins with, and what it compiles before.

The workers share one cache of compiled code. Without this each would compile all of it at the same time, and the
longest tests would be left for the end, where they leave the other workers idle.
"""

import fcntl
import os
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

WITHOUT_COMPILED = (
    "tests/test_mutants.py",
    "tests/test_straight_path.py",
    "tests/test_arrows.py",
    "tests/test_row_layout.py",
    "tests/test_code_values.py",
)
"""Long modules that run without compiled code, longest first: what the other workers do while one compiles."""
LONG = (
    "tests/gateway/test_mutants.py",
    "tests/test_model.py",
    "tests/gateway/test_operating.py",
    "tests/recordings/test_replay.py",
    "tests/simulation/test_simulation.py",
    "tests/gateway/peers/test_small_clients.py",
    "tests/crash/test_crash.py",
    "tests/test_closing.py",
    "tests/gateway/audit_trail/test_compiled_trail.py",
    "tests/gateway/audit_trail/test_audit_trail.py",
    "tests/gateway/venue/test_crash.py",
    "tests/gateway/peers/test_nautilus.py",
    "tests/gateway/test_operator_story.py",
    "tests/gateway/peers/test_cryptofeed.py",
    "tests/gateway/peers/test_typed_deribit.py",
    "tests/gateway/peers/test_ccxt_languages.py",
    "tests/gateway/office/test_officers_live.py",
    "tests/gateway/client/test_once.py",
    "tests/bench/test_suite.py",
)
"""The other modules that take longest, longest first."""


class Item(Protocol):
    """A test, as far as it matters here."""

    @property
    def nodeid(self) -> str:
        """The path of its module and its own name."""


def module_of(item: Item) -> str:
    """The path of a test's module."""
    return item.nodeid.partition("::")[0]


def dealt(items: Iterable[Item], workers: int) -> list[Item]:
    """The tests in the order in which each worker, given an equal part, has long ones first and short ones last.

    `--dist worksteal` gives each the same number in a row, and takes from the end of a part for whoever has no more.
    """
    modules: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        modules[module_of(item)].append(item)
    rest = [item for name, group in modules.items() if name not in (*WITHOUT_COMPILED, *LONG) for item in group]
    parts: list[list[Item]] = [[] for _ in range(workers)]
    for place, name in enumerate(name for name in WITHOUT_COMPILED if name in modules):
        parts[1 + place % (workers - 1)] += modules[name]
    for place, name in enumerate(name for name in LONG if name in modules):
        parts[place % workers] += modules[name]
    total, order = len(rest) + sum(map(len, parts)), []
    for worker, part in enumerate(parts, 1):
        room = max(0, total * worker // workers - len(order) - len(part))
        order += part + rest[:room]
        rest = rest[room:]
    return order + rest


@cache
def compile_once() -> None:
    """Compile everything, or wait until another worker has done it, and load it."""
    from tests.gateway.socketless_venue import SocketlessVenue  # what tests the engine alone does without the gateway

    with (Path(os.environ["NUMBA_CACHE_DIR"]) / "compiling").open("w") as file, TemporaryDirectory() as folder:
        fcntl.flock(file, fcntl.LOCK_EX)
        venue = SocketlessVenue(Path(folder)).venue
        venue.projection.warm_up()
        venue.close()

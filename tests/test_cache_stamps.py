"""Code that is kept on disk is never that of another version of a module that it was compiled with."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numba
import pytest

from engine import cache_stamps
from engine.host import warm_up
from engine.recordings import level_follower, lobster_follower
from engine.units import JIT
from gateway.audit_trail import row_writer
from gateway.plain_orders import order_reader
from gateway.sessions import binary_protocol

PART = """
from numba import njit
from gateway.room import bounds

@njit
def part(value):
    return value * {factor} + bounds.LEAST
"""
ENTRY = """
from numba import njit
from gateway.room.part import (
    part,
)

@njit(cache=True)
def entry(value):
    return part(value)
"""


def forget():
    for kept in (cache_stamps._imported, cache_stamps.reached, cache_stamps._digest):
        kept.cache_clear()


@pytest.fixture
def product(tmp_path, monkeypatch):
    """A room with three modules in place of the product, and a cache of its own."""
    room = tmp_path / "gateway" / "room"
    room.mkdir(parents=True)
    (room / "__init__.py").touch()
    (room / "other.py").write_text("LEAST = 0\n")
    monkeypatch.setattr(cache_stamps, "_ROOT", tmp_path)
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))

    def call(value, factor=2, least=1):
        """Start anew with these sources: what the entry gives, and whether its code came from the disk."""
        texts = {"bounds": f"LEAST = {least}\n", "part": PART.format(factor=factor), "entry": ENTRY}
        for name, text in texts.items():
            (room / f"{name}.py").write_text(text)
        forget()
        loaded = {}
        for name in ("", *texts):
            full, path = f"gateway.room.{name}".rstrip("."), room / f"{name or '__init__'}.py"
            spec = importlib.util.spec_from_file_location(full, path)
            loaded[name] = importlib.util.module_from_spec(spec)
            monkeypatch.setitem(sys.modules, full, loaded[name])
            if name:
                monkeypatch.setattr(loaded[""], name, loaded[name], raising=False)
            spec.loader.exec_module(loaded[name])
        entry = loaded["entry"].entry
        return entry(value), sum(entry.stats.cache_hits.values()) == 1

    call.room = room
    yield call
    forget()


def test_a_change_of_what_a_file_imports_makes_its_code_new(product):
    assert product(10) == (21, False)
    assert product(10) == (21, True)
    assert product(10, factor=3) == (31, False), "a kernel of another module"
    assert product(10, factor=3, least=5) == (35, False), "a constant that the other module imports"
    (product.room / "other.py").write_text("LEAST = 7\n")
    assert product(10, factor=3, least=5) == (35, True), "a module that it does not import"


def test_reached_are_the_files_that_compiled_code_is_made_of():
    root = Path(cache_stamps.__file__).parents[1]
    for module, names in (
        (lobster_follower, {"row_writer", "recorded_queues", "recorded_orders", "batches", "checks"}),
        (order_reader, {"byte_kernels", "layout", "frame_finder"}),
    ):
        files = cache_stamps.reached(Path(module.__file__))
        assert names <= {path.stem for path in files} and Path(module.__file__) not in files
        assert not {path for path in files if path.parent == root / "engine"}, "these name the folder"


def test_the_functions_of_the_product_are_stamped_so():
    for function in (
        lobster_follower._follow_rows, level_follower.follow, order_reader.read, binary_protocol._take_plain,
        row_writer.write_rows,
    ):  # fmt: skip
        locator = function._cache._impl.locator
        assert isinstance(locator, cache_stamps.ImportsLocator)
        assert locator.get_source_stamp() != super(cache_stamps.ImportsLocator, locator).get_source_stamp()


WARM = """
import sys
import numpy as np
from engine.host import warm_up
warm_up()
print("numba.cpython.heapq" in sys.modules)
import numba
print(numba.njit(lambda values: np.sort(values)[::-1].sum())(np.arange(4.0)))
"""


@pytest.mark.skipif(not JIT, reason="nothing is compiled")
def test_compiled_code_is_loaded_without_what_only_compiling_needs():
    warm_up()
    done = subprocess.run([sys.executable, "-c", WARM], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "6.0"], "the second is compiled then, with all that the compiler knows"

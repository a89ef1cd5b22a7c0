"""The straight path of plain orders is a short cut and no more: without it the same commands give the same."""

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine import step
from engine.codes import CommandKind
from engine.units import JIT
from tests.flow import Mix, flow, stage
from tests.pair import RING_ROWS, Pair, Script
from tests.test_model import batches, outcome

ROOT = Path(__file__).parents[1]
COMMANDS = 500
BY_ITSELF = "import tests.test_straight_path as t; t.compare_both_paths(); print(sorted(t.seen))"
seen: set[tuple[int, bool]] = set()
"""Which kinds of command took the straight path, and which did not."""


def _sent(seed: int, mix: Mix) -> Script:
    pair = Pair()
    pair.play(stage())
    pair.play(flow(seed, COMMANDS, mix))
    return list(pair.sent)


def _watched(s: Any, address: Any, index: int) -> bool:
    taken = bool(_STRAIGHT(s, address, index))
    seen.add((int(address["kind"][index]), taken))
    return taken


def _never(s: Any, address: Any, index: int) -> bool:
    return False


_STRAIGHT = step._straight


@settings(max_examples=12, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 1 << 32),
    size=st.sampled_from([1, 7, 512]),
    ring_rows=st.sampled_from([128, RING_ROWS]),
    spread_ticks=st.sampled_from([3, 12]),
)
def compare_both_paths(seed: int, size: int, ring_rows: int, spread_ticks: int) -> None:
    """Events and digest of the same script, with the straight path and without; the JIT has to be off."""
    sent = batches(_sent(seed, Mix(spread_ticks=spread_ticks, conditional=0.1, cancels=0.3, amends=0.2)), size)
    with mock.patch.object(step, "_straight", _watched):
        short = outcome(sent, ring_rows)
    with mock.patch.object(step, "_straight", _never):
        assert outcome(sent, ring_rows) == short


@pytest.mark.skipif(not JIT, reason="the JIT is off in this run: the suite calls the comparison itself")
def test_the_straight_path_gives_what_the_full_path_gives() -> None:
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(
        [sys.executable, "-c", BY_ITSELF], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    kinds = (CommandKind.NEW, CommandKind.AMEND, CommandKind.CANCEL)
    ways = {(int(kind), True) for kind in kinds} | {(int(kind), False) for kind in kinds[:2]}
    assert ways <= set(ast.literal_eval(done.stdout))


@pytest.mark.skipif(JIT, reason="the JIT is on in this run: the comparison is made by a process of its own")
def test_the_paths_agree_in_plain_python() -> None:
    compare_both_paths()

"""Money, positions and every invariant over generated runs with leverage, crashes, funding, isolation and rebates."""

import numpy as np
import pytest

from engine import invariants
from engine.host import digest
from tests import risk_flow

SUITE_COMMANDS = 50_000


def test_every_invariant_holds_after_every_command() -> None:
    root = risk_flow.start()
    tally, _ = risk_flow.run(root, risk_flow.flow(11, SUITE_COMMANDS))
    assert tally.fills > 5000 and tally.funding > 1000, tally
    assert tally.liquidations > 50 and tally.deleveraged > 5 and tally.isolated > 20 and tally.locks > 2, tally
    assert tally.settled > 5, tally
    assert tally.fund_paid < tally.liquidations, "an empty fund says nothing, tick after tick"


@pytest.mark.parametrize("ring_rows", [128, 256, 1 << 16])
def test_the_ring_changes_nothing(ring_rows: int) -> None:
    rows = risk_flow.flow(12, 8000)
    root, other = risk_flow.start(), risk_flow.start()
    _, reports = risk_flow.run(root, rows.copy(), ring_rows, check_each=False)
    _, expected = risk_flow.run(other, rows.copy(), 1 << 13, check_each=False)
    assert np.array_equal(np.concatenate(reports), np.concatenate(expected))
    assert digest(root) == digest(other)
    invariants.check(root)


def test_batches_change_nothing() -> None:
    rows = risk_flow.flow(13, 4000)
    root, other = risk_flow.start(), risk_flow.start()
    risk_flow.run(root, rows.copy())
    risk_flow.run(other, rows.copy(), check_each=False)
    assert digest(root) == digest(other)

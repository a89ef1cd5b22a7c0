"""What the engine keeps for processes around it: thresholds, index sources, a permission. It has no other effect."""

import numpy as np
import pytest

from engine import host
from engine.codes import CommandKind, EventKind, Reason
from engine.codes import VenueParameter as V
from engine.journal import write_snapshot
from engine.schema import DIRECTIVE
from tests import build
from tests.pair import Pair
from tests.stage import Stage

MOST = 2**63 - 1


def setting(code, value, index=0, contract=-1):
    return build.directive(CommandKind.VENUE_SET, code=code, value=value, index=index, contract_slot=contract)


@pytest.fixture
def pair():
    pair = Pair()
    pair.play(build.venue(1))
    return pair


def test_a_value_is_told_with_the_one_before_and_stays_apart_from_others(pair):
    rows = [
        (setting(V.SURVEILLANCE, 5, 3), -1), (setting(V.SURVEILLANCE, 0, 3), 5), (setting(V.SURVEILLANCE, 7, 3), 0),
        (setting(V.SURVEILLANCE, 9, 127), -1), (setting(V.INDEX_SOURCE, 4, 3, 0), -1),
        (setting(V.INDEX_SOURCE, MOST - 1, 3, 0), 4), (setting(V.INDEX_SOURCE, 1, 7, 0), -1),
        (setting(V.ONE_PAIR_MAY_GRANT_AND_PAY, 1), -1), (setting(V.ONE_PAIR_MAY_GRANT_AND_PAY, 0, 5), 1),
    ]  # fmt: skip
    for row, before in rows:
        [told] = pair.send(row)
        assert (told["kind"], told["old_value"], told["new_value"]) == (
            EventKind.VENUE_CHANGED, before, int(row.view(DIRECTIVE)["value"][0]),
        )  # fmt: skip


@pytest.mark.parametrize(
    "row",
    [
        setting(V.SURVEILLANCE, 1, 0), setting(V.SURVEILLANCE, 1, 128), setting(V.SURVEILLANCE, -1, 1),
        setting(V.SURVEILLANCE, MOST, 1), setting(V.INDEX_SOURCE, 1, 8, 0), setting(V.INDEX_SOURCE, 1, -1, 0),
        setting(V.INDEX_SOURCE, 1, 0, 1), setting(V.INDEX_SOURCE, 1, 0), setting(V.ONE_PAIR_MAY_GRANT_AND_PAY, 2),
        setting(V.ONE_PAIR_MAY_GRANT_AND_PAY + 1, 1),
    ],
)  # fmt: skip
def test_what_has_no_place_is_refused_and_changes_nothing(pair, row):
    before = np.copy(pair.root[0]["settings"])
    [told] = pair.send(row)
    assert (told["kind"], told["reason"]) == (EventKind.REFUSED, Reason.BAD_PARAMETER)
    assert np.array_equal(pair.root[0]["settings"], before)


def test_a_snapshot_keeps_them(tmp_path):
    stage = Stage(contracts=())
    stage.send(setting(V.SURVEILLANCE, 5, 3))
    restored = host.restore(write_snapshot(tmp_path, stage.root, b"chain"))
    assert restored[0]["settings"][3] == 6 and host.digest(restored) == host.digest(stage.root)
    stage.send(setting(V.SURVEILLANCE, 6, 3))
    assert host.digest(restored) != host.digest(stage.root)

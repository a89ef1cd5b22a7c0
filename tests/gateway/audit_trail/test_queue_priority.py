"""The rule of the two queues, recomputed from events alone: engines that keep it pass, others are named."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import host
from engine.codes import AccountAttribute as A
from engine.codes import Affiliation, CommandKind, EventFlag, EventKind, ExecInst, Mode
from engine.schema import EVENT, NOTICE
from gateway import cli
from gateway.audit_trail.queue_priority import Queues, check_queues
from tests import build
from tests.flow import Mix, flow, houses, stage, yielding
from tests.pair import SMALL, apply, capacities, create

HOUSE, ALICE, BOB = range(3)
MIX = Mix(houses=0.6, spread_ticks=2, lean_ticks=1, junk=0.02, directives=0.01, conditional=0.05)


def rows_of(script: Any, first_seq: int = 1) -> Any:
    """The commands of a script; an order that it names by its age is named by nothing."""
    rows = np.concatenate(build.numbered([item for item in script if isinstance(item, np.ndarray)], first_seq))
    named = np.isin(rows["kind"], (CommandKind.AMEND, CommandKind.CANCEL)) & (rows["order_id"] < 0)
    rows["order_id"][named] = 0
    return rows


def events_of(script: Any) -> Any:
    """What an engine says about a script."""
    return apply(create(SMALL), rows_of(script))


def checked(*parts: Any) -> Any:
    """The result for an event stream in parts."""
    queues = Queues("here")
    for events in parts:
        queues.take(events)
    return queues.found


def fills(events: Any) -> Any:
    """The fills of affiliates' resting orders, by the engine's own mark."""
    made = (events["kind"] == EventKind.FILL) & (events["flags"] & EventFlag.TAKER == 0)
    return events[made & (events["flags"] & ExecInst.AFFILIATE != 0)]


def test_the_engine_keeps_the_rule() -> None:
    """Over flows with tags that come and go; both count the same fills."""
    total = 0
    for script in (yielding(), *(houses() + flow(seed, 2000, MIX) for seed in range(4))):
        events = events_of(stage() + script)
        found = checked(events[: len(events) // 2], events[len(events) // 2 :])
        assert found.problem == ""
        assert (found.fills, found.lots) == (len(fills(events)), int(fills(events)["last_lots"].sum()))
        total += found.fills
    assert total > 300


@pytest.mark.parametrize("seed", range(3))
def test_an_engine_that_knows_no_tags_is_named(seed: int) -> None:
    """The events of a venue without affiliates, in which the log says that there are two."""
    events = events_of(stage() + flow(seed, 1500, Mix(spread_ticks=3, directives=0.0)))
    start = int(np.flatnonzero(events["kind"] == EventKind.ACCEPTED)[0])
    tags = np.zeros(2, EVENT)
    tags.view(NOTICE)["kind"] = EventKind.ACCOUNT_CHANGED
    tags.view(NOTICE)["code"] = A.AFFILIATION
    tags.view(NOTICE)["new_value"] = Affiliation.GROUP_COMPANY
    tags.view(NOTICE)["account_slot"] = (0, 3)
    found = checked(events[:start], tags, events[start:])
    assert found.first_bad is not None and "an affiliate" in found.problem


def traded() -> Any:
    """An affiliate and two clients rest at one price; a taker has all of them."""
    orders = [build.new(account, build.SELL, 2, 1000) for account in (HOUSE, ALICE, BOB)]
    tags = [build.account_set(HOUSE, A.AFFILIATION, 1), build.approval(HOUSE, 0, build.FAR_NS)]
    return [*build.venue(4), *tags, *orders, build.new(3, build.BUY, 6, 1000)]


def makers(events: Any) -> Any:
    """The places of makers' fills."""
    return np.flatnonzero((events["kind"] == EventKind.FILL) & (events["flags"] & EventFlag.TAKER == 0))


def out_of_turn(events: Any) -> None:
    """The last trade comes first."""
    first, last = makers(events)[0], makers(events)[-1]
    events[[first, last]] = events[[last, first]]


def unmarked(events: Any) -> None:
    events["flags"][makers(events)[-1]] &= ~int(ExecInst.AFFILIATE)


def marked(events: Any) -> None:
    events["flags"][makers(events)[0]] |= ExecInst.AFFILIATE


def elsewhere(events: Any) -> None:
    events["price_ticks"][makers(events)[0]] += 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (out_of_turn, "2 lots of an affiliate while 4 lots of clients rested"),
        (unmarked, "marked as a client's what is an affiliate's"),
        (marked, "marked as an affiliate's what is a client's"),
        (elsewhere, "filled at 1001 ticks what rests at 1000"),
    ],
)
def test_each_way_to_break_it_is_named(change: Any, words: str) -> None:
    events = events_of(traded())
    assert checked(events).problem == ""
    change(events)
    found = checked(events)
    assert words in found.problem and found.first_bad == int(events["seq"][makers(events)[0]])


def journal(folder: Path, script: Any) -> Path:
    """A journal of a script."""
    engine = host.Engine.create(folder, Mode.RESEARCH, capacities=capacities(SMALL))
    engine.feed(rows_of(script), lambda commands, events: None)
    engine.commit()
    engine.close()
    return folder


def test_audit_verify_says_so_over_a_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = journal(tmp_path / "journal", stage() + houses() + flow(3, 800, MIX))
    found = check_queues(made)
    assert found.fills > 10 and found.problem == ""
    assert cli.main(["audit", "export", str(made), "--output", str(tmp_path / "trail.jsonl")]) == 0
    records = [json.loads(line) for line in (tmp_path / "trail.jsonl").read_text().splitlines()]
    of_makers = [record for record in records if record.get("command") == "FILL" and not record["flags"] & 1 << 12]
    lots = [record["last_lots"] for record in of_makers if record["flags"] & ExecInst.AFFILIATE]
    assert (len(lots), sum(lots)) == (found.fills, found.lots), "the trail marks the same fills"
    capsys.readouterr()
    words = ["audit", "verify", str(tmp_path / "trail.jsonl"), "--journal", str(made)]
    assert cli.main(words) == 0
    assert f"{found.fills:,} fills of affiliates' resting orders" in capsys.readouterr().out
    assert cli.main([*words, "--json"]) == 0
    [rule] = [row for row in json.loads(capsys.readouterr().out) if "fills" in row]
    assert (rule["fills"], rule["lots"]) == (found.fills, found.lots)


def test_a_journal_without_tags_needs_no_replay(tmp_path: Path) -> None:
    found = check_queues(journal(tmp_path / "journal", stage() + flow(3, 200, Mix(directives=0.0))))
    assert (found.fills, found.problem) == (0, "")

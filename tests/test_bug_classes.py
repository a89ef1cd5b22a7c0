"""Bugs seen again and again in public matching engines, each with a test of its name."""

from pathlib import Path

import numpy as np
import pytest

from engine import host
from engine.codes import ContractParameter as P
from engine.codes import EventFlag, EventKind, ExecInst, Mode, OrdType, PriceSource, Reason, TimeInForce
from tests import build, state
from tests.build import BUY, PLAIN_CONTRACT, SECOND, SELL, START_NS, amend, cancel, new
from tests.flow import crowd, stage
from tests.kinds import every_kind
from tests.pair import CAPACITIES, SMALL, Pair, Reference, apply, create


def fills(reports: list[dict[str, int]]) -> list[tuple[int, int, int]]:
    """(account, price, lots) of each fill."""
    return [
        (report["account_slot"], report["price_ticks"], report["last_lots"])
        for report in reports
        if report["kind"] == EventKind.FILL
    ]


def book(pair: Pair, contract: int = 0) -> dict[int, list[tuple[int, int]]]:
    """What each side shows: (price, lots), lowest price first."""
    levels = pair.model.contracts[contract].levels
    return {side: [(price, sum(o.shown for o in queue)) for price, queue in levels[side].items()] for side in levels}


def test_fill_at_the_takers_price(pair: Pair) -> None:
    pair.send(new(0, SELL, 10, 1000))
    reports = pair.send(new(1, BUY, 10, 1010))
    assert fills(reports) == [(0, 1000, 10), (1, 1000, 10)]
    assert pair.model.accounts[0].positions[0].entry_cost == -1000 * 10 * 100


def test_stale_id_after_a_fill(pair: Pair) -> None:
    pair.send(new(0, SELL, 10, 1000, cl_ord_id=7))
    filled = pair.model.serial
    pair.send(new(1, BUY, 10, 1000))
    pair.send(new(0, SELL, 4, 1001))
    stale = pair.to_engine[filled]
    for command in (cancel(0, order_id=stale), cancel(0, cl_ord_id=7), amend(0, order_id=stale, qty_lots=3)):
        assert [report["reason"] for report in pair.send(command)] == [Reason.UNKNOWN_ORDER]
    assert book(pair) == {BUY: [], SELL: [(1001, 4)]}


def test_phantom_best_after_a_cancel(pair: Pair) -> None:
    pair.play([new(0, BUY, 10, 999, cl_ord_id=1), new(0, BUY, 10, 1000, cl_ord_id=2), new(0, BUY, 5, 990)])
    pair.send(cancel(0, cl_ord_id=2))
    assert fills(pair.send(new(1, SELL, 5, 999))) == [(0, 999, 5), (1, 999, 5)]
    pair.send(cancel(0, cl_ord_id=1))
    assert fills(pair.send(new(1, SELL, 5, 995))) == []
    assert fills(pair.send(new(1, SELL, 5))) == [(0, 990, 5), (1, 990, 5)]


def test_fifo_lost_on_a_partial_fill(pair: Pair) -> None:
    pair.play([new(0, SELL, 10, 1000), new(2, SELL, 10, 1000)])
    assert fills(pair.send(new(1, BUY, 4, 1000)))[0] == (0, 1000, 4)
    assert fills(pair.send(new(1, BUY, 8, 1000)))[::2] == [(0, 1000, 6), (2, 1000, 2)]


def test_slot_aliasing(pair: Pair) -> None:
    """A freed row is used again at once; the old order's id, client id, label and flags must not live on in it."""
    pair.send(build.labelled(new(0, BUY, 10, 990, cl_ord_id=1, flags=ExecInst.ICEBERG, display_lots=2), "old"))
    old = pair.model.serial
    pair.send(cancel(0, cl_ord_id=1))
    pair.send(new(2, BUY, 8, 990, cl_ord_id=1))
    assert pair.model.places[old] == pair.model.places[pair.model.serial]
    assert pair.send(cancel(0, order_id=pair.to_engine[old]))[0]["reason"] == Reason.UNKNOWN_ORDER
    assert pair.send(cancel(0, cl_ord_id=1))[0]["reason"] == Reason.UNKNOWN_ORDER
    assert pair.send(build.labelled(build.mass_cancel(2), "old"))[-1]["last_lots"] == 0
    assert book(pair)[BUY] == [(990, 8)]


@pytest.mark.parametrize("seed", range(6))
def test_backward_shift_deletion_at_wrap_around(pair: Pair, seed: int) -> None:
    """Client ids stay findable while others around them in the map come and go."""
    rng, live = np.random.default_rng(seed), dict[int, int]()
    for _ in range(120):
        if live and (len(live) > 28 or rng.random() < 0.45):
            gone = int(rng.choice(list(live)))
            assert pair.send(cancel(0, cl_ord_id=gone))[0]["kind"] == EventKind.CANCELLED
            del live[gone]
        else:
            name = int(rng.integers(1, 1 << 62))
            live[name] = int(rng.integers(1, 500))
            pair.send(new(0, BUY, 5, live[name], cl_ord_id=name))
        probe = int(rng.choice(list(live))) if live else 1
        wanted = EventKind.REPEATED if probe in live else EventKind.ACCEPTED
        assert pair.send(new(0, BUY, 5, live.get(probe, 1), cl_ord_id=probe))[0]["kind"] == wanted
        live.setdefault(probe, 1)


@pytest.mark.parametrize("seed", range(4))
def test_client_ids_that_run_over_the_end_of_the_map(pair: Pair, seed: int) -> None:
    """Ids of one crowded bucket stay findable while those in front of them are deleted."""
    pair.play(crowd(seed))


def test_price_swing_out_of_a_window() -> None:
    """Any tick from 1 to the largest works next to any other."""
    highest = (1 << 30) - 1
    pair = Pair()
    pair.play(build.venue(2, contract=PLAIN_CONTRACT | {P.MICROS_PER_TICK_LOT: 1, P.MAX_PRICE_TICKS: highest}))
    for price in (1, 2, 64, 4096, 1 << 18, 1 << 24, highest - 1):
        pair.send(new(0, BUY, 1, price))
    pair.send(new(0, SELL, 1, highest))
    assert fills(pair.send(new(1, BUY, 1, highest)))[0] == (0, highest, 1)
    reports = pair.send(new(1, SELL, 7, 1))
    assert [price for _, price, _ in fills(reports)[::2]] == [highest - 1, 1 << 24, 1 << 18, 4096, 64, 2, 1]


def test_amend_through_the_spread_resting_crossed(pair: Pair) -> None:
    pair.play([new(0, SELL, 10, 1000), new(1, BUY, 15, 990, cl_ord_id=3)])
    reports = pair.send(amend(1, cl_ord_id=3, price_ticks=1005))
    assert fills(reports) == [(0, 1000, 10), (1, 1000, 10)]
    assert book(pair) == {BUY: [(1005, 5)], SELL: []}
    pair.play([new(0, SELL, 10, 1010), new(1, BUY, 2, 1001, cl_ord_id=4, flags=ExecInst.POST_ONLY)])
    reports = pair.send(amend(1, cl_ord_id=4, price_ticks=1020))
    assert (reports[-1]["price_ticks"], reports[-1]["flags"] & EventFlag.SLID > 0) == (1009, True)


def test_stop_limit_triggered_through_the_spread_resting_crossed(pair: Pair) -> None:
    pair.play([new(0, SELL, 1, 1000), new(1, BUY, 1, 1000), new(0, SELL, 10, 1004)])
    stop = {"ord_type": 4, "trigger_source": 2, "trigger_price_ticks": 1003, "flags": ExecInst.POST_ONLY}
    pair.send(new(1, BUY, 5, 1010, **stop))
    pair.send(new(2, BUY, 1, 1004))
    reports = pair.send(build.time())
    assert [report["kind"] for report in reports] == [EventKind.TRIGGERED, EventKind.RESTED]
    assert book(pair) == {BUY: [(1003, 5)], SELL: [(1004, 9)]}


def test_refused_fok_that_moved_state(pair: Pair) -> None:
    pair.play([new(0, SELL, 10, 1000), new(2, SELL, 10, 1001)])
    before = state.parts(pair.root)
    reports = pair.send(new(1, BUY, 21, 1001, tif=TimeInForce.FOK))
    assert [report["reason"] for report in reports] == [Reason.FOK_CANNOT_FILL]
    assert state.changed(before, state.parts(pair.root)) == []


def test_fok_filled_in_part_because_a_reduce_only_maker_shrank(pair: Pair) -> None:
    """The maker's plain order fills first and takes away what its reduce-only order could have reduced."""
    pair.play([new(0, BUY, 10, 1000), new(1, SELL, 10, 1000), new(0, SELL, 10, 1000)])
    pair.send(new(0, SELL, 10, 1001, flags=ExecInst.REDUCE_ONLY))
    reports = pair.send(new(2, BUY, 20, 1001, tif=TimeInForce.FOK))
    assert [report["reason"] for report in reports] == [Reason.FOK_CANNOT_FILL]
    assert fills(pair.send(new(2, BUY, 10, 1001, tif=TimeInForce.FOK)))[0] == (0, 1000, 10)


def test_fok_stopped_by_its_own_group_behind_an_iceberg() -> None:
    """An iceberg's next part queues behind the own group's order, so only what it shows can be taken before."""
    pair = Pair()
    pair.play(build.venue(3, groups=(0, 1, 1)))
    pair.send(new(0, SELL, 10, 1000, flags=ExecInst.ICEBERG, display_lots=2))
    pair.send(new(1, SELL, 5, 1000))
    reports = pair.send(new(2, BUY, 10, 1000, tif=TimeInForce.FOK, self_trade=1))
    assert [report["reason"] for report in reports] == [Reason.FOK_CANNOT_FILL]


def test_trailing_stop_fired_by_a_move_in_its_favour(pair: Pair) -> None:
    pair.play([new(0, SELL, 1, 1000), new(1, BUY, 1, 1000)])
    pair.send(new(1, SELL, 1, ord_type=7, trigger_source=2, offset_ticks=5))
    pair.play([new(0, SELL, 1, 1020), new(2, BUY, 1, 1020)])
    assert pair.send(build.time()) == []
    pair.play([new(0, BUY, 9, 1014), new(2, SELL, 1, 1014)])
    reports = pair.send(build.time())
    assert (reports[0]["kind"], reports[0]["fee_micros"]) == (EventKind.TRIGGERED, 1015)


def test_id_resolved_before_the_queue() -> None:
    """Ids mean what they mean when their command's turn comes, however many commands arrive together."""
    stage = build.venue(2)
    script = [
        new(0, SELL, 10, 1000, cl_ord_id=5),
        new(1, BUY, 10, 1000),
        new(0, SELL, 4, 1002, cl_ord_id=5),
        new(0, SELL, 6, 1003, cl_ord_id=6),
        cancel(0, cl_ord_id=5),
        new(0, SELL, 7, 1004, cl_ord_id=5),
        amend(0, cl_ord_id=5, qty_lots=3),
    ]
    build.numbered(stage + script)
    seen = []
    for batches in (stage + script, [np.concatenate(stage + script)]):
        root = create(SMALL)
        seen.append(np.concatenate([apply(root, rows) for rows in batches]))
    assert seen[0].tobytes() == seen[1].tobytes()
    ends = [event for event in seen[1] if event["kind"] in (EventKind.CANCELLED, EventKind.AMENDED)]
    assert [(int(event["price_ticks"]), int(event["cl_ord_id"])) for event in ends] == [(1002, 5), (1004, 5)]


@pytest.mark.parametrize(
    ("terms", "other"),
    [
        ({"ord_type": OrdType.STOP_MARKET, "trigger_price_ticks": 1100}, {"trigger_price_ticks": 1101}),
        ({"ord_type": OrdType.STOP_MARKET, "trigger_price_ticks": 1100}, {"trigger_source": PriceSource.INDEX}),
        ({"ord_type": OrdType.TRAILING_STOP, "offset_ticks": 50}, {"offset_ticks": 51}),
        ({"tif": TimeInForce.GTD, "expire_ns": START_NS + SECOND}, {"expire_ns": START_NS + 2 * SECOND}),
    ],
    ids=("trigger", "source", "offset", "expiry"),
)
def test_repeated_with_other_terms_is_no_repetition(terms: dict[str, int], other: dict[str, int], pair: Pair) -> None:
    """Whoever sends a stop again at another price must not believe that it stands there."""
    price = 0 if "ord_type" in terms else 990
    pair.play([Reference(0, 1_000_000, 1_000_000), new(1, SELL, 4, 1000), new(2, BUY, 4, 1000)])
    fields = {"cl_ord_id": 9, "trigger_source": PriceSource.MARK} | terms
    kinds = [pair.send(new(0, BUY, 4, price, **given))[0] for given in (fields, fields, fields | other)]
    assert [report["kind"] for report in kinds] == [EventKind.ACCEPTED, EventKind.REPEATED, EventKind.REJECTED]
    assert kinds[2]["reason"] == Reason.DUPLICATE_ID


def test_command_kind_missing_from_the_journal(tmp_path: Path) -> None:
    """What was submitted is recovered from the journal alone, whatever kind of command it was."""
    for kind, rows in every_kind().items():
        engine = host.Engine.create(tmp_path / kind.name, Mode.RESEARCH, CAPACITIES)
        commands = [rows_ for rows_ in stage() if isinstance(rows_, np.ndarray)]
        commands += [new(0, SELL, 10, 1000, cl_ord_id=99), new(1, BUY, 4, 1000), rows]
        engine.submit(np.concatenate(build.numbered(commands)))
        digest = engine.digest()
        engine.close()
        recovered = host.Engine.open(tmp_path / kind.name, Mode.RESEARCH)
        assert recovered.digest() == digest, kind.name
        recovered.close()

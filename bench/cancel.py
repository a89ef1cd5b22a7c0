"""What a cancel costs, against how many orders rest: a curve."""

import numpy as np

from bench.engine_runner import BATCH_ROWS, EngineRunner, Rows, Sink, Timing, market, numbered
from bench.measurement import BenchError, Measurement, Plan, best_of, percentiles
from engine.codes import CommandKind, EventKind, OrdType, Side, TimeInForce
from engine.recordings.batches import ContractSpec
from engine.schema import COMMAND

SPEC = ContractSpec("CANCELS", max_price_ticks=1 << 17)
CENTRE_TICKS = 1 << 16
SPARSE_OCTAVES = 16
SPARSE_ORDERS = 10_000
"""This many orders over this many octaves of ticks stand nearly all alone at their prices."""
LOAD_ROWS = 1 << 16


class RestingBook:
    """A book of so many orders that never meet, each with a client id; each octave of distances has as many.

    Without `octaves` the book is deeper the more orders it has, with some forty orders at each of its outer prices, so
    that what a curve over its size shows is the size alone.
    """

    def __init__(self, orders: int, seed: int, market: tuple[EngineRunner, int], octaves: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.octaves = octaves or max(orders.bit_length() - 9, 1)
        runner, first_seq = market
        self.runner, self.next_seq, self.next_id = runner, first_seq, 1
        self.ids = np.zeros(orders, np.int64)
        for start in range(0, orders, LOAD_ROWS):
            stop = min(start + LOAD_ROWS, orders)
            self._place(np.arange(start, stop))

    def cancel_some(self) -> float:
        """Cancel a batch of orders drawn from all; nanoseconds a cancel. As many new ones then take their places."""
        return self.exchange_some()[0]

    def exchange_some(self) -> tuple[float, float]:
        """The same; nanoseconds a cancel, and nanoseconds a new order."""
        places = self.rng.choice(len(self.ids), BATCH_ROWS, replace=False, shuffle=False)
        self.rng.shuffle(places)
        commands = self._numbered(np.zeros(BATCH_ROWS, COMMAND))
        commands["kind"], commands["cl_ord_id"] = CommandKind.CANCEL, self.ids[places]
        timing = self.runner.apply(commands, self._all(EventKind.CANCELLED))
        return float(timing.command_ns[0]), float(self._place(places).command_ns.mean())

    def _place(self, places: Rows) -> Timing:
        count = len(places)
        ids = np.arange(self.next_id, self.next_id + count)
        self.next_id += count
        octave = self.rng.integers(0, self.octaves, count)
        away = (1 << octave) + self.rng.integers(0, 1 << octave)
        commands = self._numbered(np.zeros(count, COMMAND))
        buys = self.rng.integers(0, 2, count) == 0
        commands["kind"], commands["ord_type"], commands["tif"] = CommandKind.NEW, OrdType.LIMIT, TimeInForce.GTC
        commands["side"] = np.where(buys, Side.BUY, Side.SELL)
        commands["price_ticks"] = CENTRE_TICKS + np.where(buys, -away, away)
        commands["qty_lots"] = self.rng.integers(1, 100, count)
        commands["cl_ord_id"] = ids
        timing = self.runner.apply(commands, self._all(EventKind.ACCEPTED))
        self.ids[places] = ids
        return timing

    def _numbered(self, commands: Rows) -> Rows:
        numbered(commands, self.next_seq)
        self.next_seq += len(commands)
        return commands

    def _all(self, kind: EventKind) -> Sink:
        def look(place: int, events: Rows) -> None:
            if (events["kind"] != kind).any():
                raise BenchError(f"not every command near {place} gave the one event {kind.name}")

        return look


def resting_book(orders: int, seed: int, octaves: int = 0) -> RestingBook:
    """A book in a market of its own."""
    return RestingBook(orders, seed, market(SPEC), octaves)


def cancels(plan: Plan) -> list[Measurement]:
    """The cost of a cancel at each size of the book; the sizes take turns."""
    sizes = (1_000, 100_000, 1_000_000, 4_000_000) if plan.full else (1_000, 10_000)
    rounds = plan.size(8, 250)
    plan.progress("entering orders")
    books = {f"cancel-{orders}": resting_book(orders, plan.seed) for orders in sizes}
    books["sparse-cancel"] = resting_book(SPARSE_ORDERS, plan.seed, SPARSE_OCTAVES)
    times: dict[str, list[list[float]]] = {name: [] for name in books}
    for turn in range(plan.runs):
        for name, book in books.items():
            plan.progress(f"{name}, run {turn + 1} of {plan.runs}")
            times[name].append([book.cancel_some() for _ in range(rounds)])
    return [_figure(name, book, times[name], plan.seed) for name, book in books.items()]


def _figure(name: str, book: RestingBook, runs: list[list[float]], seed: int) -> Measurement:
    medians = [float(np.median(run)) for run in runs]
    best = runs[medians.index(min(medians))]
    return Measurement(
        name=name,
        value=round(min(medians), 1),
        unit="ns",
        workload=(
            f"cancels by client id in batches of {BATCH_ROWS}, drawn from {len(book.ids):,} resting orders at "
            f"{int(book.runner.root['levels_live'][0]):,} prices"
        ),
        seed=seed,
        digest=book.runner.digest(),
        percentiles=percentiles(best),
        note=f"median batch, {best_of(medians, 'ns')}",
    )

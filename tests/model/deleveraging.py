"""Auto-deleveraging (Rulebook 11.6): who gives next on the other side of a position that nobody takes, and how much.

A ranking is read once for a contract, a side and a mark tick. Who stands first is judged again before it gives.
"""

from dataclasses import dataclass, field
from fractions import Fraction

from engine.codes import ContractParameter as P
from engine.codes import EventFlag, EventKind, Reason
from tests.model import isolated, ledger, margin, matching
from tests.model.ledger import PPB, ceil_div

PLACES = 32
"""How many candidates one scan keeps (engine/README.md, "Money and risk")."""


@dataclass(eq=False)
class Ranking:
    """The candidates of one side of a contract, best first, each with the key by which it was judged last."""

    tick: int
    contract: int
    longs: bool
    serves: object = None  # the position that is being closed
    keys: dict = field(default_factory=dict)  # position -> key
    entries: list = field(default_factory=list)
    passed: list = field(default_factory=list)  # who has nothing to give to the position served
    last: tuple = ()  # the key of the last one that the scan kept
    more: bool = False  # there are candidates behind it
    scans: int = 0


def on_side(position, longs):
    """Whether a position is open on a side."""
    return position.size > 0 if longs else position.size < 0


def key(model, position):
    """Sorts the best first: score = r * l in profit, r / l in loss; then the position older since flat, then its slot.

    r = unrealised / |entry cost| and l = |notional| / equity of the margin pool are rates, so they round down to
    parts per billion (Rulebook 1), l to one at least; the scores are compared exactly.
    """
    contract = model.contracts[position.contract]
    gain = margin.unrealised(model, position) * PPB // abs(position.entry_cost)
    worth = margin.notional(contract, position.size)
    leverage = max(worth * PPB // margin.equity(model, margin.pool_of(model, position)), 1)
    score = Fraction(gain * leverage) if gain >= 0 else Fraction(gain, leverage)
    return -score, position.opened_seq, model.positions.index(position)


def is_able(model, position):
    """Equity <= 0 is left out."""
    return margin.equity(model, margin.pool_of(model, position)) > 0


def scan(model, ranking):
    """Rank everybody of a side; or, after all kept ones were used, those behind the last."""
    able = [
        position
        for position in model.positions
        if position.contract == ranking.contract and on_side(position, ranking.longs) and is_able(model, position)
    ]
    keys = {position: key(model, position) for position in able}
    ranked = sorted((position for position in able if keys[position] > ranking.last), key=keys.get)
    ranking.entries, ranking.more = ranked[:PLACES], len(ranked) > PLACES
    ranking.keys = {position: keys[position] for position in ranking.entries}
    ranking.last = keys[ranking.entries[-1]] if ranking.entries else ranking.last
    ranking.scans += 1


def equity_after(model, position, lots, price):
    """What a pool is left with once its position has given some lots at a price."""
    contract, unit = model.contracts[position.contract], margin.unit(model.contracts[position.contract])
    signed = lots if position.size > 0 else -lots
    before = contract.mark * position.size * unit // 1000
    after = contract.mark * (position.size - signed) * unit // 1000
    return margin.equity(model, margin.pool_of(model, position)) + signed * price * unit + after - before


def can_give(model, position, price):
    """All of it, or the most whole lot steps that leave its equity >= 0: more never leave more where they lose."""
    lot_step = model.contracts[position.contract].parameters[P.LOT_STEP, 0]
    if equity_after(model, position, abs(position.size), price) >= 0:
        return abs(position.size)
    low, high = 0, ceil_div(abs(position.size), lot_step)
    while high - low > 1:
        middle = (low + high) // 2
        if equity_after(model, position, middle * lot_step, price) >= 0:
            low = middle
        else:
            high = middle
    return low * lot_step


def prepare(model, position):
    """Make the ranking that a position to be closed needs. True when that took an item of work by itself.

    It is a look at everybody; or the end of a ranking that had to look again for the position before.
    """
    ranking, longs = model.ranking, position.size < 0
    model.reach("11.6 ranking serves a second position", ranking and ranking.serves not in (None, position))
    if ranking and (ranking.tick, ranking.contract, ranking.longs) != (model.tick_number, position.contract, longs):
        ranking = None
    elif ranking and ranking.serves is not position:
        if ranking.scans > 1:
            model.ranking = None
            return True
        ranking.passed, ranking.serves = [], position
    if ranking and (waiting(model, ranking) or not ranking.more):
        return False
    if ranking is None:
        model.ranking = ranking = Ranking(model.tick_number, position.contract, longs, position)
    scan(model, ranking)
    return True


def waiting(model, ranking):
    """The entries that may still give to the position served, best first; whoever cannot any more is dropped."""
    left = [entry for entry in ranking.entries if on_side(entry, ranking.longs) and is_able(model, entry)]
    ranking.entries = left
    return [entry for entry in left if entry not in ranking.passed]


def next_giver(model, price):
    """(position, lots) of who gives next; None when nobody does.

    The best by the ranks judged last is judged anew; while it is no longer the best, the next one is looked at.
    """
    ranking = model.ranking
    while left := waiting(model, ranking):
        best = min(left, key=ranking.keys.get)
        ranking.keys[best] = key(model, best)
        if ranking.more and ranking.keys[best] > ranking.last:
            ranking.entries.remove(best)  # it belongs behind the kept ones: a later scan finds it again
        elif min(left, key=ranking.keys.get) is not best:
            model.reach("11.6 ranked again behind another")
        elif lots := can_give(model, best, price):
            _reach(model, ranking, sorted(left, key=ranking.keys.get), best, lots)
            return best, lots
        else:
            model.reach("11.6 passed over: nothing to give at this price")
            ranking.passed.append(best)
    return None


def _reach(model, ranking, left, first, lots):
    gain = ranking.keys[first][0] <= 0
    model.reach("11.6 giver in profit", gain)
    model.reach("11.6 giver in loss", not gain)
    model.reach("11.6 giver gives all", lots == abs(first.size))
    model.reach("11.6 giver gives what leaves its equity >= 0", lots < abs(first.size))
    model.reach("11.6 isolated giver", first.isolated)
    tied = len(left) > 1 and ranking.keys[left[1]][0] == ranking.keys[first][0]
    model.reach("11.6 tie of scores", tied)
    model.reach("11.6 tie of scores and ages: by slot", tied and ranking.keys[left[1]][1] == ranking.keys[first][1])


def light(ahead_lots, total_lots):
    """Five lights for who is within the first fifth of a side's quantity, one for the last."""
    return 6 - ceil_div(5 * ahead_lots, total_lots)


def _leg(model, position, lots, price):
    """One leg of a deleveraging trade, which has no order and no fee."""
    ledger.settle(model, position, model.contracts[position.contract], lots, price, 0)
    model.report_leg(position, lots, price, EventFlag.FORCED | EventFlag.DELEVERAGING | EventFlag.DONE)


def give(model, giver, position, lots, price):
    """A trade at the close price, and what follows for the giver's orders."""
    contract = model.contracts[position.contract]
    ahead = sum(abs(other.size) for other in model.ranking.passed) + abs(giver.size)
    lights = light(ahead, model.open_interest(contract.slot))
    contract.trades += 1
    signed, before = lots if position.size > 0 else -lots, giver.size
    _leg(model, giver, signed, price)
    isolated.after_fill(model, giver, before, price)
    if giver.size and is_able(model, giver):
        model.ranking.keys[giver] = key(model, giver)  # whoever has given is ranked again at once
    _leg(model, position, -signed, price)
    model.tell(
        EventKind.DELEVERAGED,
        giver.account,
        giver.contract,
        Reason.NONE,
        code=lights,
        amount_micros=lots,
        price_subticks=price * 1000,
        position_lots=giver.size,
        cash_micros=model.accounts[giver.account].cash,
    )
    model.reach("11.6 light 5", lights == 5)
    model.reach("11.6 light below 5", lights < 5)
    matching.trim(model, giver)
    if giver.resting() and model.has_job_room():
        model.reach("11.6 giver's opening orders are cancelled")
        scope = {"account": giver.account, "contract": giver.contract}
        model.add_job(reason=Reason.LIQUIDATION, spare_reducing=True, quiet=True, **scope)

"""Rules of prices: trades and quotes that move what funding is computed from, an index source, and large positions.

They find what a person should review; none of them proves intent.
"""

from collections.abc import Iterator

import numpy as np

from engine.codes import EventKind, Side
from engine.schema import record
from gateway.surveillance.activity import NS_PER_S, PPB, Rows, evidence, grouped
from gateway.surveillance.episodes import Finding, found
from gateway.surveillance.parameters import Parameters
from gateway.surveillance.windows import Kept, Look, since, taken

SUBTICKS = 1000
LEAST_SOURCES = 3
"""With fewer sources none can be told from the others."""
SETTLING_S = 120
"""After a push, so long its profits are looked for."""


class Marking:
    """Taker trades just before funding that move the price in the direction that favours the owner's position."""

    def __init__(self, p: Parameters) -> None:
        self.p = p

    def look(self, look: Look) -> list[Finding]:
        """The findings at the end of a step."""
        p, findings = self.p, []
        for instant in look.rows[look.rows["kind"] == EventKind.FUNDING_RATE]:
            at_ns, contract = int(instant["time_ns"]), int(instant["contract_slot"])
            near = since(look.fills, at_ns - p.marking_window_s * NS_PER_S)
            fills = near[(near["time_ns"] <= at_ns) & (near["contract_slot"] == contract)]
            took = taken(fills)
            total = int(took["lots"].sum())
            for (owner, side), mine in grouped(took, "owner", "side"):
                move, held = _move_ppb(look, mine, fills), self._held_lots(look, contract, owner, fills)
                lots, gains = int(mine["lots"].sum()), held < 0 if side == Side.BUY else held > 0
                if gains and 100 * lots >= p.marking_share_percent * total and move >= p.marking_move_ppb:
                    figures = {"move_ppb": move, "traded_lots": lots, "position_lots": held, "side": side}
                    figures |= {"seconds": p.marking_window_s, "share_percent": 100 * lots // total}
                    findings.append(found("marking", contract, mine, at_ns, **figures))
        return findings

    @staticmethod
    def _held_lots(look: Look, contract: int, owner: int, fills: Rows) -> int:
        """An owner's position at the instant; accounts without a fill before it count with theirs at the step's end."""
        held = {
            account: lots
            for (account, its_contract), lots in look.positions.items()
            if its_contract == contract and look.owners.get(account) == owner
        }
        own = fills[fills["owner"] == owner]
        held.update(zip(own["account_slot"].tolist(), own["position_lots"].tolist(), strict=True))
        return sum(held.values())


def _move_ppb(look: Look, mine: Rows, fills: Rows) -> int:
    """How far an owner's taker trades moved the price from the window's first trade, beyond what the index moved."""
    sign = 1 if int(mine["side"][0]) == Side.BUY else -1
    start = max(int(fills["price_ticks"][0]), 1)
    index = look.index_move_ppb(int(mine["contract_slot"][0]), int(fills["time_ns"][0]), int(mine["time_ns"][-1]))
    return sign * (int(mine["price_ticks"][-1]) - start) * PPB // start - max(sign * index, 0)


# --- quotes at samples --------------------------------------------------------------------------------------------

_MADE = record(
    [
        ("seq", "i8"),
        ("time_ns", "i8"),
        ("order_id", "i8"),  # the owner's best order
        ("owner", "i8"),
        ("lots", "i8"),  # what the owner showed beyond the others' best
        ("rate_ppb", "i8"),
        ("account_slot", "i4"),
        ("contract_slot", "i4"),
        ("side", "i1"),
        ("pad", "i1", (7,)),
    ]
)


class MarkingByQuotes:
    """Quotes of one side, hardly traded, that alone make the premium of sample after sample, with a position.

    A premium of a sample counts as made by an owner if without its quotes even the best price of all others would
    leave less than half of it. What it favours, funding or the mark, depends on the position; the alert says which.
    """

    def __init__(self, p: Parameters) -> None:
        self.p = p
        self._made = Kept(_MADE, p.samples_window_s)
        self._now: list[Rows] = []

    def counts(self, sample: Rows) -> bool:
        """Whether a premium is large enough to ask who made it."""
        return bool(abs(int(sample["rate_ppb"])) >= self.p.samples_premium_ppb)

    def sample(self, sample: Rows, standing: Rows) -> None:
        """Look who made a premium, with the orders that stand at that instant."""
        side = Side.BUY if int(sample["rate_ppb"]) > 0 else Side.SELL
        sign = 1 if side == Side.BUY else -1
        index, rate = int(sample["index_subticks"]), int(sample["rate_ppb"])
        here = standing[(standing["contract_slot"] == sample["contract_slot"]) & (standing["side"] == side)]
        if not len(here):
            return
        here = here[np.argsort(-sign * here["price_ticks"], kind="stable")]
        owner = int(here["owner"][0])
        others = here["price_ticks"][here["owner"] != owner]
        halfway = index + index * rate // (2 * PPB)
        if len(others) and sign * (int(others[0]) * SUBTICKS - halfway) >= 0:
            return
        edge = int(others[0]) if len(others) else -sign * (1 << 62)
        mine = here[(here["owner"] == owner) & (sign * (here["price_ticks"] - edge) > 0)]
        row = np.zeros(1, _MADE)
        row["seq"], row["time_ns"], row["rate_ppb"] = sample["seq"], sample["time_ns"], rate
        row["owner"], row["order_id"], row["side"] = owner, mine["order_id"][0], side
        row["lots"], row["account_slot"] = mine["lots"].sum(), mine["account_slot"][0]
        row["contract_slot"] = sample["contract_slot"]
        self._now.append(row)

    def look(self, look: Look) -> list[Finding]:
        """The findings at the end of a step."""
        self._made.add(np.concatenate(self._now) if self._now else np.zeros(0, _MADE), look.end_ns)
        if not self._now:
            return []
        findings: list[Finding] = []
        self._now = []
        for (contract, owner, side), rows in grouped(self._made.rows, "contract_slot", "owner", "side"):
            held = look.held_lots(contract, owner)
            if len(rows) < self.p.samples_times or not held:
                continue
            fills = look.last(self.p.samples_window_s)
            own = fills[(fills["owner"] == owner) & (fills["contract_slot"] == contract) & (fills["side"] == side)]
            traded, shown = int(own["lots"].sum()), int(rows["lots"].max())
            if 5 * traded > shown or look.habits.is_maker((contract, owner), self.p.maker_percent):
                continue
            figures = {"samples_times": len(rows), "shown_lots": shown, "traded_lots": traded, "position_lots": held}
            figures |= {"rate_ppb": int(rows["rate_ppb"][np.argmax(np.abs(rows["rate_ppb"]))]), "side": side}
            findings.append(found("marking_by_quotes", contract, rows, look.end_ns, **figures))
        return findings


# --- the index ----------------------------------------------------------------------------------------------------


class _Push:
    """A source of an index that stands away from the middle of all."""

    def __init__(self, at: tuple[int, int], sign: int) -> None:
        self.first_seq, self.begin_ns = self.last_seq, self.last_ns = at
        self.sign = sign
        self.move_ppb = 0
        self.index_before = self.index_far = 0
        self.over = False


class IndexPush:
    """One index source leaves the others, and somebody had just opened a large position that gains from it."""

    def __init__(self, p: Parameters) -> None:
        self.p = p
        self.prices: dict[int, dict[int, int]] = {}
        self._index: dict[int, int] = {}
        self._pushes: dict[tuple[int, int], _Push] = {}

    def take(self, prices: Rows) -> None:
        """Follow the sources and the index, in their order."""
        names = ("kind", "contract_slot", "price_subticks", "source", "seq", "time_ns")
        rows = prices[prices["kind"] != EventKind.PREMIUM_SAMPLED]
        for kind, contract, price, source, *at in zip(*(rows[name].tolist() for name in names), strict=True):
            if kind == EventKind.INDEX_CHANGED:
                self._index[contract] = price
                for (its_contract, _), push in self._pushes.items():
                    if its_contract == contract and not push.over:
                        push.index_far = max(push.index_far * push.sign, price * push.sign) * push.sign
                continue
            sources = self.prices.setdefault(contract, {})
            sources[source] = price
            if price > 0:
                self._follow(contract, source, (at[0], at[1]), sources)

    def _follow(self, contract: int, source: int, at: tuple[int, int], sources: dict[int, int]) -> None:
        known = sorted(price for price in sources.values() if price > 0)
        if len(known) < LEAST_SOURCES:
            return
        middle = (known[(len(known) - 1) // 2] + known[len(known) // 2]) // 2
        away = (sources[source] - middle) * PPB // middle
        push = self._pushes.get((contract, source))
        if abs(away) >= self.p.index_move_ppb:
            if push is None or push.over:
                push = self._pushes[contract, source] = _Push(at, 1 if away > 0 else -1)
                push.index_before = push.index_far = self._index.get(contract, middle)
            push.move_ppb = max(push.move_ppb, abs(away))
            push.last_seq, push.last_ns = at
        elif push is not None:
            push.over = True

    def look(self, look: Look) -> list[Finding]:
        """The findings at the end of a step."""
        findings: list[Finding] = []
        for (contract, source), push in [*self._pushes.items()]:
            findings += self._profits(look, contract, source, push)
            if look.end_ns > push.last_ns + SETTLING_S * NS_PER_S:
                self._pushes.pop((contract, source))
        return findings

    def _profits(self, look: Look, contract: int, source: int, push: _Push) -> Iterator[Finding]:
        """Who had opened a position before that is much of all that was traded that way, and holds or closes it."""
        fills = since(look.fills, push.begin_ns - self.p.index_window_s * NS_PER_S)
        fills = fills[fills["contract_slot"] == contract]
        side = Side.BUY if push.sign > 0 else Side.SELL
        before = fills[fills["time_ns"] <= push.begin_ns]
        opened: dict[int, int] = {}
        for (owner,), rows in grouped(before, "owner"):
            opened[owner] = int(np.where(rows["side"] == side, rows["lots"], -rows["lots"]).sum())
        total = int(before["lots"][before["side"] == side].sum())
        for owner, lots in sorted(opened.items()):
            if lots <= 0 or 100 * lots < self.p.index_share_percent * total:
                continue
            after = fills[(fills["time_ns"] > push.begin_ns) & (fills["owner"] == owner)]
            held = look.held_lots(contract, owner) * push.sign
            closed = int(np.where(after["side"] != side, after["lots"], -after["lots"]).sum())
            if look.habits.is_maker((contract, owner), self.p.maker_percent) or 2 * max(held, closed) < lots:
                continue
            mine = before[(before["owner"] == owner) & (before["side"] == side)]
            proof = evidence(np.concatenate([mine, after]))
            seqs = sorted({push.first_seq, push.last_seq, *proof.seqs})
            moved = abs(push.index_far - push.index_before) * PPB // max(push.index_before, 1)
            figures: dict[str, int] = {
                "source": source, "move_ppb": push.move_ppb, "index_move_ppb": moved, "side": int(side),
                "opened_lots": lots, "share_percent": 100 * lots // total, "closed_lots": closed,
            }  # fmt: skip
            accounts = tuple(np.unique(mine["account_slot"]).tolist())
            proof = proof._replace(seqs=seqs, figures=figures)
            yield Finding("index_push", contract, accounts, proof, look.end_ns)


class OpenInterest:
    """One owner's share of a contract's open interest."""

    def __init__(self, p: Parameters) -> None:
        self.p = p

    def look(self, look: Look) -> list[Finding]:
        """The findings at the end of a step."""
        longs: dict[int, int] = {}
        held: dict[tuple[int, int], dict[int, int]] = {}
        for (account, contract), lots in look.positions.items():
            longs[contract] = longs.get(contract, 0) + max(lots, 0)
            held.setdefault((contract, look.owners.get(account, account)), {})[account] = lots
        findings = []
        for (contract, _), accounts in sorted(held.items()):
            lots, total = abs(sum(accounts.values())), longs[contract]
            if total >= self.p.interest_lots and 100 * lots >= self.p.interest_share_percent * total:
                mine = look.rows[np.isin(look.rows["account_slot"], [*accounts])]
                proof = evidence(mine[mine["contract_slot"] == contract], position_lots=lots, all_lots=total)
                findings.append(
                    Finding("open_interest", contract, tuple(sorted(accounts)), proof, look.end_ns, lasts=True)
                )
        return findings

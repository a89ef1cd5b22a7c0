"""Rules of orders: what was shown and withdrawn other than by a trade, and messages without trades.

They find what a person should review; none of them proves intent.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from engine.codes import EventKind, Reason, Side
from gateway.surveillance.activity import NS_PER_S, Rows, evidence, grouped
from gateway.surveillance.episodes import Finding
from gateway.surveillance.parameters import Parameters
from gateway.surveillance.shown_orders import AMENDED, CANCELLED, CHANGE, EXPIRED, FILLED, SHOWN, WITHDRAWN, Habits, Key
from gateway.surveillance.windows import Kept, Look, since, voluntary_fills

TOGETHER_NS = 5 * NS_PER_S
"""Orders that are withdrawn within so long are one withdrawal."""
TURN_NS = 2 * NS_PER_S
"""A trade so long after the withdrawal still belongs to it: who shows one side, withdraws it and takes the other."""
REPLACED_NS = NS_PER_S // 4
"""An order that another of the same side replaces within so long follows the price; it does not flash."""
MOST_SHOWN = 2000
"""So many of the orders shown last say which size is usual."""
MOST_ACTS = 100
"""The most withdrawals that are remembered of one owner."""
MOST_OWNERS = 20_000
"""The most owners whose withdrawals or messages are remembered; of more, the ones quiet for longest are forgotten."""


class _Usual:
    """The usual size of an order that is shown: of what was shown lately, half is in orders of at least that size."""

    def __init__(self) -> None:
        self._latest: dict[int, Rows] = {}

    def follow(self, changes: Rows) -> None:
        """Take the changes of a step."""
        for (contract,), rows in grouped(changes[changes["cause"] == SHOWN], "contract_slot"):
            before = self._latest.get(contract, rows[:0])
            self._latest[contract] = np.concatenate([before, rows])[-MOST_SHOWN:]

    def lots(self, key: Key) -> int:
        """That size among the orders of everybody but one owner; 0 while nobody else has shown anything."""
        latest = self._latest.get(key[0])
        others = np.sort(latest["lots"][latest["owner"] != key[1]]) if latest is not None else ()
        if not len(others):
            return 0
        sums = np.cumsum(others)
        return int(others[np.searchsorted(sums, sums[-1] / 2)])


class _Act(NamedTuple):
    """One withdrawal with what was traded on the other side meanwhile."""

    time_ns: int
    ratio: int
    accounts: tuple[int, ...]
    rows: Rows
    figures: dict[str, int]


@dataclass
class Shown:
    """The changes that the rules of orders work on."""

    changes: Kept
    usual: _Usual
    size_ratio: int

    @classmethod
    def of(cls, p: Parameters) -> "Shown":
        """Nothing yet."""
        seconds = 2 * p.spoofing_kept_s + p.spoofing_gone_s + p.step_s + 10
        return cls(Kept(CHANGE, seconds), _Usual(), p.spoofing_size_ratio)

    def least(self, key: Key) -> int:
        """How many lots are a large quantity of an owner."""
        return max(self.size_ratio * self.usual.lots(key), 1)


class Spoofing:
    """Quantity shown on one side and withdrawn unfilled, around a far smaller trade of the same owner on the other.

    Withdrawn is what was cancelled, expired, or amended smaller or to another price, and not shown again soon. One act
    with a ratio of `spoofing_total_ratio` is enough; of smaller ones several within the window.
    """

    def __init__(self, p: Parameters, shown: Shown) -> None:
        self.p = p
        self._shown = shown
        self._acts: dict[Key, deque[_Act]] = {}
        self._looked_ns: dict[tuple[int, ...], int] = {}

    def look(self, look: Look) -> list[Finding]:
        """The findings at the end of a step."""
        changes = self._shown.changes.rows
        late_ns = look.end_ns - self.p.spoofing_gone_s * NS_PER_S
        recent = changes[(changes["time_ns"] > late_ns - look.step_ns) & np.isin(changes["cause"], WITHDRAWN)]
        suspects = self._suspects(recent, look.fills, look.habits)
        if not suspects:
            return []
        mine = np.isin(changes["owner"], [owner for _, owner in suspects])
        fills = {key: rows for key, rows in grouped(look.fills, "contract_slot", "owner") if key in suspects}
        found = []
        for key, rows in grouped(changes[mine], "contract_slot", "owner"):
            if key in suspects and key in fills:
                found += self._of_owner(look, key, rows, fills[key])
        self._forget(look.end_ns)
        return found

    def _suspects(self, withdrawn: Rows, fills: Rows, habits: Habits) -> set[tuple[int, ...]]:
        """The owners who have withdrawn much, have traded and are no makers, so that a closer look is worth while."""
        traded = {*zip(fills["contract_slot"].tolist(), fills["owner"].tolist(), strict=True)}
        found: set[tuple[int, ...]] = set()
        for key, rows in grouped(withdrawn, "contract_slot", "owner"):
            if key in traded and -int(rows["lots"].sum()) >= self._shown.least(key):
                if not habits.is_maker(key, self.p.maker_percent):
                    found.add(key)
        return found

    def _of_owner(self, look: Look, key: Key, rows: Rows, fills: Rows) -> list[Finding]:
        found = []
        for side in (Side.BUY, Side.SELL):
            for act in self._acts_of(look, key, _Side(look, key, rows, side), fills[fills["side"] != side]):
                found += self._weigh(key, act)
        return found

    def _acts_of(self, look: Look, key: Key, wall: "_Side", fills: Rows) -> Iterator[_Act]:
        """The withdrawals of one side whose outcome is known now and was not before."""
        gone_ns = self.p.spoofing_gone_s * NS_PER_S
        looked_ns = self._looked_ns.get((*key, wall.side), 0)
        if not len(fills):
            return
        for place in wall.drops(looked_ns, look.end_ns - gone_ns, gone_ns):
            at_ns = int(wall.rows["time_ns"][place])
            act = self._act(key, look, wall, place, fills) if at_ns > looked_ns else None
            if act is not None:
                looked_ns = at_ns + TOGETHER_NS
                yield act
        self._looked_ns[(*key, wall.side)] = max(looked_ns, look.end_ns - gone_ns)

    def _act(self, key: Key, look: Look, wall: "_Side", place: int, fills: Rows) -> _Act | None:
        p, at_ns = self.p, int(wall.rows["time_ns"][place])
        kept_ns, gone_ns = p.spoofing_kept_s * NS_PER_S, p.spoofing_gone_s * NS_PER_S
        before = wall.most(at_ns - TOGETHER_NS, place)
        filled = wall.filled(at_ns - kept_ns, at_ns + gone_ns)
        lots = before - wall.left(at_ns + gone_ns) - filled
        if 5 * filled >= before or lots < self._shown.least(key):
            return None
        gone = wall.withdrawn(at_ns - TOGETHER_NS, at_ns + gone_ns)
        if 2 * wall.lots_younger(gone, kept_ns) < lots:
            return None
        times = fills["time_ns"]
        near = fills[(times > at_ns - kept_ns - TURN_NS) & (times <= at_ns + TURN_NS)]
        near = near[(wall.at(near["time_ns"]) * 2 >= lots) | (near["time_ns"] >= at_ns)]
        if not len(near):
            return None
        traded = int(near["lots"].sum())
        ratio = lots // max(traded + wall.offered(int(near["time_ns"][-1])), 1)
        if ratio < p.spoofing_ratio:
            return None
        figures = {
            "times": 1, "shown_lots": before, "withdrawn_lots": lots, "wall_orders": len(np.unique(gone["order_id"])),
            "cancelled_withdrawn_lots": wall.lots(gone, CANCELLED), "expired_withdrawn_lots": wall.lots(gone, EXPIRED),
            "amended_withdrawn_lots": wall.lots(gone, AMENDED), "traded_lots": traded, "side": wall.side,
        }  # fmt: skip
        accounts = {*gone["account_slot"].tolist(), *near["account_slot"].tolist()}
        proof = np.zeros(len(gone) + len(near), [("seq", "i8"), ("order_id", "i8")])
        for name in ("seq", "order_id"):
            proof[name] = np.concatenate([gone[name], near[name]])
        return _Act(at_ns, ratio, tuple(sorted(accounts)), proof, figures)

    def _weigh(self, key: Key, act: _Act) -> list[Finding]:
        """The findings that an act brings: itself, and those before it when it is the one too many."""
        acts = self._acts.setdefault(key, deque(maxlen=MOST_ACTS))
        while acts and acts[0].time_ns <= act.time_ns - self.p.spoofing_window_s * NS_PER_S:
            acts.popleft()
        before = sum(item.ratio for item in acts)
        acts.append(act)
        most = self.p.spoofing_total_ratio
        if before + act.ratio < most:
            return []
        new = [act] if before >= most else [*acts]
        return [
            Finding("spoofing", key[0], item.accounts, evidence(item.rows, **item.figures), item.time_ns, adds=True)
            for item in new
        ]

    def _forget(self, end_ns: int) -> None:
        """Forget what is too old to matter."""
        if len(self._acts) + len(self._looked_ns) > MOST_OWNERS:
            old_ns = end_ns - self.p.spoofing_window_s * NS_PER_S
            self._acts = {key: acts for key, acts in self._acts.items() if acts and acts[-1].time_ns > old_ns}
            self._looked_ns = {key: at_ns for key, at_ns in self._looked_ns.items() if at_ns > end_ns - 60 * NS_PER_S}


class _Side:
    """One side of what an owner shows in a contract, over the window."""

    def __init__(self, look: Look, key: Key, rows: Rows, side: int) -> None:
        self.side = int(side)
        self.rows = rows[rows["side"] == side]
        self._levels = self._level(look, key, self.rows, side)
        other = rows[rows["side"] != side]
        self._other_ns, self._other = other["time_ns"], self._level(look, key, other, 3 - side)

    @staticmethod
    def _level(look: Look, key: Key, rows: Rows, side: int) -> Rows:
        """What was shown before the first row and after each row."""
        sums = np.concatenate([[0], np.cumsum(rows["lots"])])
        return np.maximum(sums + look.habits.shown(key, side) - sums[-1], 0)

    def at(self, at_ns: Rows) -> Rows:
        """What was shown right before some instants."""
        return self._levels[np.searchsorted(self.rows["time_ns"], at_ns, "left")]

    def most(self, from_ns: int, place: int) -> int:
        """The most that was shown from an instant until a row."""
        first = int(np.searchsorted(self.rows["time_ns"], from_ns, "right"))
        return int(self._levels[min(first, place) : place + 1].max())

    def drops(self, from_ns: int, until_ns: int, gone_ns: int) -> list[int]:
        """Rows between two instants after which, for a while, at most a quarter is shown of what was shown before."""
        times = self.rows["time_ns"]
        places = np.flatnonzero(np.isin(self.rows["cause"], WITHDRAWN) & (times > from_ns) & (times <= until_ns))
        first = np.minimum(np.searchsorted(times, times[places] - TOGETHER_NS, "right"), places)
        last = np.searchsorted(times, times[places] + gone_ns, "right")
        before = _most_between(self._levels, first, places)
        after = _most_between(self._levels, places + 1, np.maximum(last, places + 1))
        found: list[int] = places[4 * after <= before].tolist()
        return found

    def left(self, at_ns: int) -> int:
        """What is shown after an instant."""
        return int(self._levels[np.searchsorted(self.rows["time_ns"], at_ns, "right")])

    def offered(self, at_ns: int) -> int:
        """What the owner shows on the other side after an instant."""
        return int(self._other[np.searchsorted(self._other_ns, at_ns, "right")])

    def filled(self, from_ns: int, until_ns: int) -> int:
        """What was filled of this side between two instants."""
        times = self.rows["time_ns"]
        near = (times > from_ns) & (times <= until_ns) & (self.rows["cause"] == FILLED)
        return -int(self.rows["lots"][near].sum())

    def withdrawn(self, from_ns: int, until_ns: int) -> Rows:
        """The withdrawals between two instants, but those of an order that only got another price."""
        times = self.rows["time_ns"]
        rows = self.rows[(times > from_ns) & (times <= until_ns)]
        gone, shown = rows[np.isin(rows["cause"], WITHDRAWN)], rows[rows["cause"] == SHOWN]
        moved = np.isin(gone["seq"], shown["seq"]) & np.isin(gone["order_id"], shown["order_id"])
        return gone[~moved]

    @staticmethod
    def lots(rows: Rows, cause: int) -> int:
        """The lots of one cause."""
        return -int(rows["lots"][rows["cause"] == cause].sum())

    @staticmethod
    def lots_younger(rows: Rows, age_ns: int) -> int:
        """The lots that stood at their price for no longer than that."""
        return -int(rows["lots"][rows["time_ns"] - rows["since_ns"] <= age_ns].sum())


def _most_between(values: Rows, first: Rows, last: Rows) -> Rows:
    """The largest value of each range; both ends count."""
    powers = np.frexp(last - first + 1)[1] - 1
    found, table = np.zeros(len(first), values.dtype), values
    for power in range(int(powers.max(initial=0)) + 1):
        these = powers == power
        width = 1 << power
        found[these] = np.maximum(table[first[these]], table[last[these] - width + 1])
        table = np.maximum(table[:-width], table[width:]) if len(table) > width else table
    return found


class Flashing:
    """Large orders of one side that come and go at once, again and again, without a trade and not by a maker."""

    def __init__(self, p: Parameters, shown: Shown) -> None:
        self.p = p
        self._shown = shown
        self._flashes = Kept(CHANGE, p.flashing_window_s)

    def look(self, look: Look) -> list[Finding]:
        """The findings at the end of a step."""
        p, known_ns = self.p, look.end_ns - REPLACED_NS
        changes = since(self._shown.changes.rows, known_ns - look.step_ns)
        large = [
            self._flashes_of(rows, self._shown.least(key), known_ns)
            for key, rows in grouped(changes, "contract_slot", "owner", "side")
        ]
        gone = np.concatenate([changes[:0], *large])
        self._flashes.add(gone[np.argsort(gone["time_ns"], kind="stable")], look.end_ns)
        now = {*zip(gone["contract_slot"].tolist(), gone["owner"].tolist(), strict=True)}
        if not now:
            return []
        found = []
        for key, rows in grouped(self._flashes.rows, "contract_slot", "owner"):
            if key in now and len(rows) >= p.flashing_orders and not look.habits.is_maker(key, p.maker_percent):
                found += self._of_owner(look, key, rows)
        return found

    def _flashes_of(self, rows: Rows, least: int, known_ns: int) -> Rows:
        """Of the changes of one side: large orders that went soon after they came, and were not replaced at once."""
        shown_ns = rows["time_ns"][rows["cause"] == SHOWN]
        shown_ns = np.append(shown_ns, known_ns + 2 * REPLACED_NS)
        gone = rows[np.isin(rows["cause"], (CANCELLED, EXPIRED)) & (-rows["lots"] >= least)]
        gone = gone[(gone["time_ns"] <= known_ns)]
        gone = gone[gone["time_ns"] - gone["since_ns"] <= self.p.flashing_life_ms * 1_000_000]
        return gone[shown_ns[np.searchsorted(shown_ns, gone["time_ns"])] - gone["time_ns"] > REPLACED_NS]

    def _of_owner(self, look: Look, key: Key, rows: Rows) -> list[Finding]:
        lots, fills = -int(rows["lots"].sum()), look.last(self.p.flashing_window_s)
        mine = fills[(fills["contract_slot"] == key[0]) & (fills["owner"] == key[1])]
        traded = int(mine["lots"].sum())
        if traded * 20 > lots:
            return []
        figures = {"flashed_orders": len(rows), "withdrawn_lots": lots, "traded_lots": traded}
        accounts = tuple(np.unique(rows["account_slot"]).tolist())
        return [Finding("flashing", key[0], accounts, evidence(rows, **figures), look.end_ns)]


class Stuffing:
    """Far more orders, amendments and cancels than trades, by who does not quote both sides; of a maker, a flood."""

    def __init__(self, p: Parameters) -> None:
        self.p = p
        self._steps: deque[tuple[int, Mapping[tuple[int, ...], tuple[int, int]]]] = deque()

    def look(self, look: Look) -> list[Finding]:
        """The findings at the end of a step."""
        p, rows = self.p, look.rows
        own = np.isin(rows["reason"], (Reason.BY_CLIENT, Reason.MASS_CANCEL, Reason.AMENDED_AWAY))
        asked = np.isin(rows["kind"], (EventKind.ACCEPTED, EventKind.AMENDED))
        parts = dict(
            grouped(rows[asked | (rows["kind"] == EventKind.CANCELLED) & own], "contract_slot", "account_slot")
        )
        trades_of = dict(grouped(voluntary_fills(rows), "contract_slot", "account_slot"))
        counted = {
            key: (len(mine), len(np.unique(trades_of[key]["trade_id"])) if key in trades_of else 0)
            for key, mine in parts.items()
        }
        self._steps.append((look.end_ns, counted))
        while self._steps[0][0] <= look.end_ns - p.stuffing_window_s * NS_PER_S:
            self._steps.popleft()
        found = []
        for key in counted:
            steps = [step[key] for _, step in self._steps if key in step]
            messages, trades = sum(item[0] for item in steps), sum(item[1] for item in steps)
            if messages >= p.stuffing_messages and messages >= p.stuffing_per_trade * max(trades, 1):
                owner = key[0], int(parts[key]["owner"][0])
                if messages >= p.stuffing_maker_messages or not look.habits.is_maker(owner, p.maker_percent):
                    figures = {"messages": messages, "trades": trades, "seconds": p.stuffing_window_s}
                    proof = evidence(parts[key], **figures)
                    found.append(Finding("quote_stuffing", key[0], (key[1],), proof, look.end_ns))
        return found

"""Deleveraging by itself: who gives how much, found by looking at everybody for each single trade."""

from fractions import Fraction

PPB = 10**9


class Side:
    """The positions of one contract, alone in their accounts' pools: slot -> [lots, entry cost, cash, since]."""

    def __init__(self, mark, unit, held):
        self.mark, self.unit = mark, unit
        self.held = {slot: list(values) for slot, values in held.items()}

    def equity(self, slot):
        """Cash and profit at the mark, rounded down."""
        lots, cost, cash, _ = self.held[slot]
        return cash + self.mark * lots * self.unit // 1000 - cost

    def rank(self, slot):
        """Sorts the best first: profitable ones by r * l, losing ones by r / l, then by age, then by place."""
        lots, cost, cash, since = self.held[slot]
        profit = self.equity(slot) - cash
        gain = profit * PPB // abs(cost)
        notional = -(-self.mark * abs(lots) * self.unit // 1000)
        leverage = max(notional * PPB // self.equity(slot), 1)
        score = Fraction(gain * leverage) if gain >= 0 else Fraction(gain, leverage)
        return -score, since, slot

    def can_give(self, slot, price):
        """All of it, or what leaves its equity at 0 or above."""
        lots = self.held[slot][0]
        loss = self.mark - price * 1000 if lots > 0 else price * 1000 - self.mark
        if loss <= 0:
            return abs(lots)
        return min(abs(lots), (self.equity(slot) - 1) * 1000 // (loss * self.unit))

    def next(self, longs, price):
        """(slot, lots) of who gives next on a side at a price, None when nobody can."""
        able = [
            slot
            for slot, (lots, *_) in self.held.items()
            if lots and (lots > 0) == longs and self.equity(slot) > 0 and self.can_give(slot, price) > 0
        ]
        best = min(able, key=self.rank, default=None)
        return None if best is None else (best, self.can_give(best, price))

    def light(self, longs, slot):
        """Five lights for who is in the first fifth of a side's quantity, one for the last."""
        side = [other for other, (lots, *_) in self.held.items() if lots and (lots > 0) == longs]
        ahead = [other for other in side if self.equity(other) > 0 and self.rank(other) <= self.rank(slot)]
        total = sum(abs(self.held[other][0]) for other in side)
        return 6 + -sum(abs(self.held[other][0]) for other in ahead) * 5 // total

    def take(self, slot, lots, price):
        """Close a part of a position at a price: entry cost is released pro rata, rounded down."""
        row = self.held[slot]
        sign = 1 if row[0] > 0 else -1
        released = row[1] if lots == abs(row[0]) else row[1] * lots // abs(row[0])
        row[2] += sign * lots * price * self.unit - released
        row[1] -= released
        row[0] -= sign * lots

"""What an alert says, in words for an officer: what was shown, what was withdrawn, what was traded.

Numbers have commas between thousands. Behind each number of lots the word stands, as the console tells amounts
instead: `sessions.methods.alerts`.
"""

from collections.abc import Callable, Mapping

from engine.codes import Side

Figures = Mapping[str, int]


def percent(ppb: int) -> str:
    """Parts of 1e9 as a percentage with its sign left out."""
    return f"{abs(ppb) / 1e7:.2f} %"


def _other(side: int) -> str:
    return Side(3 - side).name


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _spoofing(f: Figures) -> str:
    ways = (("cancelled", "cancelled"), ("expired", "left to expire"), ("amended", "amended away"))
    parts = [f"{f[f'{name}_withdrawn_lots']:,} lots {word}" for name, word in ways if f.get(f"{name}_withdrawn_lots")]
    how = f" ({', '.join(parts)})" if parts else ""
    often = "once" if f["times"] == 1 else f"{f['times']:,} times"
    orders, side = _counted(f["wall_orders"], f"{Side(f['side']).name} order"), _other(f["side"])
    return (
        f"{often} shown and withdrawn unfilled: {orders}, up to {f['shown_lots']:,} lots at once, "
        f"{f['withdrawn_lots']:,} lots in all{how}; meanwhile {side} trades of {f['traded_lots']:,} lots"
    )


def _flashing(f: Figures) -> str:
    return (
        f"{f['flashed_orders']:,} large orders of {f['withdrawn_lots']:,} lots shown and withdrawn at once; "
        f"{f['traded_lots']:,} lots traded"
    )


def _stuffing(f: Figures) -> str:
    return f"{f['messages']:,} orders, amendments and cancels in {f['seconds']} s for {_counted(f['trades'], 'trade')}"


def _wash(f: Figures) -> str:
    return f"{_counted(f['trades'], 'trade')} of {f['traded_lots']:,} lots in all within one owner or group"


def _round_trips(f: Figures) -> str:
    return (
        f"{f['trades']:,} trades of equal orders, {f['traded_lots']:,} lots in all, back and forth between two clients "
        "who trade little with others"
    )


def _rings(f: Figures) -> str:
    return (
        f"{f['trades']:,} trades of equal orders, {f['traded_lots']:,} lots in all, around a ring of {f['clients']} "
        "clients: each has got back what it gave"
    )


def _ignition(f: Figures) -> str:
    return (
        f"{f['pushed_traded_lots']:,} lots of {Side(f['side']).name} moved the price by {percent(f['move_ppb'])}, "
        f"{f['share_percent']} % of what was taken meanwhile; {f['undone_traded_lots']:,} lots then went back at a "
        "profit"
    )


def _marking(f: Figures) -> str:
    return (
        f"{f['traded_lots']:,} lots of {Side(f['side']).name}, {f['share_percent']} % of all taking, in the last "
        f"{f['seconds']} s before funding moved the price by {percent(f['move_ppb'])}; the owner holds "
        f"{f['position_lots']:,} lots"
    )


def _quotes(f: Figures) -> str:
    receives = (f["rate_ppb"] > 0) == (f["position_lots"] < 0)
    gain = "funding is paid to that position" if receives else "the mark moves in favour of that position"
    return (
        f"at {f['samples_times']} premium samples up to {f['shown_lots']:,} lots of {Side(f['side']).name}, beyond the "
        f"price of everybody else, alone made a premium of up to {percent(f['rate_ppb'])}; {f['traded_lots']:,} lots "
        f"of them traded; the owner holds {f['position_lots']:,} lots: {gain}"
    )


def _push(f: Figures) -> str:
    way = "above" if f["side"] == Side.BUY else "below"
    return (
        f"index source {f['source']} stood {percent(f['move_ppb'])} {way} the others, which moved the index by "
        f"{percent(f['index_move_ppb'])}; before it the owner had opened {f['opened_lots']:,} lots of "
        f"{Side(f['side']).name}, {f['share_percent']} % of all that was traded that way; {f['closed_lots']:,} lots "
        "closed since"
    )


def _interest(f: Figures) -> str:
    share = 100 * f["position_lots"] // f["all_lots"]
    return f"{f['position_lots']:,} of {f['all_lots']:,} lots of open interest ({share} %)"


_WORDS: dict[str, Callable[[Figures], str]] = {
    "spoofing": _spoofing,
    "flashing": _flashing,
    "quote_stuffing": _stuffing,
    "wash_trades": _wash,
    "round_trips": _round_trips,
    "ring_trades": _rings,
    "momentum_ignition": _ignition,
    "marking": _marking,
    "marking_by_quotes": _quotes,
    "index_push": _push,
    "open_interest": _interest,
}


def words(rule: str, figures: Figures) -> str:
    """What a rule's figures mean."""
    return _WORDS[rule](figures)

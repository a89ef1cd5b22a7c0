"""How old a position's profit on the page is: when each was drawn, against the stamp of the mark that it is of."""

from dataclasses import dataclass
from typing import Any

_WATCH = """(() => {
    const heard = [];
    window.drawnMarks = [];
    const Socket = window.WebSocket;
    window.WebSocket = class extends Socket {
        constructor(...given) {
            super(...given);
            this.addEventListener("message", ({data}) => {
                if (!data.includes('"user.positions.')) return;
                const held = (JSON.parse(data).params?.data ?? []).find((row) => row.instrument_name === "INSTRUMENT");
                if (held) heard.push({profit: held.floating_profit_loss, mark: held.mark_price});
            });
        }
    };
    let last = "", ofMark = 0;
    const look = () => {
        const text = document.querySelector('[data-instrument="INSTRUMENT"] [data-field="profit"]')?.textContent ?? "";
        const before = last;
        last = text;
        if (before === "" || text === "" || text === before) return;  // the first one came with the position
        const profit = Number(text.replaceAll(",", "").replace("\\u2212", "-").match(/[+-]?[0-9.]+/)[0]);
        const of = heard.findLast((one) => Math.abs(one.profit - profit) < 0.0051);
        if (!of || of.mark === ofMark) return;  // the position has changed, not the mark
        ofMark = of.mark;
        requestAnimationFrame(() => window.drawnMarks.push({mark: of.mark, at: Date.now()}));
        heard.splice(0, heard.length - 100);
    };
    const begin = () => new MutationObserver(look).observe(
        document.documentElement, {subtree: true, childList: true, characterData: true});
    addEventListener("DOMContentLoaded", begin);
})()"""
TAKE_DRAWN = "window.drawnMarks.splice(0)"


def watch(instrument_name: str) -> str:
    """A script for a page before it is opened: it notes each profit that is drawn anew, and its mark."""
    return _WATCH.replace("INSTRUMENT", instrument_name)


@dataclass(frozen=True)
class Drawn:
    """A profit that was drawn: how long after its mark, and how many marks the venue had stamped in between."""

    age_ms: int
    marks_behind: int


def ages(history: list[list[Any]], drawn: list[dict[str, Any]]) -> list[Drawn]:
    """The age of each profit, by the changes of the mark that `public/get_mark_price_history` tells.

    Venue and page are on one machine, so they go by one clock.
    """
    found = []
    for one in drawn:
        stamps = [stamp_ms for stamp_ms, mark in history if float(mark) == one["mark"] and stamp_ms <= one["at"]]
        if stamps:
            behind = sum(stamps[-1] < stamp_ms <= one["at"] for stamp_ms, _ in history)
            found.append(Drawn(int(one["at"] - stamps[-1]), behind))
    return found

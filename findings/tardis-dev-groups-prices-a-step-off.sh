#!/usr/bin/env bash
# A book that tardis-dev groups by price has some levels one step off, and in the version that npm gives levels that are gone.
#
# Version:    tardis-dev 13.35.3 for Node.js (needs node and npm; node 20 here).
# Source:     tardis-dev, src/computable/booksnapshot.ts: a group is the price times a power of ten less a remainder, in floats;
#             18.2.0, the newest in its repository, has the same formula. _updateSideGrouped of 13.35.3 writes over the levels
#             that it finds and clears none behind them; a later version does. No issue was found.
# Guess:      computeBookSnapshots({grouping}) is the book of computeBookSnapshots() with amounts added up: grouped by its own
#             tick it is the same book, and what vanishes there vanishes here.
# Behaviour:  A bid of 4.35 grouped by 0.01 is 4.34, an ask of 4.36 is 4.37: their amounts are added to a neighbour's, and the
#             book has fewer levels than it has. Where a side gets shorter, its deepest levels stay as they were, and an
#             empty side makes no snapshot. Nothing is thrown.
# For us:     Our book channels have Deribit's form, which its mapper reads, as here. Who wants a grouped book adds the levels
#             up himself, or subscribes to the venue's own grouped channel.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

(cd "$work" && npm install --silent --no-audit --no-fund --ignore-scripts tardis-dev@13.35.3 >/dev/null)

cat >"$work/expected" <<'END'
snapshot                    bids 4.35x1 4.34x2 0.29x4   asks 4.36x1 5.1x2
by 0.01                     bids 4.34x3 0.28x4          asks 4.37x1 5.1x2
1000 bids from 0.01 to 10   1000 levels
by 0.01                     943 levels
snapshot                    bids 100x1 95x3 88x4        asks 101x1 115x2
by 10                       bids 100x1 90x3 80x4        asks 110x1 120x2
95, 88, 115 gone, 100 is 2  bids 100x2                  asks 101x1
by 10                       bids 100x2 90x3 80x4        asks 110x1 120x2
100 gone                    bids none                   asks 101x1
by 10                       no new snapshot
END

cat >"$work/probe.mjs" <<'END'
import { compute, computeBookSnapshots, normalizeBookChanges } from "tardis-dev";

const START = new Date(1764000000000);

function message(place, type, bids, asks) {
    const data = { type, timestamp: START.valueOf() + place, change_id: place + 1, bids, asks };
    data.instrument_name = "BTC-PERPETUAL";
    if (type === "change") data.prev_change_id = place;
    return { jsonrpc: "2.0", method: "subscription", params: { channel: "book.BTC-PERPETUAL.raw", data } };
}

async function* normalized(messages) {
    const mapper = normalizeBookChanges("deribit", START);
    for (const one of messages) yield* mapper.map(one, START);
}

async function books(messages, grouping, depth = 3) {
    const found = [];
    for await (const one of compute(normalized(messages), computeBookSnapshots({ depth, interval: 0, grouping }))) {
        if (one.type === "book_change") found.push(undefined);
        else found[found.length - 1] = one;
    }
    return found;
}

const filled = (levels) => levels.filter((one) => one.amount);
const side = (levels) => filled(levels).map((one) => `${one.price}x${one.amount}`).join(" ") || "none";
const text = (book) => (book ? `bids ${side(book.bids).padEnd(22)} asks ${side(book.asks)}` : "no new snapshot");
const show = (title, said) => console.log(`${title.padEnd(27)} ${said}`);

async function compare(messages, titles, grouping) {
    const [plain, grouped] = [await books(messages), await books(messages, grouping)];
    titles.forEach((title, place) => {
        show(title, text(plain[place]));
        show(`by ${grouping}`, text(grouped[place]));
    });
}

const BIDS = [["new", 4.35, 1], ["new", 4.34, 2], ["new", 0.29, 4]];
const ASKS = [["new", 4.36, 1], ["new", 5.1, 2]];
await compare([message(0, "snapshot", BIDS, ASKS)], ["snapshot"], 0.01);
const many = message(0, "snapshot", Array.from({ length: 1000 }, (_, place) => ["new", (place + 1) / 100, 1]), []);
for (const [title, grouping] of [["1000 bids from 0.01 to 10", undefined], ["by 0.01", 0.01]])
    show(title, `${filled((await books([many], grouping, 1000))[0].bids).length} levels`);
await compare(
    [
        message(0, "snapshot", [["new", 100, 1], ["new", 95, 3], ["new", 88, 4]], [["new", 101, 1], ["new", 115, 2]]),
        message(1, "change", [["change", 100, 2], ["delete", 95, 0], ["delete", 88, 0]], [["delete", 115, 0]]),
        message(2, "change", [["delete", 100, 0]], []),
    ],
    ["snapshot", "95, 88, 115 gone, 100 is 2", "100 gone"],
    10,
);
END

(cd "$work" && node probe.mjs >seen)
cat "$work/seen"
diff -u "$work/expected" "$work/seen" || { echo "CHANGED: this is not what was seen before"; exit 1; }
echo "as seen before"

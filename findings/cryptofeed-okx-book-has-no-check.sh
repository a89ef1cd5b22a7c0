#!/usr/bin/env bash
# No setting of cryptofeed 2 checks an OKX book as OKX sends it today: one refuses every book, the other takes any gap.
#
# Version:    cryptofeed 2.4.1, order_book 0.6.1.
# Source:     cryptofeed/exchanges/okx.py, method _book (line 274): the checksum is the only check, seqId is not read. OKX
#             sends "checksum": 0 in every message (seen live in September 2026) and numbers them by seqId and prevSeqId.
# Guess:      The library counts the sequence of a book, as it does for Deribit, and checksum_validation=True is one check more.
# Behaviour:  As shipped, an update that follows after a gap of five messages is applied and handed on like any other.
#             With checksum_validation=True the very first snapshot raises BadChecksum, which the feed answers by
#             reconnecting: there is never a book.
#             3.0.1 goes by seqId, but needs Python 3.13: on 3.11 pip takes 2.4.1 without a word.
# For us:     Our OKX source goes by seqId alone. Who records with cryptofeed compares seqId and prevSeqId in
#             `book.raw` himself.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check \
    cryptofeed==2.4.1 order_book==0.6.1

cat >"$work/expected" <<'END'
as shipped: snapshot 10 -> best 100 / 101
as shipped: update 16 after 15 -> best 100.5 / 101
as shipped: the gap in raw: 10 15
checksum_validation: snapshot 10 -> BadChecksum
END

cat >"$work/probe.py" <<'END'
import asyncio
import json

from cryptofeed.defines import L2_BOOK
from cryptofeed.exchanges import OKX
from cryptofeed.symbols import Symbols

Symbols.set("OKX", {"BTC-USDT": "BTC-USDT"}, {"instrument_type": {"BTC-USDT": "spot"}, "tick_size": {"BTC-USDT": "0.1"}})


def message(action, seq_id, prev_seq_id, bids, asks):
    data = {"bids": bids, "asks": asks, "ts": "1764000000000", "checksum": 0, "seqId": seq_id, "prevSeqId": prev_seq_id}
    return json.dumps({"arg": {"channel": "books", "instId": "BTC-USDT"}, "action": action, "data": [data]})


SNAPSHOT = message("snapshot", 10, -1, [["100", "1", "0", "1"]], [["101", "1", "0", "1"]])
AFTER_A_GAP = message("update", 16, 15, [["100.5", "2", "0", "1"]], [])


async def run(name, messages, **options):
    books = []

    async def heard(book, receipt_time):
        books.append((max(book.book.bids.to_dict()), min(book.book.asks.to_dict()), book.raw["data"][0]))

    feed = OKX(symbols=["BTC-USDT"], channels=[L2_BOOK], callbacks={L2_BOOK: heard}, **options)
    for title, text in messages:
        try:
            await feed.message_handler(text, None, 0.0)
            print(f"{name}: {title} -> best {books[-1][0]} / {books[-1][1]}")
        except Exception as error:
            print(f"{name}: {title} -> {type(error).__name__}")
    if len(books) == 2:
        print(f"{name}: the gap in raw:", books[0][2]["seqId"], books[1][2]["prevSeqId"])


asyncio.run(run("as shipped", [("snapshot 10", SNAPSHOT), ("update 16 after 15", AFTER_A_GAP)]))
asyncio.run(run("checksum_validation", [("snapshot 10", SNAPSHOT)], checksum_validation=True))
END

"$work/venv/bin/python" -I "$work/probe.py" >"$work/seen"
cat "$work/seen"
diff -u "$work/expected" "$work/seen" || { echo "CHANGED: this is not what was seen before"; exit 1; }
echo "as seen before"

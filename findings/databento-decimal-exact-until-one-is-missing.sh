#!/usr/bin/env bash
# A row without a price makes Databento's exact decimal prices of all other rows inexact.
#
# Version:    databento 0.88.0 (databento-dbn 0.70.0, pandas 2.3.3, numpy 2.4.6).
# Source:     databento/common/dbnstore.py, _format_px (line 1523): with price_type="decimal" the undefined price is
#             replaced by NaN first, so pandas makes the column of int64 a column of floats; only then each value
#             becomes a Decimal. No issue thread was found.
# Guess:      price_type="decimal" is the exact one of the three, as "instances of decimal.Decimal" says, and a price is
#             the same whatever else is in the file.
# Behaviour:  A price above 9,007,199.254740992 (2^53 units of 1e-9; a coin in won or rupiah) is exact in a file of
#             its own. With a row beside it that has no price, as each snapshot begins with one that clears the book,
#             it is off in the last places. "fixed" stays exact, and so does the text of to_csv.
# For us:     `lionrock export --format dbn` begins with such a row. Who needs exact prices of it takes "fixed"
#             (engine/recordings/out/README.md).
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check \
    databento==0.88.0 databento-dbn==0.70.0 pandas==2.3.3 numpy==2.4.6 2>/dev/null

cat >"$work/expected" <<'END'
a price of 150000000.123456701
alone:                 decimal 150000000.123456701, fixed 150000000123456701
beside a cleared book: decimal 150000000.123456704, fixed 150000000123456701
END

cat >"$work/probe.py" <<'END'
import databento
import databento_dbn as dbn

START_NS = 1_764_000_000_000_000_000
HEAD = dbn.Metadata(
    dataset="XNAS.ITCH", start=START_NS, stype_in=dbn.SType.INSTRUMENT_ID, stype_out=dbn.SType.INSTRUMENT_ID,
    schema=dbn.Schema.MBO, symbols=["1"], partial=[], not_found=[], mappings=[], ts_out=False, version=3,
)


def message(action, side, price, size, order_id):
    return dbn.MBOMsg(
        publisher_id=2, instrument_id=1, ts_event=START_NS, order_id=order_id, price=price, size=size, action=action,
        side=side, ts_recv=START_NS, flags=0, channel_id=0, ts_in_delta=0, sequence=0,
    )


def show(label, *messages):
    store = databento.DBNStore.from_bytes(HEAD.encode() + b"".join(map(bytes, messages)))
    exact, fixed = (store.to_df(price_type=kind)["price"].iloc[-1] for kind in ("decimal", "fixed"))
    print(f"{label:22} decimal {exact}, fixed {fixed}")


order = message(dbn.Action.ADD, dbn.Side.BID, 150_000_000_123_456_701, 7, 5)
clear = message(dbn.Action.CLEAR, dbn.Side.NONE, dbn.UNDEF_PRICE, 0, 0)
print("a price of 150000000.123456701")
show("alone:", order)
show("beside a cleared book:", clear, order)
END

"$work/venv/bin/python" -I "$work/probe.py" >"$work/seen"
cat "$work/seen"
diff -u "$work/expected" "$work/seen" || { echo "CHANGED: this is not what was seen before"; exit 1; }
echo "as seen before"

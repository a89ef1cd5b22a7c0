import { computed, useComputed, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { decimalText, decimalsOf, shown, signed } from "../shared/numbers";
import type { Direction, Instrument } from "../shared/venue_types";
import { bookRows, groupPrice, groupSizes, type BookRow } from "./order_book";
import { bookGroup } from "./settings";
import { book, instrument, instrumentOrders, ticker, trades } from "./state";
import { pickPrice } from "./ticket_state";

const ROW_PX = 18;
const PHONE = matchMedia("(max-width: 767px)");
/** A row is a target for a finger on a phone. */
const PHONE_ROW_PX = 28;
const HEAD_PX = 22;
const MIDDLE_PX = 26;
const MOST_ROWS = 40;

const ticksPerGroup = computed(() => bookGroup.value[instrument.value?.instrument_name ?? ""] ?? 1);

/** Amounts of own resting orders by side and price group. */
const ownAmounts = computed(() => {
  const of = instrument.value;
  const found = { bids: new Map<number, number>(), asks: new Map<number, number>() };
  if (of === null) return found;
  for (const order of instrumentOrders.value) {
    if (order.order_state !== "open" || typeof order.price !== "number") continue;
    const side = order.direction === "buy" ? "bids" : "asks";
    const price = groupPrice(order.price, side, of.tick_size, ticksPerGroup.value);
    found[side].set(price, (found[side].get(price) ?? 0) + order.amount - order.filled_amount);
  }
  return found;
});

/** The order book: both sides with their depth, the spread between them. A click puts a price into the ticket. */
export function OrderBookPanel() {
  const of = instrument.value;
  const room = useRef<HTMLDivElement>(null);
  const rows = useSignal(12);
  useEffect(() => {
    if (room.current === null) return;
    const observer = new ResizeObserver(([entry]) => {
      const height = (entry?.contentRect.height ?? 0) - HEAD_PX - MIDDLE_PX;
      rows.value = Math.max(4, Math.min(MOST_ROWS, Math.floor(height / 2 / (PHONE.matches ? PHONE_ROW_PX : ROW_PX))));
    });
    observer.observe(room.current);
    return () => observer.disconnect();
  }, [of !== null]);
  const sides = useComputed(() => {
    const listed = instrument.value;
    if (listed === null) return { bids: [], asks: [], changeId: null };
    const side = (name: "bids" | "asks") =>
      bookRows(book.value[name], name, listed.tick_size, ticksPerGroup.value, rows.value);
    return { bids: side("bids"), asks: side("asks"), changeId: book.value.changeId };
  });
  if (of === null) return null;
  const { bids, asks, changeId } = sides.value;
  const most = Math.max(bids.at(-1)?.total ?? 0, asks.at(-1)?.total ?? 0);
  return (
    <section class="panel book" aria-label="order book" data-change-id={changeId}>
      <div class="panel-head">
        <h2>Order book</h2>
        <Grouping of={of} />
      </div>
      <div class="book-body" ref={room}>
        <div class="book-row book-heads" aria-hidden="true">
          <span>Price ({of.quote_currency})</span>
          <span>Amount ({of.base_currency})</span>
          <span>Total</span>
        </div>
        <Side side="asks" rows={asks.slice().reverse()} count={rows.value} most={most} of={of} />
        <Middle of={of} />
        <Side side="bids" rows={bids} count={rows.value} most={most} of={of} />
      </div>
    </section>
  );
}

function Grouping({ of }: { of: Instrument }) {
  const price = useComputed(() =>
    Math.round(Math.log2(book.value.bids[0]?.[0] ?? ticker.value?.mark_price ?? of.tick_size)),
  );
  const sizes = groupSizes(of.tick_size, 2 ** price.value);
  return (
    <label>
      <span class="hidden-label">rows of the book</span>
      <select
        class="small-select"
        value={ticksPerGroup.value}
        onChange={(event) =>
          (bookGroup.value = { ...bookGroup.value, [of.instrument_name]: Number(event.currentTarget.value) })
        }
      >
        {sizes.map((size) => (
          <option key={size} value={size}>
            {decimalText(Number((size * of.tick_size).toFixed(decimalsOf(of.tick_size))))}
          </option>
        ))}
      </select>
    </label>
  );
}

interface SideProps {
  side: "bids" | "asks";
  rows: BookRow[];
  count: number;
  most: number;
  of: Instrument;
}

function Side({ side, rows, count, most, of }: SideProps) {
  const prices = decimalsOf(of.tick_size);
  const amounts = decimalsOf(of.amount_step);
  const own = ownAmounts.value[side];
  const direction: Direction = side === "bids" ? "buy" : "sell";
  const missing = Math.max(0, count - rows.length);
  const blanks = Array.from({ length: missing }, (_, index) => (
    <div key={`blank${index}`} class="book-row" aria-hidden="true" />
  ));
  return (
    <div class={`book-side ${side}`} role="group" aria-label={side}>
      {side === "asks" && blanks}
      {rows.map((row, index) => (
        <button
          key={index}
          type="button"
          class="book-row plain"
          tabIndex={-1}
          title={own.has(row.price) ? `own ${direction} order: ${shown(own.get(row.price), amounts)}` : undefined}
          data-price={row.price}
          data-amount={row.amount}
          onClick={() => pickPrice(decimalText(row.price))}
        >
          <span class="depth" style={{ width: `${most > 0 ? (100 * row.total) / most : 0}%` }} />
          <span class={side === "bids" ? "up" : "down"}>
            {own.has(row.price) && (
              <span class="own-mark" aria-label="own order">
                ▸
              </span>
            )}
            {shown(row.price, prices)}
          </span>
          <span>{shown(row.amount, amounts)}</span>
          <span class="dim">{shown(row.total, amounts)}</span>
        </button>
      ))}
      {side === "bids" && blanks}
    </div>
  );
}

function Middle({ of }: { of: Instrument }) {
  const prices = decimalsOf(of.tick_size);
  const { bids, asks } = book.value;
  const now = ticker.value;
  const latest = trades.value[0]?.direction;
  const spread = bids[0] && asks[0] ? Number((asks[0][0] - bids[0][0]).toFixed(prices)) : null;
  const share = spread !== null && asks[0] ? (spread / asks[0][0]) * 100 : null;
  const change = now?.last_price != null && now.mark_price ? now.last_price - now.mark_price : null;
  return (
    <div class="book-middle">
      <strong
        class={latest === undefined ? undefined : latest === "buy" ? "up" : "down"}
        title={`last price; ${signed(change, prices)} to the mark at ${shown(now?.mark_price, prices)}`}>
        {shown(now?.last_price, prices)}
      </strong>
      <span class="dim" title="spread between the best bid and ask">
        {spread === null ? "no spread" : `spread ${shown(spread, prices)} (${shown(share, 3)} %)`}
      </span>
    </div>
  );
}

import { decimalsOf } from "../shared/numbers";
import type { BookMessage, Level } from "../shared/venue_types";

/** Both sides of a book, the best level first. */
export interface Book {
  bids: Level[];
  asks: Level[];
  /** The venue's change that it shows; null before the first snapshot. */
  changeId: number | null;
}

export interface BookRow {
  price: number;
  amount: number;
  /** The amount of this level and of all better ones. */
  total: number;
}

export const NO_BOOK: Book = { bids: [], asks: [], changeId: null };

/** A copy of the venue's book, kept from its chain of changes. */
export class OrderBook {
  private bids = new Map<number, number>();
  private asks = new Map<number, number>();
  private changeId: number | null = null;

  /** Take a message; false when it does not follow the last one: then a new snapshot is needed. */
  apply(message: BookMessage): boolean {
    if (message.type === "snapshot") {
      this.bids.clear();
      this.asks.clear();
    } else if (this.changeId === null || message.prev_change_id !== this.changeId) {
      this.changeId = null;
      return false;
    }
    change(this.bids, message.bids);
    change(this.asks, message.asks);
    this.changeId = message.change_id;
    return true;
  }

  /** The book as it is now. */
  view(): Book {
    return {
      bids: [...this.bids].sort((left, right) => right[0] - left[0]),
      asks: [...this.asks].sort((left, right) => left[0] - right[0]),
      changeId: this.changeId,
    };
  }
}

function change(side: Map<number, number>, rows: BookMessage["bids"]): void {
  for (const [action, price, amount] of rows) {
    if (action === "delete") side.delete(price);
    else side.set(price, amount);
  }
}

/** The price of the group that a price is in: bids are rounded down and asks up, so that no group looks better. */
export function groupPrice(price: number, side: "bids" | "asks", tick: number, ticksPerGroup: number): number {
  const ticks = Math.round(price / tick);
  const groups = ticks / ticksPerGroup;
  const grouped = (side === "bids" ? Math.floor(groups) : Math.ceil(groups)) * ticksPerGroup;
  return Number((grouped * tick).toFixed(decimalsOf(tick)));
}

/** The best rows of one side, with levels gathered by price and running totals. */
export function bookRows(
  levels: Level[],
  side: "bids" | "asks",
  tick: number,
  ticksPerGroup: number,
  count: number,
): BookRow[] {
  const rows: BookRow[] = [];
  let total = 0;
  for (const [price, amount] of levels) {
    const grouped = ticksPerGroup === 1 ? price : groupPrice(price, side, tick, ticksPerGroup);
    const last = rows[rows.length - 1];
    const isSame = last !== undefined && last.price === grouped;
    if (!isSame && rows.length === count) break;
    total += amount;
    if (isSame) {
      last.amount += amount;
      last.total = total;
    } else rows.push({ price: grouped, amount, total });
  }
  return rows;
}

/** How many ticks a group may have: 1, 2, 5, 10 and so on, up to about half a per cent of the price. */
export function groupSizes(tick: number, price: number): number[] {
  const sizes: number[] = [];
  for (let power = 1; sizes.length < 8; power *= 10) {
    for (const digit of [1, 2, 5]) {
      const size = digit * power;
      if (size > 1 && size * tick > price * 0.005) return sizes;
      sizes.push(size);
    }
  }
  return sizes;
}

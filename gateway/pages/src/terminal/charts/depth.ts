// The depth chart's numbers: amounts added up from the best price outwards, as steps that a line chart can draw.

import type { Level } from "../../shared/venue_types";

export interface DepthBook {
  bids: readonly Level[]; // best first
  asks: readonly Level[]; // best first
}

/** Columns for a chart: ascending prices, and what could be sold or bought up to each; null where a side has nothing. */
export interface Depth {
  prices: number[];
  bidAmounts: (number | null)[];
  askAmounts: (number | null)[];
  range: readonly [lowest: number, highest: number];
}

/** The middle of the best prices; null while a side is empty. */
export function middleOf(book: DepthBook): number | null {
  const bid = book.bids[0]?.[0];
  const ask = book.asks[0]?.[0];
  return bid === undefined || ask === undefined ? null : (bid + ask) / 2;
}

function addedUp(levels: readonly Level[], isWithin: (price: number) => boolean): Level[] {
  const sums: Level[] = [];
  let sum = 0;
  for (const [price, amount] of levels) {
    if (!isWithin(price)) break;
    sum += amount;
    sums.push([price, sum]);
  }
  return sums;
}

/**
 * The depth of both sides within a distance from the middle, a fraction of the price. Each side is drawn up to the end of the
 * range, where its last sum still holds.
 */
export function depthOf(book: DepthBook, distance: number): Depth {
  const best = middleOf(book) ?? book.bids[0]?.[0] ?? book.asks[0]?.[0];
  if (best === undefined) return { prices: [], bidAmounts: [], askAmounts: [], range: [0, 1] };
  const lowest = best * (1 - distance);
  const highest = best * (1 + distance);
  const bids = toEnd(addedUp(book.bids, (price) => price >= lowest), lowest).reverse();
  const asks = toEnd(addedUp(book.asks, (price) => price <= highest), highest);
  const nothing = (count: number): null[] => new Array<null>(count).fill(null);
  return {
    prices: [...bids, ...asks].map(([price]) => price),
    bidAmounts: [...bids.map(([, sum]) => sum), ...nothing(asks.length)],
    askAmounts: [...nothing(bids.length), ...asks.map(([, sum]) => sum)],
    range: [lowest, highest],
  };
}

function toEnd(sums: Level[], end: number): Level[] {
  const last = sums[sums.length - 1];
  if (last && last[0] !== end) sums.push([end, last[1]]);
  return sums;
}

/** How much rests between the middle and a price: the bids down to it, or the asks up to it. */
export function amountTo(book: DepthBook, price: number): number {
  const middle = middleOf(book);
  if (middle === null) return 0;
  const sums = price < middle ? addedUp(book.bids, (bid) => bid >= price) : addedUp(book.asks, (ask) => ask <= price);
  return sums[sums.length - 1]?.[1] ?? 0;
}

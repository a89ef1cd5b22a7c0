// Own fills as markers of the price chart: one for each candle and side, with what was filled in it.

import type { Direction, UserTrade } from "../../shared/venue_types";
import { indexAt, type Candle } from "./candles";

export interface FillMarker {
  timeMs: number;
  direction: Direction;
  amount: number;
  count: number;
}

/** Markers in order of time; fills before the first candle have none. */
export function markersOf(fills: readonly UserTrade[], candles: readonly Candle[]): FillMarker[] {
  const markers = new Map<string, FillMarker>();
  for (const fill of fills) {
    const candle = candles[indexAt(candles, fill.timestamp)];
    if (!candle) continue;
    const key = `${candle.timeMs} ${fill.direction}`;
    const marker = markers.get(key) ?? { timeMs: candle.timeMs, direction: fill.direction, amount: 0, count: 0 };
    marker.amount = Number((marker.amount + fill.amount).toPrecision(12));
    marker.count += 1;
    markers.set(key, marker);
  }
  return [...markers.values()].sort((a, b) => a.timeMs - b.timeMs);
}

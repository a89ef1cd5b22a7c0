import { expect, test } from "vitest";
import type { UserTrade } from "../../shared/venue_types";
import { markersOf } from "./fill_markers";

const candles = [60_000, 120_000].map((timeMs) => ({ timeMs, open: 1, high: 1, low: 1, close: 1, volume: 1 }));
const fill = (timestamp: number, direction: "buy" | "sell", amount: number) => ({ timestamp, direction, amount }) as UserTrade;

test("fills of one candle and side are one marker with their sum", () => {
  const fills = [fill(125_000, "buy", 0.1), fill(126_000, "buy", 0.2), fill(126_000, "sell", 1), fill(61_000, "buy", 3)];
  expect(markersOf(fills, candles)).toEqual([
    { timeMs: 60_000, direction: "buy", amount: 3, count: 1 },
    { timeMs: 120_000, direction: "buy", amount: 0.3, count: 2 },
    { timeMs: 120_000, direction: "sell", amount: 1, count: 1 },
  ]);
});

test("a fill before the first candle has no marker", () => {
  expect(markersOf([fill(59_999, "buy", 1)], candles)).toEqual([]);
});

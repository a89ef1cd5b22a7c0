import { expect, test } from "vitest";
import type { AlertOrder } from "./console_types";
import { livesOf, rangeOf } from "./order_lives";

const order = (fields: Partial<AlertOrder>): AlertOrder => ({
  order_id: "1", direction: "buy", price: 100, amount: 2, filled_amount: 0, order_type: "limit", order_state: "cancelled",
  creation_timestamp: 10_000, last_update_timestamp: 12_500, account: "a", trades: [], ...fields,
});

test("an order lasts from its creation to its end, an open one until now", () => {
  const [gone, open] = livesOf([order({}), order({ order_state: "open", amount: 1, direction: "sell" })], 20_000);
  expect(gone).toMatchObject({ fromS: 10, untilS: 12.5, price: 100, isBuy: true, isWithdrawn: true, share: 1 });
  expect(open).toMatchObject({ untilS: 20, isBuy: false, isWithdrawn: false, share: 0.5 });
});

test("a market order is where it was filled, and nowhere without a fill", () => {
  const trades = [{ timestamp: 11_000, price: 101, amount: 1, direction: "buy" as const }];
  expect(livesOf([order({ price: 0, trades })], 0)[0]).toMatchObject({ price: 101, fills: [{ atS: 11, price: 101 }] });
  expect(livesOf([order({ price: "market_price" })], 0)).toEqual([]);
});

test("the range has every order in it, and two minutes at least", () => {
  const [from, until] = rangeOf(livesOf([order({})], 0), 12);
  expect([from < 10, until > 12.5, Math.round(until - from) >= 120]).toEqual([true, true, true]);
  const open = livesOf([order({ order_state: "open" })], 9_000_000);
  expect(rangeOf(open, 12)[1] < 200).toBe(true); // what rests for hours does not make the rest a dot
  expect(rangeOf([], 1000)).toEqual([940, 1060]);
});

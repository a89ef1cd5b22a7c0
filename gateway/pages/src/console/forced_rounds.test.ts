import { expect, test } from "vitest";
import type { ForcedTrade } from "./console_types";
import { roundsOf } from "./forced_rounds";

const trade = (id: string, second: number, amount: number, price: number, more: Partial<ForcedTrade> = {}): ForcedTrade => ({
  instrument_name: "BTC_USDC-PERPETUAL", timestamp: second * 1000, trade_id: id, direction: "sell", amount, price,
  type: "liquidation", mark_price: 100, account: "alice", against: null, ...more,
});

test("what closed one account is one row with the price that it got on average", () => {
  const [round, ...others] = roundsOf([trade("3", 30, 1, 90), trade("2", 20, 3, 102), trade("1", 10, 4, 98)]);
  expect(others).toEqual([]);
  expect(round).toMatchObject({ trades: 3, amount: 8, fromMs: 10_000, untilMs: 30_000, account: "alice" });
  expect(round!.price).toBeCloseTo((90 + 3 * 102 + 4 * 98) / 8);
});

test("another account, contract, side or kind, and what came a minute later, is another row", () => {
  const others: Partial<ForcedTrade>[] = [
    { account: "bob" }, { instrument_name: "ETH_USDC-PERPETUAL" }, { direction: "buy" }, { type: "deleveraging", against: "carol" },
  ];
  const rows = [trade("9", 100, 1, 90), ...others.map((more, place) => trade(`${place}`, 99, 1, 90, more)), trade("8", 39, 1, 90)];
  expect(roundsOf(rows).map(({ trades }) => trades)).toEqual([1, 1, 1, 1, 1, 1]);
  expect(new Set(roundsOf(rows).map(({ key }) => key)).size).toBe(6);
});

test("who gave up a profit is named once", () => {
  const given = { type: "deleveraging" as const };
  const rows = [trade("3", 3, 1, 9, { ...given, against: "bob" }), trade("2", 2, 1, 9, { ...given, against: "carol" }), trade("1", 1, 1, 9, { ...given, against: "bob" })];
  expect(roundsOf(rows)[0]!.against).toEqual(["bob", "carol"]);
});

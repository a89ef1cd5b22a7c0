import { expect, test } from "vitest";
import { columnsOf } from "./funding";

test("rates are in per cent and added up", () => {
  const row = (timestamp: number, funding_rate: number) => ({
    timestamp, funding_rate, interest_8h: 0, interval_s: 3600, index_price: 1,
  });
  const { times, rates, sums } = columnsOf([row(1000, 0.0001), row(2000, -0.0003)]);
  expect(times).toEqual([1, 2]);
  expect(rates).toEqual([expect.closeTo(0.01), expect.closeTo(-0.03)]);
  expect(sums).toEqual([expect.closeTo(0.01), expect.closeTo(-0.02)]);
});

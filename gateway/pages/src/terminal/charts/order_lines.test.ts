import { describe, expect, test } from "vitest";
import type { Order } from "../../shared/venue_types";
import { canMove, lineText, linesOf, movedByTicks, onTick, rangeWith } from "./order_lines";

const order = (fields: Partial<Order>): Order =>
  ({
    order_id: "7", instrument_name: "BTC_USDC-PERPETUAL", direction: "buy", order_type: "limit", order_state: "open", price: 100,
    amount: 1, filled_amount: 0, ...fields,
  }) as Order;

describe("the price of a place on the chart", () => {
  test("is the nearest tick, as an exact decimal", () => {
    expect(onTick(60_123.26, 0.5)).toBe("60123.5");
    expect(onTick(60_123.2, 0.5)).toBe("60123");
    expect(onTick(0.1234549, 0.00001)).toBe("0.12345");
    expect(onTick(1.00000014, 1e-7)).toBe("1.0000001");
  });

  test("is at least one tick", () => {
    expect(onTick(-3, 0.5)).toBe("0.5");
    expect(movedByTicks("0.5", -10, 0.5)).toBe("0.5");
  });

  test("moves by whole ticks", () => {
    expect(movedByTicks("0.3", -1, 0.1)).toBe("0.2");
    expect(movedByTicks("60123.5", 10, 0.5)).toBe("60128.5");
  });
});

test("levels near the prices in sight stay in sight, others do not squeeze the chart", () => {
  expect(rangeWith(100, 110, [95, 115, 50, 300])).toEqual([95, 115]);
  expect(rangeWith(1000, 1000, [997.5, 1003.5])).toEqual([997.5, 1000]);
  expect(rangeWith(100, 110, [])).toEqual([100, 110]);
});

describe("lines", () => {
  test("a limit order has one at its price", () => {
    expect(linesOf([order({})])).toMatchObject([{ id: "7 price", field: "price", price: 100 }]);
  });

  test("a stop that has not fired has one at its trigger, with its limit as a second one", () => {
    const stop = order({ order_type: "stop_limit", order_state: "untriggered", trigger_price: 90, price: 89 });
    expect(linesOf([stop])).toMatchObject([{ field: "trigger_price", price: 90 }, { field: "price", price: 89 }]);
    expect(linesOf([{ ...stop, order_type: "stop_market", price: "market_price" }])).toMatchObject([{ field: "trigger_price" }]);
  });

  test("once it has fired, its trigger has none", () => {
    const fired = order({ order_type: "stop_limit", order_state: "open", trigger_price: 90, triggered: true });
    expect(linesOf([fired])).toMatchObject([{ field: "price" }]);
  });

  test("a trailing stop's trigger cannot be moved, since it follows the market", () => {
    const trailing = order({
      order_type: "trailing_stop", order_state: "untriggered", trigger_price: 90, trigger_offset: 10, price: "market_price",
    });
    expect(linesOf([trailing]).map(canMove)).toEqual([false]);
    expect(linesOf([order({})]).map(canMove)).toEqual([true]);
  });

  test("say side, kind and what is left", () => {
    const texts = linesOf([
      order({ amount: 0.3, filled_amount: 0.1 }),
      order({ direction: "sell", order_type: "stop_market", order_state: "untriggered", trigger_price: 90, price: "market_price" }),
    ]).map(lineText);
    expect(texts).toEqual(["Buy 0.2", "Sell stop market 1"]);
  });
});

import { describe, expect, it } from "vitest";
import type { Instrument } from "../shared/venue_types";
import { amountOfPercent, amountOfValue, EMPTY_FORM, orderOf, orderWords, type TicketForm } from "./ticket_order";

const BTC: Instrument = {
  instrument_name: "BTC_USDC-PERPETUAL",
  base_currency: "BTC",
  quote_currency: "USDC",
  settlement_currency: "USDC",
  is_active: true,
  state: "open",
  tick_size: 0.5,
  min_trade_amount: 0.001,
  max_trade_amount: 100,
  amount_step: 0.0001,
  maker_commission: 0,
  taker_commission: 0,
  max_leverage: 10,
  price_index: "btc_usdc",
};
const order = (fields: Partial<TicketForm>, mark: number | null = 60000) =>
  orderOf({ ...EMPTY_FORM, ...fields }, BTC, mark);
const problemsOf = (fields: Partial<TicketForm>) => order(fields).problems.map(({ field }) => field);

describe("an order of the ticket", () => {
  it("has what its type takes and nothing else", () => {
    expect(order({ amount: "0.5", price: "60,000.5", triggerPrice: "1", postOnly: true }).params).toEqual({
      instrument_name: BTC.instrument_name,
      type: "limit",
      price: "60000.5",
      amount: "0.5",
      time_in_force: "good_til_cancelled",
      post_only: true,
    });
    expect(order({ type: "market", amount: "0.5", price: "1", postOnly: true, displayAmount: "0.1" }).params).toEqual({
      instrument_name: BTC.instrument_name,
      type: "market",
      amount: "0.5",
    });
    for (const timeInForce of ["good_til_time", "fill_or_kill"] as const) {
      const { params, problems } = order({ type: "market", amount: "0.5", timeInForce });
      expect(problems).toEqual([]);
      expect(params).not.toHaveProperty("time_in_force");
    }
    expect(
      order({ type: "stop_limit", amount: "0.5", price: "59000", triggerPrice: "59500", trigger: "last_price" }).params,
    ).toMatchObject({
      price: "59000",
      trigger_price: "59500",
      trigger: "last_price",
    });
    const trailing = order({ type: "trailing_stop", amount: "0.5", triggerOffset: "100", triggerPrice: "1" }).params;
    expect(trailing).toMatchObject({ trigger_offset: "100", trigger: "mark_price" });
    expect(trailing).not.toHaveProperty("trigger_price");
  });

  it("names each field that is wrong", () => {
    expect(problemsOf({})).toEqual(["price", "amount"]);
    expect(problemsOf({ amount: "0.5", price: "60000.3" })).toEqual(["price"]);
    expect(problemsOf({ amount: "0.00015", price: "60000" })).toEqual(["amount"]);
    expect(problemsOf({ amount: "0.00105", price: "60000" })).toEqual(["amount"]);
    expect(problemsOf({ amount: "1", price: "60000", displayAmount: "x" })).toEqual(["displayAmount"]);
    expect(problemsOf({ amount: "1", price: "60000", timeInForce: "good_til_time" })).toEqual(["expiresAt"]);
    expect(problemsOf({ type: "trailing_stop", amount: "1" })).toEqual(["triggerOffset"]);
  });

  it("says which price would pass", () => {
    expect(order({ amount: "1", price: "60000.3" }).problems[0]!.text).toContain("60000.5");
  });

  it("ends at a whole second when it is good till a time", () => {
    const { params } = order({
      amount: "1",
      price: "60000",
      timeInForce: "good_til_time",
      expiresAt: "2027-01-15T10:00",
    });
    expect(params.expires_at).toBe(new Date("2027-01-15T10:00").getTime());
    expect(params).not.toHaveProperty("time_in_force");
  });

  it("turns a value into the amount that is worth no more", () => {
    expect(amountOfValue("1000", "60000", BTC)).toBe("0.0166");
    expect(order({ unit: "quote", amount: "30000", price: "60000" }).params.amount).toBe("0.5");
    expect(order({ unit: "quote", type: "market", amount: "30000" }).params.amount).toBe("0.5");
    expect(orderOf({ ...EMPTY_FORM, unit: "quote", type: "market", amount: "5" }, BTC, null).problems[0]!.field).toBe(
      "amount",
    );
  });

  it("takes per cent of the largest amount, on its step", () => {
    expect(amountOfPercent(1.2345, 50, BTC)).toBe("0.6172");
    expect(amountOfPercent(0.00019, 100, BTC)).toBe("0.0001");
    expect(orderOf({ ...EMPTY_FORM, price: "60000", percent: 25 }, BTC, 60000, "0.25").params.amount).toBe("0.25");
  });

  it("is told in words", () => {
    const { params } = order({
      type: "stop_limit",
      amount: "0.5",
      price: "59000",
      triggerPrice: "59500",
      reduceOnly: true,
    });
    expect(orderWords("sell", params, BTC)).toBe(
      "Sell 0.5 BTC at 59,000.0, when the mark reaches 59,500.0, reduce-only",
    );
  });
});

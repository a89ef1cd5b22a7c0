import { beforeAll, describe, expect, it, vi } from "vitest";
import type { Handler } from "../shared/venue";

/** The feed with the handlers that it gives to the venue; there is no connection. */
const handlers = new Map<string, Handler>();
let state: typeof import("./state");

beforeAll(async () => {
  const storage = { getItem: () => null, setItem: () => undefined, removeItem: () => undefined };
  vi.stubGlobal("location", { protocol: "http:", host: "venue", hash: "", pathname: "/", search: "" });
  vi.stubGlobal("sessionStorage", storage);
  vi.stubGlobal("localStorage", storage);
  vi.stubGlobal("addEventListener", () => undefined);
  vi.stubGlobal("matchMedia", () => ({ matches: false, addEventListener: () => undefined }));
  state = await import("./state");
  vi.spyOn(state.venue, "subscribe").mockImplementation((channels, handler) => {
    for (const channel of channels) handlers.set(channel, handler);
    return () => undefined;
  });
  (await import("./account_feed")).beginAccount();
});

const hear = (channel: string, data: unknown) => handlers.get(channel)!(data, channel);
const order = (order_id: string, order_state: string, fields = {}) => ({
  order_id,
  order_state,
  instrument_name: "X",
  direction: "buy",
  creation_timestamp: Number(order_id),
  ...fields,
});
const told = async () => (await import("./messages")).messages.value.map(({ text }) => text);

describe("own orders", () => {
  it("come, change and go with their states, the latest first", () => {
    hear("user.orders.any.any.raw", order("1", "open"));
    hear("user.orders.any.any.raw", order("2", "untriggered"));
    hear("user.orders.any.any.raw", order("1", "open", { amount: 5 }));
    expect(state.orders.value.map(({ order_id, amount }) => [order_id, amount])).toEqual([
      ["2", undefined],
      ["1", 5],
    ]);
    hear("user.orders.any.any.raw", order("1", "filled"));
    expect(state.orders.value.map(({ order_id }) => order_id)).toEqual(["2"]);
  });

  it("of the same millisecond go by their whole ids", () => {
    const ids = ["9007199254740993", "9007199254740992", "9007199254740994"];
    for (const id of ids) hear("user.orders.any.any.raw", order(id, "open", { creation_timestamp: 5 }));
    expect(state.orders.value.map(({ order_id }) => order_id.slice(-1)).slice(0, 3)).toEqual(["4", "3", "2"]);
    for (const id of ids) hear("user.orders.any.any.raw", order(id, "filled"));
  });

  it("that the venue cancels are told with the meaning and the remedy", async () => {
    state.reasons.value = new Map([
      ["KYC_NOT_VALID", { meaning: "The identification has lapsed.", remedy: "Renew it." }],
    ]);
    hear("user.orders.any.any.raw", order("3", "open"));
    hear("user.orders.any.any.raw", order("3", "cancelled", { cancel_reason: "user_request" }));
    expect(await told()).toEqual([]);
    hear("user.orders.any.any.raw", order("2", "cancelled", { cancel_reason: "kyc_not_valid" }));
    expect((await told()).at(-1)).toContain("The identification has lapsed.");
  });
});

describe("own trades", () => {
  const fill = (trade_id: string, fields = {}) => ({
    trade_id,
    order_id: "9",
    instrument_name: "X",
    direction: "sell",
    price: 10,
    amount: 1,
    timestamp: Number(trade_id),
    liquidity: "M",
    ...fields,
  });

  it("are kept once however often they are told, the latest first", async () => {
    hear("user.trades.any.any.raw", [fill("1"), fill("2")]);
    const before = (await told()).length;
    hear("user.trades.any.any.raw", [fill("2")]);
    expect(state.fills.value.map(({ trade_id }) => trade_id)).toEqual(["2", "1"]);
    expect(await told()).toHaveLength(before);
  });

  it("that were forced are told as liquidations", async () => {
    hear("user.trades.any.any.raw", [fill("3", { liquidity: "T", liquidation: "T" })]);
    expect((await told()).at(-1)).toMatch(/^Liquidation: sold/);
    hear("user.trades.any.any.raw", [fill("4", { order_type: "liquidation" })]);
    expect((await told()).at(-1)).toMatch(/^Automatic deleveraging \(ADL\): sold/);
  });
});

describe("positions and notices", () => {
  it("show no position that is flat", () => {
    hear("user.positions.any", [
      { instrument_name: "X", size: 0 },
      { instrument_name: "Y", size: -2 },
    ]);
    expect(state.positions.value.map(({ instrument_name }) => instrument_name)).toEqual(["Y"]);
  });

  it("tell a warning once, also when a new login says it again", () => {
    const warning = { type: "lapse_warning", reason: "KYC_NOT_VALID", valid_through: "2027-01-31", days_left: 16 };
    hear("user.notices", [{ ...warning, timestamp: 1 }]);
    hear("user.notices", [{ ...warning, timestamp: 2 }]);
    expect(state.notices.value).toHaveLength(1);
  });
});

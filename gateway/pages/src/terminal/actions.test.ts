import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { Disconnected } from "../shared/venue_error";

let state: typeof import("./state");
let actions: typeof import("./actions");
let messages: typeof import("./messages");

beforeAll(async () => {
  const storage = { getItem: () => null, setItem: () => undefined, removeItem: () => undefined };
  vi.stubGlobal("location", { protocol: "http:", host: "venue", hash: "", pathname: "/", search: "" });
  vi.stubGlobal("localStorage", storage);
  state = await import("./state");
  actions = await import("./actions");
  messages = await import("./messages");
});

afterEach(() => vi.restoreAllMocks());

const told = () => messages.messages.value.map(({ text }) => text).join("\n");
const logIn = (key: string) => state.venue.use({ key, secret: "s" });

describe("a press", () => {
  it("whose answer was lost is told to its own account, also when the connection is lost again meanwhile", async () => {
    const call = vi.spyOn(state.venue, "call");
    logIn("one");
    call.mockRejectedValueOnce(new Disconnected());
    expect(await actions.place("buy", { amount: "1" }, "Buy 1")).toBe(false);
    const clientId = call.mock.calls[0]![1]!.cl_ord_id;
    logIn("two");
    call.mockResolvedValue([]);
    await actions.tellUnanswered();
    expect(told()).not.toContain("Nothing was placed");
    logIn("one");
    call.mockRejectedValueOnce(new Disconnected());
    await expect(actions.tellUnanswered()).rejects.toBeInstanceOf(Disconnected);
    call.mockResolvedValue([{ cl_ord_id: clientId, order_state: "open" }]);
    await actions.tellUnanswered();
    expect(told()).toContain("Buy 1: the venue had taken it; it is open.");
    const before = told();
    await actions.tellUnanswered();
    expect(told()).toBe(before);
  });

  it("places nothing while another order is on its way", async () => {
    let answer: (placed: unknown) => void = () => undefined;
    const call = vi.spyOn(state.venue, "call").mockReturnValueOnce(new Promise((resolve) => (answer = resolve)));
    const first = actions.place("sell", { amount: "1" }, "Sell 1");
    expect(await actions.place("sell", { amount: "1" }, "Sell 1")).toBe(false);
    answer({
      order: { instrument_name: "X", direction: "sell", order_state: "open", amount: 1, filled_amount: 0 },
      trades: [],
    });
    expect(await first).toBe(true);
    expect(call).toHaveBeenCalledTimes(1);
  });
});

import { signal } from "@preact/signals";
import { describe, expect, test, vi } from "vitest";
import type { Order } from "../../shared/venue_types";
import { MovableLines, type Amend } from "./movable_lines";

const NAME = "BTC_USDC-PERPETUAL";
const ID = "7 price";
const order = (price: number, fields: Partial<Order> = {}): Order =>
  ({
    order_id: "7", instrument_name: NAME, direction: "buy", order_type: "limit", order_state: "open", price, amount: 1,
    filled_amount: 0, ...fields,
  }) as Order;

function linesWith(amend: Amend) {
  const orders = signal<Order[]>([order(100), order(5, { order_id: "8", instrument_name: "ETH_USDC-PERPETUAL" })]);
  return { orders, lines: new MovableLines(orders, NAME, 0.5, amend) };
}

describe("a line", () => {
  test("is drawn for orders of the contract alone", () => {
    expect(linesWith(vi.fn()).lines.drawn.value.map(({ line }) => line.id)).toEqual([ID]);
  });

  test("that is dragged and let go amends its order once, at a price on the tick", async () => {
    const amend = vi.fn(async () => undefined);
    const { lines } = linesWith(amend);
    lines.moveTo(ID, 98.3);
    expect(lines.find(ID)).toMatchObject({ price: 98.5, phase: "moving" });
    expect(amend).not.toHaveBeenCalled();
    const answered = lines.send(ID);
    void lines.send(ID);
    expect(lines.find(ID)).toMatchObject({ price: 98.5, phase: "sent" });
    expect(lines.isMovable(lines.find(ID)!)).toBe(false);
    await answered;
    expect(amend).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ order_id: "7" }), "price", "98.5");
    expect(lines.find(ID)).toMatchObject({ price: 100, phase: "at rest" });
  });

  test("goes back when the amendment is refused or not confirmed", async () => {
    const { lines } = linesWith(async () => Promise.reject(new Error("no")));
    lines.moveTo(ID, 98);
    await lines.send(ID);
    expect(lines.find(ID)).toMatchObject({ price: 100, phase: "at rest" });
  });

  test("sends nothing when it is put back, or let go where it was", async () => {
    const amend = vi.fn(async () => undefined);
    const { lines } = linesWith(amend);
    lines.moveTo(ID, 98);
    lines.putBack(ID);
    await lines.send(ID);
    lines.moveTo(ID, 98);
    lines.moveTo(ID, 100.1);
    await lines.send(ID);
    expect(amend).not.toHaveBeenCalled();
    expect(lines.find(ID)).toMatchObject({ price: 100, phase: "at rest" });
  });

  test("sends nothing when its order has gone meanwhile", async () => {
    const amend = vi.fn(async () => undefined);
    const { lines, orders } = linesWith(amend);
    lines.moveTo(ID, 98);
    orders.value = [];
    await lines.send(ID);
    expect(amend).not.toHaveBeenCalled();
  });

  test("moves by ticks with the keys", () => {
    const { lines } = linesWith(vi.fn());
    lines.moveByTicks(ID, 1);
    lines.moveByTicks(ID, 10);
    expect(lines.find(ID)?.price).toBe(105.5);
  });
});

// An account's open orders as lines of the price chart: which there are, and which price a line means after a drag.

import { decimalsOf, onStep } from "../../shared/numbers";
import type { Order } from "../../shared/venue_types";

/** The field of private/edit that moving a line changes. */
export type MovedField = "price" | "trigger_price";

export interface OrderLine {
  id: string; // order and field: an order with trigger and limit has two lines
  order: Order;
  field: MovedField;
  price: number;
}

/** The lines of orders. A trailing stop's trigger follows the market, so it has a line that cannot be moved. */
export function linesOf(orders: readonly Order[]): OrderLine[] {
  const lines: OrderLine[] = [];
  for (const order of orders) {
    const trigger = order.trigger_price;
    if (order.order_state === "untriggered" && typeof trigger === "number") lines.push(line(order, "trigger_price", trigger));
    if (typeof order.price === "number" && order.price > 0) lines.push(line(order, "price", order.price));
  }
  return lines;
}

function line(order: Order, field: MovedField, price: number): OrderLine {
  return { id: `${order.order_id} ${field}`, order, field, price };
}

export function canMove(of: OrderLine): boolean {
  return !(of.field === "trigger_price" && of.order.trigger_offset);
}

/** The price on the contract's ticks that is nearest to a place of the chart, as the exact decimal that is sent. */
export function onTick(price: number, tickSize: number): string {
  return onStep(Math.max(price, tickSize).toFixed(decimalsOf(tickSize) + 2), tickSize);
}

/** The price some ticks further, at least one tick above nothing. */
export function movedByTicks(price: string, ticks: number, tickSize: number): string {
  return onTick(Number(price) + ticks * tickSize, tickSize);
}

const NEAR = 0.003;

/** A range of prices made larger for the levels that are near it: no further than its own height, or than 0.3 %. */
export function rangeWith(lowest: number, highest: number, levels: readonly number[]): [lowest: number, highest: number] {
  const room = Math.max(highest - lowest, highest * NEAR);
  const near = levels.filter((level) => level >= lowest - room && level <= highest + room);
  return [Math.min(lowest, ...near), Math.max(highest, ...near)];
}

/** What a line says beside its price. */
export function lineText(of: OrderLine): string {
  const { order } = of;
  const rest = Number((order.amount - order.filled_amount).toPrecision(12));
  const side = order.direction === "buy" ? "Buy" : "Sell";
  const what = of.field === "trigger_price" ? order.order_type.replaceAll("_", " ") : order.order_type === "limit" ? "" : "limit";
  return [side, what, String(rest)].filter(Boolean).join(" ");
}

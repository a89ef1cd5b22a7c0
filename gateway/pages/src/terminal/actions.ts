import { signal } from "@preact/signals";
import { shown } from "../shared/numbers";
import type { Params } from "../shared/venue";
import { Disconnected, VenueError } from "../shared/venue_error";
import type { Direction, Order, Position, UserTrade } from "../shared/venue_types";
import { ask } from "./confirmation";
import { drop, say, sayRefusal } from "./messages";
import { decimalsIn, instruments, venue } from "./state";
import { plain } from "./words";

/** What the user has the venue do. Each press is one request with its own client id; what comes of it is said. */

interface Placed {
  order: Order;
  trades: UserTrade[];
  orders?: Order[];
  refused?: { reason: string };
}

/** Client ids of presses whose answer was lost with the connection, with the key that pressed. */
const unanswered = new Map<number, { words: string; message: number; key: string | undefined }>();
/** Whether a new order is on its way: the buttons wait for its answer. */
export const isPlacing = signal(false);

/** A client id that no other live order of the account has: the time, and a random part for other tabs. */
function newClientId(): number {
  return Date.now() * 1000 + (crypto.getRandomValues(new Uint16Array(1))[0]! % 1000);
}

/** Place an order; true when the venue took it. A press while another order is on its way is passed over. */
export async function place(direction: Direction, params: Params, words: string): Promise<boolean> {
  if (isPlacing.peek()) return false;
  const clientId = newClientId();
  const key = venue.login.peek()?.key;
  isPlacing.value = true;
  try {
    const placed = await venue.call<Placed>(`private/${direction}`, { ...params, cl_ord_id: clientId });
    sayPlaced(placed);
    return true;
  } catch (error) {
    if (error instanceof Disconnected) {
      const remedy = "It is told after the reconnect whether the order was taken. Do not send it again before.";
      const message = say("bad", `${words}: the connection was lost before the answer.`, remedy);
      unanswered.set(clientId, { words, message, key });
      return false;
    }
    if (needsConfirmation(error)) return confirmUnusual(direction, params, words, error.message);
    sayRefusal(error);
    return false;
  } finally {
    isPlacing.value = false;
  }
}

function needsConfirmation(error: unknown): error is VenueError {
  return error instanceof VenueError && error.param === "confirm";
}

async function confirmUnusual(direction: Direction, params: Params, words: string, why: string): Promise<boolean> {
  const isMeant = await ask({ title: "Unusual order", lines: [words, why], action: "Send it as it is" });
  return isMeant && place(direction, { ...params, confirm: true }, words);
}

function sayPlaced({ order, refused }: Placed): void {
  const { amount, price } = decimalsIn(order.instrument_name);
  const [verb, done] = order.direction === "buy" ? ["Buy", "Bought"] : ["Sell", "Sold"];
  const filled = `${done} ${shown(order.filled_amount, amount)} ${order.instrument_name} at ${shown(order.average_price, price)}`;
  const why = order.cancel_reason && order.cancel_reason !== "user_request" ? ` (${plain(order.cancel_reason)})` : "";
  const state = `${verb} ${shown(order.amount, amount)} ${order.instrument_name}: ${plain(order.order_state)}${why}`;
  if (order.filled_amount === 0) say(order.order_state === "cancelled" ? "info" : "good", state);
  else
    say("good", order.order_state === "filled" ? filled : `${filled}; the rest is ${plain(order.order_state)}${why}`);
  if (refused) say("bad", `The rest was refused: ${plain(refused.reason)}`);
}

/** After a reconnect: say of each press without an answer what came of it. */
export async function tellUnanswered(): Promise<void> {
  const key = venue.login.peek()?.key;
  const pressed = [...unanswered].filter(([, press]) => press.key === key);
  if (pressed.length === 0) return;
  const currencies = [...new Set(instruments.value.map((one) => one.settlement_currency))];
  const lists = await Promise.all([
    venue.call<Order[]>("private/get_open_orders"),
    ...currencies.map((currency) =>
      venue.call<Order[]>("private/get_order_history_by_currency", { currency, count: 100, include_unfilled: true }),
    ),
  ]);
  const found = new Map(lists.flat().map((order) => [order.cl_ord_id, order]));
  for (const [clientId, { words, message }] of pressed) {
    if (!unanswered.delete(clientId)) continue;
    drop(message);
    const order = found.get(clientId);
    if (order === undefined) say("info", `${words}: the venue has not taken it. Nothing was placed.`);
    else say("info", `${words}: the venue had taken it; it is ${plain(order.order_state)}.`);
  }
}

export async function cancel(order: Order): Promise<void> {
  try {
    await venue.call("private/cancel", { order_id: order.order_id });
  } catch (error) {
    sayRefusal(error);
  }
}

/** Cancel every order, or those of one contract, after asking. */
export async function cancelAll(instrumentName?: string): Promise<void> {
  const where = instrumentName ?? "all contracts";
  if (
    !(await ask({ title: "Cancel orders", lines: [`Cancel every open order in ${where}?`], action: "Cancel orders" }))
  )
    return;
  try {
    const count =
      instrumentName === undefined
        ? await venue.call<number>("private/cancel_all")
        : await venue.call<number>("private/cancel_all_by_instrument", { instrument_name: instrumentName });
    say("info", `${count} ${count === 1 ? "order" : "orders"} cancelled`);
  } catch (error) {
    sayRefusal(error);
  }
}

/** Amend an order; rejects when the venue refuses it. */
export async function amend(order: Order, changes: Params): Promise<void> {
  try {
    await venue.call("private/edit", { order_id: order.order_id, ...changes });
  } catch (error) {
    if (!needsConfirmation(error)) throw error;
    const isMeant = await ask({ title: "Unusual order", lines: [error.message], action: "Send it as it is" });
    if (!isMeant) throw error;
    await venue.call("private/edit", { order_id: order.order_id, ...changes, confirm: true });
  }
  say("good", `${order.direction === "buy" ? "Buy" : "Sell"} order in ${order.instrument_name} amended`);
}

/** Close a whole position at market, or with a limit. */
export async function closePosition(position: Position, type: "market" | "limit", price?: string): Promise<boolean> {
  if (isPlacing.peek()) return false;
  isPlacing.value = true;
  try {
    const params: Params = { instrument_name: position.instrument_name, type };
    if (price !== undefined) params.price = price;
    sayPlaced(await venue.call<Placed>("private/close_position", params));
    return true;
  } catch (error) {
    if (error instanceof Disconnected) {
      const remedy = "Look at the position and its orders before you close again.";
      say("bad", `Close ${position.instrument_name}: ${error.message}.`, remedy);
    } else sayRefusal(error);
    return false;
  } finally {
    isPlacing.value = false;
  }
}

/** Set the leverage of a contract; true when it is set. */
export async function setLeverage(instrumentName: string, leverage: number): Promise<boolean> {
  try {
    await venue.call("private/set_leverage", { instrument_name: instrumentName, leverage });
    say("good", `Leverage of ${instrumentName}: ${leverage}×`);
    return true;
  } catch (error) {
    sayRefusal(error);
    return false;
  }
}

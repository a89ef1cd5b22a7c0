import { decimalText, decimalsOf, fromUnits, isOnStep, onStep, shown, toUnits, written } from "../shared/numbers";
import type { Params } from "../shared/venue";
import type { Direction, Instrument } from "../shared/venue_types";

/** What a trader has written in the ticket, and the order that this means. */

export const ORDER_TYPES = [
  "limit",
  "market",
  "stop_market",
  "stop_limit",
  "take_market",
  "take_limit",
  "trailing_stop",
] as const;
export type OrderType = (typeof ORDER_TYPES)[number];

export interface TicketForm {
  type: OrderType;
  amount: string;
  unit: "base" | "quote";
  /** Per cent of the largest amount that the venue would take; 0 when `amount` counts. */
  percent: number;
  price: string;
  triggerPrice: string;
  triggerOffset: string;
  trigger: "mark_price" | "index_price" | "last_price";
  timeInForce: "good_til_cancelled" | "good_til_day" | "good_til_time" | "immediate_or_cancel" | "fill_or_kill";
  /** The end of good_til_time, as an input of the type datetime-local writes it. */
  expiresAt: string;
  postOnly: boolean;
  rejectPostOnly: boolean;
  reduceOnly: boolean;
  displayAmount: string;
  stp: "cancel_maker" | "cancel_taker" | "cancel_both" | "decrement";
  label: string;
}

export const EMPTY_FORM: TicketForm = {
  type: "limit",
  amount: "",
  unit: "base",
  percent: 0,
  price: "",
  triggerPrice: "",
  triggerOffset: "",
  trigger: "mark_price",
  timeInForce: "good_til_cancelled",
  expiresAt: "",
  postOnly: false,
  rejectPostOnly: false,
  reduceOnly: false,
  displayAmount: "",
  stp: "cancel_maker",
  label: "",
};

export interface Problem {
  field: keyof TicketForm;
  text: string;
}

export interface TicketOrder {
  /** The parameters of private/buy and private/sell but for the client's id. Whole when there are no problems. */
  params: Params;
  problems: Problem[];
}

export const hasPrice = (type: OrderType) => type === "limit" || type === "stop_limit" || type === "take_limit";
export const hasTriggerPrice = (type: OrderType) => type.startsWith("stop") || type.startsWith("take");
export const isTrailing = (type: OrderType) => type === "trailing_stop";
export const isConditional = (type: OrderType) => hasTriggerPrice(type) || isTrailing(type);

/** The order that a form means. `markPrice` turns a value into an amount where the order has no price. */
export function orderOf(
  form: TicketForm,
  instrument: Instrument,
  markPrice: number | null,
  percentAmount = "",
): TicketOrder {
  const problems: Problem[] = [];
  const params: Params = { instrument_name: instrument.instrument_name, type: form.type };
  const price = hasPrice(form.type) ? priceIn(form, "price", "price", instrument, problems) : null;
  if (price !== null) params.price = price;
  if (hasTriggerPrice(form.type)) {
    const triggerPrice = priceIn(form, "triggerPrice", "trigger price", instrument, problems);
    if (triggerPrice !== null) params.trigger_price = triggerPrice;
  }
  if (isTrailing(form.type)) {
    const offset = priceIn(form, "triggerOffset", "trailing distance", instrument, problems);
    if (offset !== null) params.trigger_offset = offset;
  }
  if (isConditional(form.type)) params.trigger = form.trigger;
  const at =
    price ??
    (typeof params.trigger_price === "string"
      ? params.trigger_price
      : markPrice === null
        ? null
        : decimalText(markPrice));
  const amount = form.percent > 0 ? percentAmount : amountIn(form, instrument, at, problems);
  if (amount) params.amount = amount;
  addTimes(form, params, problems);
  addFlags(form, instrument, params, problems);
  return { params, problems };
}

function priceIn(
  form: TicketForm,
  field: "price" | "triggerPrice" | "triggerOffset",
  name: string,
  instrument: Instrument,
  problems: Problem[],
): string | null {
  const price = written(form[field]);
  const tick = decimalText(instrument.tick_size);
  if (price === null || price === "0") {
    problems.push({
      field,
      text: form[field] === "" ? `Enter the ${name}.` : `The ${name} must be a number above zero.`,
    });
    return null;
  }
  if (!isOnStep(price, instrument.tick_size)) {
    const near = onStep(price, instrument.tick_size);
    problems.push({ field, text: `The ${name} must be a multiple of ${tick}; the nearest is ${near}.` });
    return null;
  }
  return price;
}

function amountIn(form: TicketForm, instrument: Instrument, price: string | null, problems: Problem[]): string | null {
  const entered = written(form.amount);
  if (entered === null || entered === "0") {
    problems.push({
      field: "amount",
      text: form.amount === "" ? "Enter an amount." : "The amount must be a number above zero.",
    });
    return null;
  }
  const step = decimalText(instrument.amount_step);
  const amount = form.unit === "quote" ? amountOfValue(entered, price, instrument) : entered;
  if (amount === null) {
    problems.push({ field: "amount", text: "A value needs a price: enter one, or give the amount." });
    return null;
  }
  const decimals = Math.max(decimalsOf(instrument.amount_step), amount.split(".")[1]?.length ?? 0);
  const units = (text: string) => toUnits(text, Math.max(decimals, decimalsOf(Number(text))));
  if (units(amount) < units(decimalText(instrument.min_trade_amount))) {
    const least = `${decimalText(instrument.min_trade_amount)} ${instrument.base_currency}`;
    problems.push({ field: "amount", text: `The smallest order is ${least}.` });
    return null;
  }
  if (!isOnStep(amount, instrument.amount_step)) {
    problems.push({
      field: "amount",
      text: `The amount must be a multiple of ${step}; below it is ${onStep(amount, instrument.amount_step, "down")}.`,
    });
    return null;
  }
  return amount;
}

/** The largest amount on its step that is worth no more than a value at a price. */
export function amountOfValue(value: string, price: string | null, instrument: Instrument): string | null {
  if (price === null || price === "0") return null;
  const decimals = decimalsOf(instrument.amount_step);
  const scale = Math.max(value.split(".")[1]?.length ?? 0, price.split(".")[1]?.length ?? 0);
  const units = (toUnits(value, scale) * 10n ** BigInt(decimals)) / toUnits(price, scale);
  return onStep(fromUnits(units, decimals), instrument.amount_step, "down");
}

/** So many per cent of the largest amount, on its step. */
export function amountOfPercent(largest: number, percent: number, instrument: Instrument): string {
  const decimals = Math.max(decimalsOf(instrument.amount_step), decimalsOf(largest));
  const units = (toUnits(decimalText(largest), decimals) * BigInt(percent)) / 100n;
  return onStep(fromUnits(units, decimals), instrument.amount_step, "down");
}

/** A market order has no time in force: what was chosen for another type is not shown then, and does not count. */
function addTimes(form: TicketForm, params: Params, problems: Problem[]): void {
  if (form.type === "market") return;
  if (form.timeInForce !== "good_til_time") {
    params.time_in_force = form.timeInForce;
    return;
  }
  const ends = new Date(form.expiresAt).getTime();
  if (!Number.isFinite(ends)) problems.push({ field: "expiresAt", text: "Enter the time at which the order ends." });
  else params.expires_at = Math.floor(ends / 1000) * 1000;
}

function addFlags(form: TicketForm, instrument: Instrument, params: Params, problems: Problem[]): void {
  if (form.postOnly && hasPrice(form.type)) params.post_only = true;
  if (params.post_only && form.rejectPostOnly) params.reject_post_only = true;
  if (form.reduceOnly) params.reduce_only = true;
  if (form.stp !== "cancel_maker") params.stp = form.stp;
  if (form.label.trim() !== "") params.label = form.label.trim();
  if (form.displayAmount === "" || !hasPrice(form.type)) return;
  const display = written(form.displayAmount);
  if (display === null || display === "0" || !isOnStep(display, instrument.amount_step)) {
    problems.push({
      field: "displayAmount",
      text: `The shown amount must be a multiple of ${decimalText(instrument.amount_step)}.`,
    });
  } else params.display_amount = display;
}

/** An order in one line: "Buy 0.5 BTC at 60,000.0, post-only". */
export function orderWords(direction: Direction, params: Params, instrument: Instrument): string {
  const prices = decimalsOf(instrument.tick_size);
  const at = (price: unknown) => shown(Number(price), prices);
  const side = direction === "buy" ? "Buy" : "Sell";
  const parts = [`${side} ${params.amount} ${instrument.base_currency}`];
  if (params.price !== undefined) parts[0] += ` at ${at(params.price)}`;
  else if (params.type === "market") parts[0] += " at market";
  if (params.trigger_price !== undefined)
    parts.push(`when the ${String(params.trigger).replace("_price", "")} reaches ${at(params.trigger_price)}`);
  if (params.trigger_offset !== undefined)
    parts.push(`trailing the ${String(params.trigger).replace("_price", "")} by ${at(params.trigger_offset)}`);
  if (params.post_only) parts.push("post-only");
  if (params.reduce_only) parts.push("reduce-only");
  if (params.display_amount !== undefined) parts.push(`${params.display_amount} shown`);
  if (params.time_in_force === "immediate_or_cancel") parts.push("immediate or cancel");
  if (params.time_in_force === "fill_or_kill") parts.push("fill or kill");
  if (params.time_in_force === "good_til_day") parts.push("until 00:00 UTC");
  if (params.expires_at !== undefined) parts.push(`until ${new Date(Number(params.expires_at)).toLocaleString()}`);
  return parts.join(", ");
}

import { computed, effect, signal } from "@preact/signals";
import { whenQuiet } from "../shared/frames";
import { decimalText, shown } from "../shared/numbers";
import type { Direction, Instrument } from "../shared/venue_types";
import { place } from "./actions";
import { ask } from "./confirmation";
import { previewOf, type Preview } from "./preview";
import { PreviewFigures } from "./preview_figures";
import { amountUnit, asksFirst } from "./settings";
import { isSigningIn } from "./sign_in";
import { instrument, instrumentName, isLoggedIn, ticker, venue } from "./state";
import {
  amountOfPercent,
  EMPTY_FORM,
  hasPrice,
  orderOf,
  orderWords,
  type Problem,
  type TicketForm,
  type TicketOrder,
} from "./ticket_order";

/** The order ticket while it is filled in. */

const QUIET_MS = 250;
const REFRESH_MS = 2000;
const SIDES: Direction[] = ["buy", "sell"];

export const form = signal<TicketForm>({ ...EMPTY_FORM, unit: amountUnit.peek() });
/** What is wrong with the form, from the last press until it is changed. */
export const problems = signal<Problem[]>([]);
/** What the order would do on each side; null while it is not known. */
export const previews = signal<Record<Direction, Preview | null>>({ buy: null, sell: null });
/** The largest amount that the venue would take on each side. */
export const largest = signal<Record<Direction, number | null>>({ buy: null, sell: null });
/** The leverage of the chosen contract, with the most that is allowed. */
export const leverage = signal<{ leverage: number; max_leverage: number } | null>(null);

const isFilledIn = computed(() => form.value.amount !== "" || form.value.percent > 0);

/** Change fields of the form. */
export function fill(fields: Partial<TicketForm>): void {
  form.value = { ...form.value, ...fields };
  if (fields.unit !== undefined) amountUnit.value = fields.unit;
  problems.value = [];
}

/** Put a price into the ticket: into the price, or into the trigger where the order has no price. */
export function pickPrice(price: string): void {
  const { type } = form.peek();
  if (hasPrice(type)) fill({ price });
  else if (type === "market") fill({ type: "limit", price });
  else fill({ triggerPrice: price });
}

/** The order of a side as the form stands. */
export function orderFor(direction: Direction, of: Instrument): TicketOrder {
  const most = largest.value[direction];
  const percentAmount = most === null ? "" : amountOfPercent(most, form.value.percent, of);
  return orderOf(form.value, of, ticker.peek()?.mark_price ?? null, percentAmount);
}

/** One press of a side's button: at most one order, after a question if the user wants that. */
export async function press(direction: Direction, asksAnyway = false): Promise<void> {
  const of = instrument.peek();
  if (!isLoggedIn.peek()) isSigningIn.value = true;
  if (of === null || !isLoggedIn.peek()) return;
  const { params, problems: found } = orderFor(direction, of);
  if (found.length === 0 && (params.amount === undefined || params.amount === "0")) {
    const isKnown = largest.peek()[direction] !== null;
    const text = isKnown
      ? `There is nothing free to ${direction} with.`
      : "The venue has not said yet how much is free: press again, or write an amount.";
    found.push({ field: "amount", text });
  }
  problems.value = found;
  if (found.length > 0) return;
  const words = `${orderWords(direction, params, of)} (${of.instrument_name})`;
  if (asksAnyway || asksFirst.peek()) {
    const preview = await previewOf(direction, params);
    const isMeant = await ask({
      title: "Confirm order",
      lines: [words],
      action: "Place order",
      direction,
      more: preview === null ? null : PreviewFigures({ previews: { [direction]: preview }, of }),
    });
    if (!isMeant) return;
  }
  await place(direction, params, words);
}

let round = 0;

async function refresh(): Promise<void> {
  const of = instrument.peek();
  const now = ++round;
  if (of === null || !isLoggedIn.peek() || !isFilledIn.peek()) {
    previews.value = { buy: null, sell: null };
    return;
  }
  if (form.peek().percent > 0) {
    const [buy, sell] = await Promise.all(SIDES.map((direction) => largestFor(direction, of)));
    if (now !== round) return;
    largest.value = { buy: buy ?? null, sell: sell ?? null };
  }
  const [buy, sell] = await Promise.all(SIDES.map((direction) => previewFor(direction, of)));
  if (now === round) previews.value = { buy: buy ?? null, sell: sell ?? null };
}

async function largestFor(direction: Direction, of: Instrument): Promise<number | null> {
  const { params, problems: found } = orderOf(
    form.peek(),
    of,
    ticker.peek()?.mark_price ?? null,
    decimalText(of.min_trade_amount),
  );
  if (found.length > 0) return null;
  return (await previewOf(direction, params, true))?.max_amount ?? null;
}

async function previewFor(direction: Direction, of: Instrument): Promise<Preview | null> {
  const { params, problems: found } = orderFor(direction, of);
  return found.length > 0 || !params.amount || params.amount === "0" ? null : previewOf(direction, params);
}

/** Keep previews and leverage as the form, the market and the account change. Call once. */
export function beginTicket(): void {
  const soon = whenQuiet(() => void refresh(), QUIET_MS);
  effect(() => {
    void form.value;
    void instrument.value;
    void isLoggedIn.value;
    soon();
  });
  effect(() => {
    void venue.login.value;
    largest.value = { buy: null, sell: null };
  });
  setInterval(() => {
    if (document.visibilityState === "visible" && isFilledIn.peek()) void refresh();
  }, REFRESH_MS);
  effect(() => {
    const name = instrumentName.value;
    leverage.value = null;
    if (name !== "" && isLoggedIn.value) void loadLeverage(name);
  });
  let last = "";
  effect(() => {
    const name = instrumentName.value;
    if (name !== last) largest.value = { buy: null, sell: null };
    if (last !== "" && name !== last)
      form.value = {
        ...form.peek(),
        amount: "",
        percent: 0,
        price: "",
        triggerPrice: "",
        triggerOffset: "",
        displayAmount: "",
      };
    last = name;
  });
}

/** Ask for the leverage of a contract. */
export async function loadLeverage(name: string): Promise<void> {
  try {
    const answer = await venue.call("private/get_leverage", { instrument_name: name });
    if (name === instrumentName.peek()) leverage.value = answer;
  } catch {
    leverage.value = null;
  }
}

/** The value of the form's amount, or the amount of its value, for who reads along. */
export function otherUnit(of: Instrument): string {
  const { params, problems: found } = orderOf(form.value, of, ticker.value?.mark_price ?? null);
  if (form.value.percent > 0 || params.amount === undefined || found.some((problem) => problem.field === "amount"))
    return "";
  if (form.value.unit === "quote") return `${params.amount} ${of.base_currency}`;
  const value = previews.value.buy?.order_value ?? previews.value.sell?.order_value;
  return value === undefined ? "" : `${shown(value, 2)} ${of.quote_currency}`;
}

/** What the terminal knows: signals that the feeds fill and the parts show. Each is a message of the venue as it came. */

import { computed, signal } from "@preact/signals";
import { decimalsOf } from "../shared/numbers";
import { Venue } from "../shared/venue";
import type {
  Instrument,
  Liquidation,
  Notice,
  Order,
  Portfolio,
  Position,
  Ticker,
  Trade,
  UserTrade,
} from "../shared/venue_types";
import { NO_BOOK } from "./order_book";

export const venue = new Venue();

// --- the market

export const instruments = signal<Instrument[]>([]);
export const instrumentName = signal("");
export const instrument = computed(
  () => instruments.value.find((one) => one.instrument_name === instrumentName.value) ?? null,
);
export const priceDecimals = computed(() => decimalsOf(instrument.value?.tick_size ?? 0.01));
export const amountDecimals = computed(() => decimalsOf(instrument.value?.amount_step ?? 0.0001));
export const ticker = signal<Ticker | null>(null);
/** The book of the chosen contract, at most once a frame. */
export const book = signal(NO_BOOK);
/** Trades of the chosen contract, the latest first. */
export const trades = signal<Trade[]>([]);
export const liquidations = signal<Liquidation[]>([]);
/** Whether officers have halted the whole venue. */
export const isHalted = signal(false);

// --- the account

/** Open and untriggered orders of all contracts, the latest first. */
export const orders = signal<Order[]>([]);
export const positions = signal<Position[]>([]);
export const portfolios = signal<Portfolio[]>([]);
/** Own trades of all contracts, the latest first. */
export const fills = signal<UserTrade[]>([]);
export const notices = signal<Notice[]>([]);
export const accountName = signal("");
/** Meaning and remedy of each reason of the rulebook. */
export const reasons = signal(new Map<string, { meaning: string; remedy: string }>());

export const isLoggedIn = computed(() => venue.login.value !== null);
/** Own orders and trades of the chosen contract: what a chart shows. */
export const instrumentOrders = computed(() =>
  orders.value.filter((order) => order.instrument_name === instrumentName.value),
);
export const instrumentFills = computed(() =>
  fills.value.filter((trade) => trade.instrument_name === instrumentName.value),
);
export const portfolio = computed(
  () =>
    portfolios.value.find((one) => one.currency === instrument.value?.settlement_currency) ??
    portfolios.value[0] ??
    null,
);

/** The decimals of a contract's prices and amounts; those of the chosen one where it is not known. */
export function decimalsIn(name: string): { price: number; amount: number } {
  const found = instruments.value.find((one) => one.instrument_name === name);
  if (found === undefined) return { price: priceDecimals.value, amount: amountDecimals.value };
  return { price: decimalsOf(found.tick_size), amount: decimalsOf(found.amount_step) };
}

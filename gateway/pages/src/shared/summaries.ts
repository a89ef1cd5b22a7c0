import type { Venue } from "./venue";
import type { Instrument } from "./venue_types";

/** A contract's last 24 hours and what is best in its book, as far as the pages read it. */
export interface Summary {
  instrument_name: string;
  bid_price: number | null;
  ask_price: number | null;
  last: number | null;
  mark_price: number | null;
  /** In per cent. */
  price_change: number | null;
  /** In base currency. */
  volume: number;
  volume_notional: number;
  open_interest: number;
  /** Of the running interval, as it stands now. */
  current_funding: number;
  funding_8h: number;
}

/** The summaries of all contracts, by name. */
export async function summariesOf(venue: Venue, instruments: Instrument[]): Promise<Map<string, Summary>> {
  const currencies = [...new Set(instruments.map((one) => one.settlement_currency))];
  const lists = await Promise.all(
    currencies.map((currency) => venue.call<Summary[]>("public/get_book_summary_by_currency", { currency })),
  );
  return new Map(lists.flat().map((one) => [one.instrument_name, one]));
}

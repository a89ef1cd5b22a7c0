import { signal } from "@preact/signals";
import { decimalsOf, money, shown } from "../shared/numbers";
import type { Venue } from "../shared/venue";
import type { Instrument } from "../shared/venue_types";

/** How many decimals a price of each contract has, by its tick. */
const decimals = signal(new Map<string, number>());

/** Learn the contracts' ticks now and after every reconnect. */
export function learnTicks(venue: Venue): void {
  venue.whenLive(async () => noteTicks(await venue.call<Instrument[]>("public/get_instruments")));
}

/** Take the ticks of contracts that were read for something else: one may have been listed since. */
export function noteTicks(instruments: Instrument[]): void {
  decimals.value = new Map(instruments.map((one) => [one.instrument_name, decimalsOf(one.tick_size)]));
}

/** A price of a contract as its book shows it, so that a column of prices lines up: 0.20190, not 0.2019. */
export function priceText(name: string, value: number | null | undefined): string {
  const known = decimals.value.get(name);
  return known === undefined ? money(value) : shown(value, known);
}

import { signal } from "@preact/signals";
import { describe, expect, test } from "vitest";
import type { Venue } from "../../shared/venue";
import { VenueError } from "../../shared/venue_error";
import type { Ticker } from "../../shared/venue_types";
import { RESOLUTIONS, type Candle } from "./candles";
import { PriceData, type Drawing, type Reference } from "./price_data";

const MINUTE = 60_000;
const FIRST = 1_800_000_000_000;

/** The answers of a venue, whose clock is not this machine's, that has traded once each minute from FIRST on, at a price that counts the minutes. */
class Minutes {
  connection = signal("live");
  nowMs = FIRST + 2000 * MINUTE;
  asked: { start_timestamp: number; end_timestamp: number }[] = [];
  push: (data: unknown) => void = () => undefined;
  live: () => void | Promise<void> = () => undefined;

  subscribe(_: string[], handler: (data: unknown) => void): () => void {
    this.push = handler;
    return () => undefined;
  }

  whenLive(run: () => void | Promise<void>): () => void {
    this.live = run;
    return () => undefined;
  }

  async call(method: string, params: { start_timestamp: number; end_timestamp: number }): Promise<unknown> {
    if (method !== "public/get_tradingview_chart_data") throw new VenueError({ code: -32601, message: "Method not found" });
    this.asked.push(params);
    const ticks: number[] = [];
    const from = Math.max(params.start_timestamp - (params.start_timestamp % MINUTE), FIRST);
    for (let at = from; at <= Math.min(params.end_timestamp, this.nowMs); at += MINUTE) ticks.push(at);
    const prices = ticks.map((at) => (at - FIRST) / MINUTE);
    return { ticks, open: prices, high: prices, low: prices, close: prices, volume: ticks.map(() => 1) };
  }
}

class Drawn implements Drawing {
  candles: Candle[] = [];
  references = new Map<number, Reference>();
  changed: Candle[] = [];
  errors: unknown[] = [];

  all(candles: readonly Candle[]): void {
    this.candles = [...candles];
  }

  last(changed: readonly Candle[]): void {
    this.changed.push(...changed);
  }

  reference(timeMs: number, now: Reference): void {
    this.references.set(timeMs, now);
  }

  failed(error: unknown): void {
    this.errors.push(error);
  }
}

async function begun() {
  const venue = new Minutes();
  const drawn = new Drawn();
  const data = new PriceData(venue as unknown as Venue, "BTC_USDC-PERPETUAL", RESOLUTIONS[0], drawn);
  await venue.live();
  return { venue, drawn, data };
}

const times = (candles: readonly Candle[]) => candles.map(({ timeMs }) => (timeMs - FIRST) / MINUTE);
const isWithoutGaps = (candles: readonly Candle[]) => times(candles).every((time, i, all) => i === 0 || time === all[i - 1]! + 1);
const pushOf = (minute: number, close: number) => ({
  tick: FIRST + minute * MINUTE, open: close, high: close, low: close, close, volume: 2,
});

describe("a price chart's data", () => {
  test("begins with the newest page, although the venue does not say mark and index", async () => {
    const { drawn } = await begun();
    expect(drawn.candles.length).toBeGreaterThanOrEqual(499);
    expect(times(drawn.candles).at(-1)).toBe(2000);
    expect(drawn.errors).toEqual([]);
  });

  test("goes back page by page, without gaps, to the first trade and asks no further", async () => {
    const { venue, drawn, data } = await begun();
    await data.older();
    await data.older();
    expect(times(drawn.candles)[0]).toBe(0);
    expect(isWithoutGaps(drawn.candles)).toBe(true);
    expect(new Set(times(drawn.candles)).size).toBe(2001);
    const asked = venue.asked.length;
    await data.older();
    expect(venue.asked.length).toBe(asked);
  });

  test("does not ask twice at the same time", async () => {
    const { venue, data } = await begun();
    await Promise.all([data.older(), data.older()]);
    expect(venue.asked.length).toBe(2);
  });

  test("follows the venue's pushes", async () => {
    const { venue, drawn } = await begun();
    venue.push(pushOf(2000, 7));
    venue.push(pushOf(2002, 8));
    expect(times(drawn.changed)).toEqual([2000, 2001, 2002]);
    expect(drawn.changed.map(({ close }) => close)).toEqual([7, 7, 8]);
  });

  test("fills what happened while the connection was lost", async () => {
    const { venue, drawn, data } = await begun();
    await data.older();
    const before = drawn.candles.length;
    venue.nowMs += 30 * MINUTE;
    await venue.live();
    expect(drawn.candles.length).toBe(before + 30);
    expect(isWithoutGaps(drawn.candles)).toBe(true);
  });

  test("does not draw a gap flat by what comes before the gap is asked for", async () => {
    const { venue, drawn, data } = await begun();
    venue.connection.value = "lost";
    venue.nowMs += 30 * MINUTE;
    data.tick({ timestamp: venue.nowMs, mark_price: 5, index_price: 6 } as Ticker);
    venue.push(pushOf(2030, 2030));
    expect(drawn.changed).toEqual([]);
    venue.connection.value = "live";
    await venue.live();
    expect(times(drawn.candles).at(-1)).toBe(2030);
    expect(drawn.candles.slice(-30).map(({ close }) => close)).toEqual(Array.from({ length: 30 }, (_, i) => 2001 + i));
    venue.push(pushOf(2031, 7));
    expect(times(drawn.changed)).toEqual([2031]);
  });

  test("begins anew when more was missed than the venue answers at once", async () => {
    const { venue, drawn } = await begun();
    venue.nowMs += 9000 * MINUTE;
    const call = venue.call.bind(venue);
    venue.call = (method, params) =>
      call(method, { ...params, start_timestamp: Math.max(params.start_timestamp, venue.nowMs - 4999 * MINUTE) });
    await venue.live();
    expect(drawn.candles.length).toBe(5000);
    expect(isWithoutGaps(drawn.candles)).toBe(true);
  });

  test("notes mark and index at the running candle, and begins a new one when its time has come", async () => {
    const { drawn, data } = await begun();
    data.tick({ timestamp: FIRST + 2001 * MINUTE + 5, mark_price: 5, index_price: 6 } as Ticker);
    expect(times(drawn.changed)).toEqual([2001]);
    expect(drawn.references.get(FIRST + 2001 * MINUTE)).toEqual({ mark: 5, index: 6 });
  });
});

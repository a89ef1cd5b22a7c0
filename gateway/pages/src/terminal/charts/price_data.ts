// What the price chart shows, and how it comes: a history by pages, then the venue's pushes.

import type { Params, Venue } from "../../shared/venue";
import { VenueError } from "../../shared/venue_error";
import type { Ticker } from "../../shared/venue_types";
import {
  candleOf, candlesOf, extend, following, prepended, quietSince, type Candle, type ChartData, type ChartPush, type Resolution,
} from "./candles";

const FIRST_PAGE = 500;
const NEXT_PAGE = 1000;

/** Mark and index of a period as it ended, or as they are now in the running one. */
export interface Reference {
  mark: number;
  index: number;
}

/** The answer of public/get_price_chart_data. */
interface ReferenceData {
  ticks: number[];
  mark: (number | null)[];
  index: (number | null)[];
}

/** Who draws: everything anew, or candles that changed at the end. */
export interface Drawing {
  all(candles: readonly Candle[], references: ReadonlyMap<number, Reference>): void;
  last(changed: readonly Candle[]): void;
  reference(timeMs: number, now: Reference): void;
  failed(error: unknown): void;
}

/** The candles of one contract in one resolution, from the oldest that was looked at up to now. */
export class PriceData {
  private candles: Candle[] = [];
  private references = new Map<number, Reference>();
  private heard: ChartPush[] | null = [];
  private isAsking = false;
  private hasOlder = true;
  private isEnded = false;
  private readonly stops: (() => void)[];

  constructor(
    private readonly venue: Venue,
    private readonly instrument: string,
    private readonly resolution: Resolution,
    private readonly drawing: Drawing,
  ) {
    this.stops = [
      venue.subscribe([`chart.trades.${instrument}.${resolution.name}`], (push: ChartPush) => this.push(push)),
      venue.whenLive(() => this.begin()),
    ];
  }

  /** Hear nothing more and draw nothing more. */
  end(): void {
    this.isEnded = true;
    for (const stop of this.stops) stop();
  }

  /** Load what is further back, unless that is under way or there is nothing. */
  async older(): Promise<void> {
    const first = this.candles[0];
    if (this.isAsking || !this.hasOlder || !first) return;
    await this.asking(async () => {
      const endMs = first.timeMs - 1;
      const startMs = endMs - NEXT_PAGE * this.resolution.stepMs;
      const page = await this.history(startMs, endMs);
      this.hasOlder = page[0] !== undefined && page[0].timeMs <= startMs; // periods without a trade have flat candles
      if (page.length === 0) return;
      this.candles = prepended(page, this.candles);
      this.drawing.all(this.candles, this.references);
    });
  }

  /** Follow mark and index, and the venue's time where nothing is traded. */
  tick(ticker: Ticker): void {
    const last = this.candles[this.candles.length - 1];
    if (!this.isFollowing || !last) return;
    this.add(quietSince(this.candles, ticker.timestamp, this.resolution.stepMs));
    if (!ticker.mark_price || !ticker.index_price) return;
    const timeMs = this.candles[this.candles.length - 1]!.timeMs;
    const now = { mark: ticker.mark_price, index: ticker.index_price };
    this.references.set(timeMs, now);
    this.drawing.reference(timeMs, now);
  }

  /** The newest candles, at the beginning and after each lost connection: the gap in between is filled. */
  private async begin(): Promise<void> {
    this.heard ??= [];
    await this.asking(async () => {
      const { stepMs } = this.resolution;
      const endMs = this.venue.nowMs + stepMs;
      const last = this.candles[this.candles.length - 1];
      const page = await this.history(last?.timeMs ?? endMs - FIRST_PAGE * stepMs, endMs);
      const isJoined = last !== undefined && page[0] !== undefined && page[0].timeMs <= last.timeMs + stepMs;
      if (isJoined) extend(this.candles, page);
      else this.candles = page;
      const heard = this.heard ?? [];
      this.heard = null;
      for (const push of heard) extend(this.candles, following(this.candles, candleOf(push), this.resolution.stepMs));
      this.drawing.all(this.candles, this.references);
    });
  }

  private async asking(run: () => Promise<void>): Promise<void> {
    this.isAsking = true;
    try {
      await run();
    } catch (error) {
      if (!this.isEnded) this.drawing.failed(error);
    } finally {
      this.isAsking = false;
    }
  }

  private async history(startMs: number, endMs: number): Promise<Candle[]> {
    const params = {
      instrument_name: this.instrument, resolution: this.resolution.name, start_timestamp: startMs, end_timestamp: endMs,
    };
    const [data] = await Promise.all([
      this.venue.call<ChartData>("public/get_tradingview_chart_data", params),
      this.readReferences(params),
    ]);
    return candlesOf(data);
  }

  /** Mark and index of the same periods. Candles are shown without them when the venue refuses to say. */
  private async readReferences(params: Params): Promise<void> {
    try {
      const { ticks, mark, index } = await this.venue.call<ReferenceData>("public/get_price_chart_data", params);
      ticks.forEach((timeMs, i) => {
        if (mark[i] && index[i]) this.references.set(timeMs, { mark: mark[i], index: index[i] });
      });
    } catch (error) {
      if (!(error instanceof VenueError)) throw error;
    }
  }

  /** Not from a lost connection on until its gap has been asked for: what comes in between would draw the gap flat. */
  private get isFollowing(): boolean {
    if (this.venue.connection.peek() !== "live") this.heard ??= [];
    return this.heard === null;
  }

  private push(push: ChartPush): void {
    if (!this.isFollowing) this.heard!.push(push);
    else this.add(following(this.candles, candleOf(push), this.resolution.stepMs));
  }

  private add(changed: Candle[]): void {
    if (changed.length === 0) return;
    extend(this.candles, changed);
    this.drawing.last(changed);
  }
}

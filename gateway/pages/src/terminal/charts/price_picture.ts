// What the price chart draws, put together: data from the venue, own orders, fills and the position, the user's choices.

import { effect, signal, type ReadonlySignal } from "@preact/signals";
import { oncePerFrame } from "../../shared/frames";
import type { Venue } from "../../shared/venue";
import type { Instrument, Position, Ticker, UserTrade } from "../../shared/venue_types";
import { indexAt, type Candle, type Resolution } from "./candles";
import { coloursAt, type Colours } from "../../shared/colours";
import { markersOf } from "./fill_markers";
import type { DrawnLine, MovableLines } from "./movable_lines";
import { PriceData, type Drawing, type Reference } from "./price_data";
import { PriceView, type PriceLevel, type ViewEvents } from "./price_view";

/** What may be shown beside the candles, with its name for people. */
export const LAYERS = { volume: "Volume", mark: "Mark", index: "Index", orders: "Orders", fills: "Fills", position: "Position" };
export type Layer = keyof typeof LAYERS;

/** The candle under the crosshair, otherwise the newest one. */
export interface PointedCandle {
  candle: Candle;
  reference: Reference | undefined;
}

export interface PictureSources {
  venue: Venue;
  instrument: Instrument;
  resolution: Resolution;
  ticker: ReadonlySignal<Ticker | null>;
  fills: ReadonlySignal<readonly UserTrade[]>;
  position: ReadonlySignal<Position | null>;
  layers: ReadonlySignal<ReadonlySet<Layer>>;
  lines: MovableLines;
}

export class PricePicture implements Drawing, ViewEvents {
  readonly pointedCandle = signal<PointedCandle | null>(null);
  /** Empty while there is something to see. */
  readonly remark = signal("Loading …");
  /** Whether the newest candle is in sight. */
  readonly isAtNewest = signal(true);
  readonly view: PriceView;
  private readonly data: PriceData;
  private candles: readonly Candle[] = [];
  private references: ReadonlyMap<number, Reference> = new Map();
  private pointedMs: number | null = null;
  private fills: readonly UserTrade[] = [];
  private colours: Colours;
  private isEnded = false;
  private readonly pointSoon = oncePerFrame(() => this.point());
  private readonly drawFillsSoon = oncePerFrame(() => this.drawFills());
  private readonly drawLevelsSoon = oncePerFrame(() => this.drawLevels());
  private readonly stops: (() => void)[] = [];

  constructor(
    private readonly container: HTMLElement,
    private readonly sources: PictureSources,
    private readonly placeTags: (view: PriceView) => void,
  ) {
    const { venue, instrument, resolution, ticker, fills, layers, position, lines } = sources;
    this.colours = coloursAt(container);
    this.view = new PriceView(container, instrument.tick_size, this.colours, this);
    this.data = new PriceData(venue, instrument.instrument_name, resolution, this);
    this.stops.push(
      effect(() => {
        if (ticker.value) this.data.tick(ticker.value);
      }),
      effect(() => {
        this.fills = fills.value;
        this.drawFillsSoon();
      }),
      effect(() => this.showLayers()),
      effect(() => {
        void [layers.value, position.value, lines.drawn.value];
        this.drawLevelsSoon();
      }),
    );
  }

  end(): void {
    this.isEnded = true;
    for (const stop of this.stops) stop();
    this.data.end();
    this.view.end();
  }

  /** Take over the page's colours after a change of theme. */
  recolour(): void {
    this.colours = coloursAt(this.container);
    this.view.recolour(this.colours);
    this.view.setAll(this.candles, this.references);
    this.drawFills();
    this.drawLevels();
  }

  // --- what the data says

  all(candles: readonly Candle[], references: ReadonlyMap<number, Reference>): void {
    this.candles = candles;
    this.references = references;
    this.view.setAll(candles, references);
    this.remark.value = candles.length ? "" : "Nothing has been traded yet";
    this.pointSoon();
    this.drawFillsSoon();
  }

  last(changed: readonly Candle[]): void {
    for (const candle of changed) this.view.setLast(candle);
    if (this.remark.peek()) this.remark.value = "";
    this.pointSoon();
    if (changed.length > 1) this.drawFillsSoon();
  }

  reference(timeMs: number, now: Reference): void {
    this.view.setReference(timeMs, now);
    this.pointSoon();
  }

  failed(error: unknown): void {
    if (!this.candles.length) this.remark.value = error instanceof Error ? error.message : String(error);
  }

  // --- what the user does

  nearOldest(): void {
    void this.data.older();
  }

  pointed(timeMs: number | null): void {
    this.pointedMs = timeMs;
    this.pointSoon();
  }

  scrolled(isAtNewest: boolean): void {
    this.isAtNewest.value = isAtNewest;
  }

  drawn(): void {
    this.placeTags(this.view);
  }

  private point(): void {
    const at = this.pointedMs === null ? this.candles.length - 1 : indexAt(this.candles, this.pointedMs);
    const candle = this.candles[at];
    this.pointedCandle.value = candle ? { candle, reference: this.references.get(candle.timeMs) } : null;
  }

  // --- what is drawn beside the candles

  private showLayers(): void {
    const layers = this.sources.layers.value;
    for (const layer of ["volume", "mark", "index"] as const) this.view.show(layer, layers.has(layer));
    this.drawFillsSoon();
  }

  private drawFills(): void {
    if (this.isEnded) return;
    const isShown = this.sources.layers.peek().has("fills");
    const name = this.sources.instrument.instrument_name;
    const own = isShown ? this.fills.filter((fill) => fill.instrument_name === name) : [];
    this.view.setFills(markersOf(own, this.candles));
  }

  private drawLevels(): void {
    if (this.isEnded) return;
    const layers = this.sources.layers.peek();
    const position = this.sources.position.peek();
    const lines = this.sources.lines.drawn.peek();
    const levels = layers.has("orders") ? lines.map((drawn) => this.levelOf(drawn)) : [];
    if (layers.has("position") && position) levels.push(...this.levelsOf(position));
    this.view.setLevels(levels);
    this.placeTags(this.view);
  }

  private levelOf({ line, price, phase }: DrawnLine): PriceLevel {
    const colour = line.order.direction === "buy" ? this.colours.up : this.colours.down;
    return { id: line.id, price, colour: phase === "at rest" ? colour : this.colours.accent, title: "", isDashed: true };
  }

  private levelsOf(position: Position): PriceLevel[] {
    if (position.instrument_name !== this.sources.instrument.instrument_name || !position.size) return [];
    const levels = [{ id: "entry", price: position.average_price, colour: this.colours.accent, title: "Entry", isDashed: false }];
    const liquidation = position.estimated_liquidation_price;
    const at = { id: "liquidation", colour: this.colours.warn, title: "Liq.", isDashed: false };
    if (liquidation) levels.push({ ...at, price: liquidation });
    return levels;
  }
}

// The price chart as the library draws it: candles, volume, mark and index, fills and price lines.

import {
  CandlestickSeries, createChartEx, createSeriesMarkers, CrosshairMode, HistogramSeries, LineSeries, LineStyle,
  type AutoscaleInfo, type CandlestickData, type IChartApiBase, type IPriceLine, type ISeriesApi, type ISeriesMarkersPluginApi, type MouseEventParams, type Time,
  type UTCTimestamp,
} from "lightweight-charts";
import { decimalsOf, shown } from "../../shared/numbers";
import type { Candle } from "./candles";
import { faded, type Colours } from "../../shared/colours";
import type { FillMarker } from "./fill_markers";
import { LocalTimeScale } from "./local_time_scale";
import { rangeWith } from "./order_lines";
import type { Reference } from "./price_data";

/** How many candles before the oldest one more are asked for. */
const NEAR_OLDEST = 50;

/** A horizontal line with a label on the price axis. */
export interface PriceLevel {
  id: string;
  price: number;
  colour: string;
  title: string;
  isDashed: boolean;
}

export interface ViewEvents {
  nearOldest(): void;
  pointed(timeMs: number | null): void;
  scrolled(isAtNewest: boolean): void;
  drawn(): void;
}

export class PriceView {
  private readonly chart: IChartApiBase<Time>;
  private readonly candles: ISeriesApi<"Candlestick", Time>;
  private readonly volume: ISeriesApi<"Histogram", Time>;
  private readonly mark: ISeriesApi<"Line", Time>;
  private readonly index: ISeriesApi<"Line", Time>;
  private readonly markers: ISeriesMarkersPluginApi<Time>;
  private readonly levels = new Map<string, IPriceLine>();
  private hasAutoScale = true;

  constructor(
    container: HTMLElement,
    tickSize: number,
    private colours: Colours,
    events: ViewEvents,
  ) {
    this.chart = createChartEx<Time, LocalTimeScale>(container, new LocalTimeScale(), {
      autoSize: true,
      layout: { attributionLogo: false, fontFamily: getComputedStyle(container).fontFamily, fontSize: 11 },
      crosshair: { mode: CrosshairMode.Normal },
      timeScale: { timeVisible: true, rightOffset: 6, minBarSpacing: 0.5 },
    });
    const decimals = decimalsOf(tickSize);
    const priceFormat = { type: "custom", formatter: (price: number) => shown(price, decimals), minMove: tickSize } as const;
    this.volume = this.chart.addSeries(HistogramSeries, {
      priceScaleId: "", priceFormat: { type: "volume" }, lastValueVisible: false, priceLineVisible: false,
    });
    this.volume.priceScale().applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
    const thin = {
      priceFormat, lineWidth: 1, priceLineVisible: false, crosshairMarkerVisible: false, autoscaleInfoProvider: () => null,
    } as const;
    this.index = this.chart.addSeries(LineSeries, thin);
    this.mark = this.chart.addSeries(LineSeries, thin);
    this.candles = this.chart.addSeries(CandlestickSeries, { priceFormat, borderVisible: false });
    this.candles.priceScale().applyOptions({ scaleMargins: { top: 0.08, bottom: 0.22 } });
    this.candles.applyOptions({ autoscaleInfoProvider: (of: () => AutoscaleInfo | null) => this.withLevels(of()) });
    this.markers = createSeriesMarkers(this.candles, [], { autoScale: false });
    this.follow(events);
    this.recolour(colours);
  }

  end(): void {
    this.chart.remove();
  }

  /** Take over the colours of another theme. What is coloured point by point must be set again by the caller. */
  recolour(colours: Colours): void {
    this.colours = colours;
    const { up, down, line, dim } = colours;
    this.chart.applyOptions({
      layout: { background: { color: colours.panel }, textColor: dim },
      grid: { vertLines: { color: faded(line, 0.5) }, horzLines: { color: faded(line, 0.5) } },
      crosshair: { vertLine: { color: dim, labelBackgroundColor: dim }, horzLine: { color: dim, labelBackgroundColor: dim } },
      timeScale: { borderColor: line },
      rightPriceScale: { borderColor: line },
    });
    this.candles.applyOptions({ upColor: up, downColor: down, wickUpColor: up, wickDownColor: down });
    this.mark.applyOptions({ color: colours.mark });
    this.index.applyOptions({ color: colours.index });
  }

  setAll(candles: readonly Candle[], references: ReadonlyMap<number, Reference>): void {
    const marks: { time: UTCTimestamp; value?: number }[] = [];
    const indexes: { time: UTCTimestamp; value?: number }[] = [];
    for (const { timeMs } of candles) {
      const reference = references.get(timeMs);
      const time = secondsOf(timeMs);
      marks.push(reference ? { time, value: reference.mark } : { time });
      indexes.push(reference ? { time, value: reference.index } : { time });
    }
    this.volume.setData(candles.map((candle) => this.volumeOf(candle)));
    this.candles.setData(candles.map(barOf));
    this.mark.setData(marks);
    this.index.setData(indexes);
  }

  setLast(candle: Candle): void {
    this.volume.update(this.volumeOf(candle));
    this.candles.update(barOf(candle));
  }

  setReference(timeMs: number, { mark, index }: Reference): void {
    this.mark.update({ time: secondsOf(timeMs), value: mark });
    this.index.update({ time: secondsOf(timeMs), value: index });
  }

  show(what: "mark" | "index" | "volume", visible: boolean): void {
    this[what].applyOptions({ visible });
  }

  setFills(fills: readonly FillMarker[]): void {
    this.markers.setMarkers(
      fills.map(({ timeMs, direction, amount }) => {
        const isBuy = direction === "buy";
        return {
          time: secondsOf(timeMs), text: String(amount), position: isBuy ? "belowBar" : "aboveBar",
          shape: isBuy ? "arrowUp" : "arrowDown", color: isBuy ? this.colours.up : this.colours.down,
        } as const;
      }),
    );
  }

  /** Draw these levels and no others. */
  setLevels(levels: readonly PriceLevel[]): void {
    const kept = new Set(levels.map(({ id }) => id));
    for (const [id, drawn] of this.levels) {
      if (!kept.has(id)) {
        this.candles.removePriceLine(drawn);
        this.levels.delete(id);
      }
    }
    for (const level of levels) {
      const options = {
        price: level.price, color: level.colour, title: level.title, lineWidth: 1, axisLabelVisible: true,
        lineStyle: level.isDashed ? LineStyle.Dashed : LineStyle.Dotted,
      } as const;
      const drawn = this.levels.get(level.id);
      if (drawn) drawn.applyOptions(options);
      else this.levels.set(level.id, this.candles.createPriceLine(options));
    }
  }

  /** Where a price is, in pixels from the top; null while nothing is drawn. */
  yOf(price: number): number | null {
    return this.candles.priceToCoordinate(price);
  }

  priceAt(y: number): number | null {
    return this.candles.coordinateToPrice(y);
  }

  /** The height of the part with prices, without the time axis. */
  get height(): number {
    return this.chart.paneSize(0).height;
  }

  /** Whether the chart may move: not while an order's line is dragged, or prices would run away under the pointer. */
  setMoving(on: boolean): void {
    const scale = this.candles.priceScale();
    if (!on) this.hasAutoScale = scale.options().autoScale;
    scale.applyOptions({ autoScale: on && this.hasAutoScale });
    this.chart.applyOptions({ handleScroll: on, handleScale: on });
  }

  /** Move by some candles, positive to the newer ones. */
  scroll(candles: number): void {
    const range = this.chart.timeScale().getVisibleLogicalRange();
    if (range) this.chart.timeScale().setVisibleLogicalRange({ from: range.from + candles, to: range.to + candles });
  }

  /** Show a part of the time that is shown now, up to the same newest candle: 0.5 is half of it, 2 is twice. */
  zoom(part: number): void {
    const range = this.chart.timeScale().getVisibleLogicalRange();
    if (range) this.chart.timeScale().setVisibleLogicalRange({ from: range.to - (range.to - range.from) * part, to: range.to });
  }

  toNewest(): void {
    this.chart.timeScale().scrollToRealTime();
  }

  /** The prices in sight, with the levels near to them. */
  private withLevels(info: AutoscaleInfo | null): AutoscaleInfo | null {
    if (!info?.priceRange) return info;
    const levels = [...this.levels.values()].map((drawn) => drawn.options().price);
    const [minValue, maxValue] = rangeWith(info.priceRange.minValue, info.priceRange.maxValue, levels);
    return { ...info, priceRange: { minValue, maxValue } };
  }

  private follow(events: ViewEvents): void {
    this.chart.timeScale().subscribeVisibleLogicalRangeChange((range) => {
      if (!range) return;
      if (range.from < NEAR_OLDEST) events.nearOldest();
      events.scrolled(this.chart.timeScale().scrollPosition() >= 0);
    });
    this.chart.subscribeCrosshairMove(({ time }: MouseEventParams<Time>) => {
      events.pointed(time === undefined ? null : (time as number) * 1000);
    });
    // A primitive that draws nothing: the library tells it when prices have moved to other places.
    const view = { zOrder: () => "top" as const, renderer: () => ({ draw: () => events.drawn() }) };
    const views = [view];
    this.candles.attachPrimitive({ paneViews: () => views });
  }

  private volumeOf({ timeMs, open, close, volume }: Candle): { time: UTCTimestamp; value: number; color: string } {
    const colour = close < open ? this.colours.down : this.colours.up;
    return { time: secondsOf(timeMs), value: volume, color: faded(colour, 0.35) };
  }
}

function secondsOf(timeMs: number): UTCTimestamp {
  return (timeMs / 1000) as UTCTimestamp;
}

function barOf({ timeMs, open, high, low, close }: Candle): CandlestickData<Time> {
  return { time: secondsOf(timeMs), open, high, low, close };
}

// Candles as data: what the venue answers and pushes becomes one ascending list without gaps.

export interface Candle {
  timeMs: number; // when the period begins
  open: number;
  high: number;
  low: number;
  close: number;
  volume: number; // in base currency
}

/** The answer of public/get_tradingview_chart_data: one array for each column. */
export interface ChartData {
  ticks: number[];
  open: number[];
  high: number[];
  low: number[];
  close: number[];
  volume: number[];
}

/** A push of chart.trades.X. */
export interface ChartPush {
  tick: number;
  open: number;
  high: number;
  low: number;
  close: number;
  volume: number;
}

/** The periods that the chart offers, with the protocol's name for each. */
export const RESOLUTIONS = [
  { name: "1", label: "1m", words: "1 minute", stepMs: 60_000 },
  { name: "5", label: "5m", words: "5 minutes", stepMs: 300_000 },
  { name: "15", label: "15m", words: "15 minutes", stepMs: 900_000 },
  { name: "60", label: "1h", words: "1 hour", stepMs: 3_600_000 },
  { name: "240", label: "4h", words: "4 hours", stepMs: 14_400_000 },
  { name: "1D", label: "1d", words: "1 day", stepMs: 86_400_000 },
] as const;

export type Resolution = (typeof RESOLUTIONS)[number];

export function candlesOf(data: ChartData): Candle[] {
  return data.ticks.map((timeMs, i) => ({
    timeMs,
    open: data.open[i]!,
    high: data.high[i]!,
    low: data.low[i]!,
    close: data.close[i]!,
    volume: data.volume[i]!,
  }));
}

export function candleOf(push: ChartPush): Candle {
  const { tick, open, high, low, close, volume } = push;
  return { timeMs: tick, open, high, low, close, volume };
}

function flat(timeMs: number, price: number): Candle {
  return { timeMs, open: price, high: price, low: price, close: price, volume: 0 };
}

/**
 * The candles that change when one more is heard: the last one again, or new ones.
 *
 * The venue pushes the candle of the last trade. Periods in between without a trade are flat at the last close, as the
 * venue answers them in a history. A candle older than the last one changes nothing.
 */
export function following(candles: readonly Candle[], next: Candle, stepMs: number): Candle[] {
  const last = candles[candles.length - 1];
  if (!last || next.timeMs === last.timeMs) return [next];
  const added: Candle[] = [];
  for (let timeMs = last.timeMs + stepMs; timeMs < next.timeMs; timeMs += stepMs) added.push(flat(timeMs, last.close));
  return next.timeMs > last.timeMs ? [...added, next] : [];
}

/** Put candles at the end of a list; those of the same time are replaced. The list is changed in place. */
export function extend(candles: Candle[], added: readonly Candle[]): void {
  for (const candle of added) {
    while (candles.length && candles[candles.length - 1]!.timeMs >= candle.timeMs) candles.pop();
    candles.push(candle);
  }
}

/** Older candles in front of those that are there; at an overlap the newer answer counts. */
export function prepended(older: readonly Candle[], candles: readonly Candle[]): Candle[] {
  const first = candles[0];
  return first ? [...older.filter((candle) => candle.timeMs < first.timeMs), ...candles] : [...older];
}

/** The flat candles of periods that have begun since the last one without any trade. */
export function quietSince(candles: readonly Candle[], nowMs: number, stepMs: number): Candle[] {
  const last = candles[candles.length - 1];
  if (!last) return [];
  const running = nowMs - (nowMs % stepMs);
  return running > last.timeMs ? following(candles, flat(running, last.close), stepMs) : [];
}

/** The candle that holds a time; -1 where there is none. */
export function indexAt(candles: readonly Candle[], timeMs: number): number {
  let low = 0;
  let high = candles.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (candles[middle]!.timeMs <= timeMs) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

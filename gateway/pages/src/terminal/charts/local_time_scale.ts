// The time axis in the viewer's own zone. The chart library knows UTC alone: its days would begin at odd hours.

import { defaultHorzScaleBehavior, type InternalHorzScaleItem, type TickMark, type TickMarkWeightValue } from "lightweight-charts";

const MINUTE_MS = 60_000;
const DAY = 50;
const MONTH = 60;
const YEAR = 70;
const SECOND = 10;

/** What the library draws first when there is little room: [minutes, weight], largest first. */
const MINUTES_AND_WEIGHTS = [
  [720, 33],
  [360, 32],
  [180, 31],
  [60, 30],
  [30, 22],
  [5, 21],
  [1, 20],
] as const;

/** How much a tick at `timeMs` stands out, given the point before it: a new year most, a new minute least. */
export function tickWeight(timeMs: number, previousMs: number): number {
  const now = new Date(timeMs);
  const previous = new Date(previousMs);
  if (now.getFullYear() !== previous.getFullYear()) return YEAR;
  if (now.getMonth() !== previous.getMonth()) return MONTH;
  if (now.getDate() !== previous.getDate()) return DAY;
  const minute = minuteOfDay(now);
  const before = minuteOfDay(previous);
  for (const [minutes, weight] of MINUTES_AND_WEIGHTS) {
    if (Math.floor(minute / minutes) !== Math.floor(before / minutes)) return weight;
  }
  return SECOND;
}

function minuteOfDay(date: Date): number {
  return date.getHours() * 60 + date.getMinutes();
}

interface Point {
  timeWeight: TickMarkWeightValue;
  readonly originalTime: unknown;
}

const UtcTimeScale = defaultHorzScaleBehavior();

/** The library's time scale with weights and texts by the viewer's days and hours. */
export class LocalTimeScale extends UtcTimeScale {
  override fillWeightsForPoints(points: readonly Point[], startIndex: number): void {
    // The first point has none before it: suppose one as far away as the second is.
    const stepMs = points.length > 1 ? msOf(points[1]!) - msOf(points[0]!) : MINUTE_MS;
    for (let i = Math.max(startIndex, 0); i < points.length; i++) {
      const timeMs = msOf(points[i]!);
      const previousMs = i > 0 ? msOf(points[i - 1]!) : timeMs - stepMs;
      points[i]!.timeWeight = tickWeight(timeMs, previousMs) as TickMarkWeightValue;
    }
  }

  override formatTickmark(mark: TickMark): string {
    return tickText(msOf(mark), mark.weight);
  }

  /** The text at the crosshair. */
  override formatHorzItem(item: InternalHorzScaleItem): string {
    return FULL.format(this.key(item) as number * 1000);
  }
}

function msOf({ originalTime }: { readonly originalTime: unknown }): number {
  return (originalTime as number) * 1000;
}

const YEARS = new Intl.DateTimeFormat(undefined, { year: "numeric" });
const MONTHS = new Intl.DateTimeFormat(undefined, { month: "short" });
const DAYS = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const TIMES = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const FULL = new Intl.DateTimeFormat(undefined, {
  year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23",
});

/** The text of a tick on an axis whose ticks are so many seconds apart: a day where one begins, otherwise the time. */
export function axisTime(timeS: number, stepS: number): string {
  const date = new Date(timeS * 1000);
  return (stepS >= 86_400 || minuteOfDay(date) === 0 ? DAYS : TIMES).format(date);
}

/** The text of a tick of the time axis, in the viewer's zone: the year, month, day or time that begins there. */
export function tickText(timeMs: number, weight: number): string {
  const format = weight >= YEAR ? YEARS : weight >= MONTH ? MONTHS : weight >= DAY ? DAYS : TIMES;
  return format.format(timeMs);
}

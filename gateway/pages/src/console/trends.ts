/** What the overview's small charts show: the last minutes of the venue's figures, as this page has read them. */

import { compact } from "../shared/numbers";
import { duration, type Figures } from "./figures";
import { words } from "./words";

/** So much is kept: what is older says nothing of how the venue is now. */
export const KEPT_MS = 10 * 60_000;
/** After so long without a reading, as while nobody looks, lines are interrupted. */
const GAP_MS = 10_000;

const FIRST_WINDOW_S = 120;

export interface Line {
  name: string;
  /** Its value between an earlier reading of the figures and one now; undefined when it is not known. */
  of(now: Figures, earlier: Figures | null): number | undefined;
}

export interface Trend {
  title: string;
  lines: Line[];
  say(value: number): string;
  /** The axis goes to this value at least, so that next to nothing does not look like much. */
  least: number;
  /** Values of several orders of magnitude are drawn by their logarithm. */
  isLogarithmic?: boolean;
}

/** One moment: the values of every trend's lines, in their order; null where none is known. */
export interface Reading {
  atMs: number;
  values: (number | null)[][];
}

export const STAGES = ["received_to_applied", "applied_to_durable", "durable_to_sent"];

const rate = (name: string, family: string): Line => ({ name, of: (now, earlier) => now.rate(earlier, family) });
const gauge = (name: string, family: string, labels = {}): Line => ({ name, of: (now) => now.value(family, labels) });
const connected = (name: string, kind: string) => gauge(name, "connections", { port: "public", kind });
const many = (value: number) => (value < 10_000 ? String(Math.round(value)) : compact(value));

export const TRENDS: Trend[] = [
  {
    title: "Throughput a second",
    lines: [rate("commands", "commands_total"), rate("requests", "requests_total"), rate("trades", "trades_total")],
    say: many,
    least: 10,
  },
  {
    title: "Latency by stage, 99 %",
    lines: STAGES.map((stage) => ({
      name: words(stage), of: (now, earlier) => now.quantile(earlier, "stage_seconds", { stage }, 0.99),
    })),
    say: (value) => `≤ ${duration(value)}`,
    least: 0.001,
    isLogarithmic: true,
  },
  {
    title: "Refused a second",
    lines: [rate("by the engine", "refusals_total"), rate("by the gateway", "request_refusals_total")],
    say: many,
    least: 10,
  },
  {
    title: "Journal: how long answers wait",
    lines: [gauge("oldest waits", "journal_lag_seconds"), gauge("one sync", "journal_sync_seconds")],
    say: (value) => duration(value),
    least: 0.01,
  },
  {
    title: "Queues",
    lines: [
      gauge("not durable", "journal_lag_commands"), gauge("in the batch", "batch_commands"),
      gauge("questions", "queries_waiting"), gauge("for liquidation", "liquidation_accounts"),
    ],
    say: many,
    least: 10,
  },
  {
    title: "Sessions",
    lines: [connected("logged in", "logged_in"), connected("anonymous", "anonymous"), connected("HTTP", "http")],
    say: many,
    least: 10,
  },
];

/** The readings with one more, without what is too old; where too long nothing was read, with a moment without values. */
export function withReading(readings: readonly Reading[], now: Figures, earlier: Figures | null): Reading[] {
  const last = readings.at(-1);
  const values = TRENDS.map(({ lines }) => lines.map((line) => line.of(now, earlier) ?? null));
  const gap = last !== undefined && now.atMs - last.atMs > GAP_MS
    ? [{ atMs: (now.atMs + last.atMs) / 2, values: values.map((of) => of.map(() => null)) }]
    : [];
  return [...readings.filter(({ atMs }) => atMs > now.atMs - KEPT_MS), ...gap, { atMs: now.atMs, values }];
}

/** What a chart's axis of time shows: at first two minutes, then all that is kept. */
export function windowOf(firstS: number, lastS: number): [number, number] {
  return [Math.min(Math.max(firstS, lastS - KEPT_MS / 1000), lastS - FIRST_WINDOW_S), lastS];
}

/** One trend as a plot wants it: times in seconds, then each line's values. */
export function columnsOf(readings: readonly Reading[], trend: number): [number[], ...(number | null)[][]] {
  const { lines } = TRENDS[trend]!;
  const most = Math.max(0, ...readings.flatMap(({ values }) => values[trend]!.filter((value) => value !== null && Number.isFinite(value)) as number[]));
  const drawn = (value: number | null) => (value === Infinity ? 2 * most : value); // above all that has a bound
  return [
    readings.map(({ atMs }) => atMs / 1000),
    ...lines.map((_, place) => readings.map(({ values }) => drawn(values[trend]![place]!))),
  ];
}

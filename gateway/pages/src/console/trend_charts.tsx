import { signal, useSignalEffect } from "@preact/signals";
import { useMemo, useRef } from "preact/hooks";
import uPlot from "uplot";
import type { Colours } from "../shared/colours";
import { axis, Plot } from "../shared/plot";
import { Time } from "../shared/time";
import { clockTime } from "../shared/times";
import { readings } from "./state";
import { columnsOf, KEPT_MS, TRENDS, windowOf, type Trend } from "./trends";

/** Which reading is pointed at, in every chart at once. */
const pointed = signal<number | null>(null);
const COLOURS: (keyof Colours)[] = ["accent", "warn", "up", "text"];
/** Lines are told apart without their colours too. */
const DASHES = [[], [6, 3], [2, 2], [8, 3, 2, 3]];

/** The last minutes as this page has read them, one small chart for each kind of figure. */
export function TrendCharts() {
  const place = pointed.value;
  const at = place === null ? undefined : readings.value[place];
  return (
    <section class="panel part" aria-label="trends">
      <div class="part-head">
        <h2>The last {KEPT_MS / 60_000} minutes</h2>
        <span class="dim">{at === undefined ? "as this page has read them; point at a moment" : <>at <Time ms={at.atMs} /></>}</span>
      </div>
      <div class="trends">{TRENDS.map((trend, number) => <TrendChart key={trend.title} trend={trend} number={number} />)}</div>
    </section>
  );
}

function TrendChart({ trend, number }: { trend: Trend; number: number }) {
  const plot = useRef<uPlot | null>(null);
  const draw = () => plot.current?.setData(columnsOf(readings.value, number));
  useSignalEffect(draw);
  const options = useMemo(() => (colours: Colours) => optionsOf(trend, colours), [trend]);
  const shown = (readings.value[pointed.value ?? -1] ?? readings.value.at(-1))?.values[number];
  const said = (place: number) => {
    const value = shown?.[place];
    return value === null || value === undefined ? "–" : trend.say(value);
  };
  return (
    <figure class="trend">
      <figcaption>{trend.title}</figcaption>
      <ul>
        {trend.lines.map(({ name }, place) => (
          <li>
            <svg class={`trend-line-${place}`} width="22" height="8" aria-hidden="true">
              <line x1="0" y1="4" x2="22" y2="4" stroke="currentColor" stroke-width="2" stroke-dasharray={DASHES[place]!.join(" ")} />
            </svg>
            {name} <b>{said(place)}</b>
          </li>
        ))}
      </ul>
      <div class="trend-plot">
        <Plot options={options} label={`${trend.title} over the last minutes; the latest values stand above it`} onReady={(made) => {
          plot.current = made;
          if (made) draw();
        }} />
      </div>
    </figure>
  );
}

function optionsOf({ lines, say, least, isLogarithmic = false }: Trend, colours: Colours): Omit<uPlot.Options, "width" | "height"> {
  const clock = (_: uPlot, times: number[]) => times.map((seconds) => clockTime(seconds * 1000).slice(0, 5));
  const values = (_: uPlot, found: (number | null)[]) => found.map((value) => (value === null ? "" : say(value).replace("≤ ", "")));
  return {
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, sync: { key: "trends" }, points: { size: 5 } },
    scales: {
      x: { range: (_, first, last) => windowOf(first, last) },
      y: isLogarithmic ? { distr: 3 } : { range: (_, __, most) => [0, Math.max(1.1 * (most ?? 0), least)] },
    },
    axes: [
      axis(colours, { values: clock, space: 70, size: 26, incrs: [60, 120, 300, 600] }),
      axis(colours, { values, size: 62, space: 28, ...(isLogarithmic ? { splits: DECADES } : { incrs: INCREMENTS }) }),
    ],
    series: [{}, ...lines.map((_, place) => ({ stroke: colours[COLOURS[place]!], dash: DASHES[place]!, width: 1.5, points: { show: false } }))],
    hooks: { setCursor: [(self) => (pointed.value = self.cursor.idx ?? null)] },
  };
}

/** Where a logarithmic axis has its lines: a microsecond to 1,000 s. */
const DECADES = (_: uPlot, __: number, least: number, most: number) => Array.from({ length: 10 }, (_, power) => 10 ** (power - 6)).filter((value) => value >= least && value <= most);
/** Steps of an axis: 1, 2 and 5 of each order of magnitude. */
const INCREMENTS = Array.from({ length: 16 }, (_, power) => [1, 2, 5].map((first) => Number(`${first}e${power - 6}`))).flat();

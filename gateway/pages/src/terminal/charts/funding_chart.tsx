import { useSignal, useSignalEffect, type ReadonlySignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import uPlot from "uplot";
import { percent, signed } from "../../shared/numbers";
import { Time } from "../../shared/time";
import type { Venue } from "../../shared/venue";
import type { Instrument, Ticker } from "../../shared/venue_types";
import { faded, type Colours } from "../../shared/colours";
import { columnsOf, type FundingRow } from "./funding";
import { axisTime } from "./local_time_scale";
import { axis, Plot } from "../../shared/plot";

export interface FundingChartProps {
  venue: Venue;
  instrument: Instrument;
  ticker: ReadonlySignal<Ticker | null>;
}

const DAY_MS = 86_400_000;
const SPANS = [
  { label: "1d", words: "1 day", days: 1 },
  { label: "7d", words: "7 days", days: 7 },
  { label: "30d", words: "30 days", days: 30 },
] as const;
const REREAD_MS = 30_000;

/** The funding rates that were settled: bars of each interval, and a line with their sum. */
export function FundingChart({ venue, instrument, ticker }: FundingChartProps) {
  const days = useSignal<number>(7);
  const rows = useSignal<readonly FundingRow[]>([]);
  const remark = useSignal("Loading …");
  const pointedAt = useSignal<number | null>(null);
  const plot = useRef<uPlot | null>(null);
  const span = days.value;
  const name = instrument.instrument_name;
  useEffect(() => {
    let isEnded = false;
    const read = async (): Promise<void> => {
      const endMs = venue.nowMs + DAY_MS;
      const params = { instrument_name: name, start_timestamp: endMs - (span + 1) * DAY_MS, end_timestamp: endMs };
      try {
        const answer = await venue.call<FundingRow[]>("public/get_funding_rate_history", params);
        if (isEnded) return;
        rows.value = answer;
        remark.value = answer.length ? "" : "No funding has been settled in this time";
      } catch (error) {
        if (!isEnded && !rows.peek().length) remark.value = error instanceof Error ? error.message : String(error);
      }
    };
    const stop = venue.whenLive(read);
    const again = setInterval(() => void read(), REREAD_MS);
    return () => {
      isEnded = true;
      clearInterval(again);
      stop();
    };
  }, [venue, name, span]);
  const draw = (): void => {
    const { times, rates, sums } = columnsOf(rows.value);
    plot.current?.setData([times, rates, sums]);
  };
  useSignalEffect(draw);
  const options = useMemo(
    () => (colours: Colours) => fundingOptions(colours, (self) => (pointedAt.value = self.cursor.idx ?? null)),
    [],
  );
  return (
    <div class="chart">
      <div class="chart-bar">
        <div class="chart-choices" role="group" aria-label="Time that is shown">
          {SPANS.map((one) => (
            <button
              type="button"
              key={one.days}
              aria-pressed={one.days === span}
              aria-label={`${one.label}, ${one.words}`}
              onClick={() => (days.value = one.days)}
            >
              {one.label}
            </button>
          ))}
        </div>
      </div>
      <FundingFigures rows={rows} pointedAt={pointedAt} ticker={ticker} />
      <div class="chart-host">
        {remark.value && <p class="chart-remark">{remark.value}</p>}
        <Plot
          options={options}
          label={`Funding rates of ${name}`}
          onReady={(made) => {
            plot.current = made;
            if (made) draw();
          }}
        />
      </div>
    </div>
  );
}

interface FiguresProps {
  rows: ReadonlySignal<readonly FundingRow[]>;
  pointedAt: ReadonlySignal<number | null>;
  ticker: ReadonlySignal<Ticker | null>;
}

function FundingFigures({ rows, pointedAt, ticker }: FiguresProps) {
  const row = pointedAt.value === null ? undefined : rows.value[pointedAt.value];
  const sums = columnsOf(rows.value).sums;
  return (
    <dl class="chart-figures">
      {row ? (
        <>
          <div>
            <dt>settled</dt>
            <dd>
              <Time ms={row.timestamp} withDate />
            </dd>
          </div>
          <div>
            <dt>rate</dt>
            <dd>{percent(row.funding_rate, 4)}</dd>
          </div>
          <div>
            <dt>8h rate</dt>
            <dd>{percent(row.interest_8h, 4)}</dd>
          </div>
        </>
      ) : (
        <>
          <div>
            <dt>running interval</dt>
            <dd>{percent(ticker.value?.current_funding, 4)}</dd>
          </div>
          <div>
            <dt>8h rate</dt>
            <dd>{percent(ticker.value?.funding_8h, 4)}</dd>
          </div>
          <div>
            <dt>sum of what is shown</dt>
            <dd>{sums.length ? `${signed(sums[sums.length - 1], 4)} %` : "–"}</dd>
          </div>
        </>
      )}
    </dl>
  );
}

/** Rates are told from zero on, above and below it. */
function fromZero(_: uPlot, lowest: number | null, highest: number | null): uPlot.Range.MinMax {
  const low = Math.min(lowest ?? 0, 0);
  const high = Math.max(highest ?? 0, 0);
  return low === high ? [-0.01, 0.01] : [low * 1.1, high * 1.1];
}

/** The first and the last bar are seen whole. */
function withHalfBars(self: uPlot, first: number, last: number): uPlot.Range.MinMax {
  const times = self.data[0];
  const half = times.length > 1 ? (times[1]! - times[0]!) / 2 : 1800;
  return [first - half, last + half];
}

function fundingOptions(colours: Colours, point: (self: uPlot) => void): Omit<uPlot.Options, "width" | "height"> {
  const perCent = (_: uPlot, ticks: number[]): string[] => ticks.map((tick) => `${Number(tick.toFixed(5))} %`);
  return {
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false } },
    scales: { x: { range: withHalfBars }, y: { range: fromZero }, sum: { range: fromZero } },
    series: [
      {},
      {
        stroke: colours.accent, fill: faded(colours.accent, 0.5), width: 1, points: { show: false },
        paths: uPlot.paths.bars!({ size: [0.7, 24] }),
      },
      { stroke: colours.mark, width: 1.5, scale: "sum", points: { show: false } },
    ],
    axes: [
      axis(colours, { values: (_, times, __, ___, stepS) => times.map((time) => axisTime(time, stepS)), space: 60 }),
      axis(colours, { values: perCent, size: 74 }),
      axis(colours, { values: perCent, size: 74, side: 1, scale: "sum", stroke: colours.mark, grid: { show: false } }),
    ],
    hooks: { setCursor: [point] },
  };
}

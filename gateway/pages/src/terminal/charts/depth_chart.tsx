import { useComputed, useSignal, useSignalEffect, type ReadonlySignal } from "@preact/signals";
import { useMemo, useRef } from "preact/hooks";
import uPlot from "uplot";
import { oncePerFrame } from "../../shared/frames";
import { compact, decimalsOf, onStep, percent, shown } from "../../shared/numbers";
import type { Instrument } from "../../shared/venue_types";
import { faded, type Colours } from "../../shared/colours";
import { amountTo, depthOf, middleOf, type DepthBook } from "./depth";
import { axis, Plot } from "../../shared/plot";

export interface DepthChartProps {
  instrument: Instrument;
  book: ReadonlySignal<DepthBook | null>;
  onPick(price: string): void;
}

const DISTANCES = [0.002, 0.005, 0.01, 0.02, 0.05];
const EMPTY: DepthBook = { bids: [], asks: [] };

/** What is pointed at: a price, and how far it is from the middle, a fraction. */
interface Pointed {
  price: number;
  distance: number;
}

/** The amounts of the book added up from the best price outwards; a click puts the price into the ticket. */
export function DepthChart({ instrument, book, onPick }: DepthChartProps) {
  const distance = useSignal(0.01);
  const pointed = useSignal<Pointed | null>(null);
  const plot = useRef<uPlot | null>(null);
  const pick = useRef(onPick);
  pick.current = onPick;
  const isEmpty = useComputed(() => !book.value?.bids.length && !book.value?.asks.length);
  const decimals = decimalsOf(instrument.tick_size);
  const drawSoon = useMemo(
    () =>
      oncePerFrame(() => {
        const { prices, bidAmounts, askAmounts, range } = depthOf(book.peek() ?? EMPTY, distance.peek());
        plot.current?.batch((self: uPlot) => {
          self.setData([prices, bidAmounts, askAmounts], false);
          self.setScale("x", { min: range[0], max: range[1] });
        });
      }),
    [book],
  );
  useSignalEffect(() => {
    void book.value;
    void distance.value;
    drawSoon();
  });
  const options = useMemo(() => {
    const priceAt = (self: uPlot): string | null => {
      const left = self.cursor.left ?? -1;
      return left < 0 ? null : onStep(Math.max(self.posToVal(left, "x"), 0).toFixed(decimals + 2), instrument.tick_size);
    };
    const point = (self: uPlot): void => {
      const text = priceAt(self);
      const middle = middleOf(book.peek() ?? EMPTY);
      if (text === null || middle === null) pointed.value = null;
      else pointed.value = { price: Number(text), distance: Number(text) / middle - 1 };
    };
    const click = (self: uPlot): void => {
      const text = priceAt(self);
      if (text !== null) pick.current(text);
    };
    return (colours: Colours) => depthOptions(colours, decimals, point, click);
  }, [book, instrument.tick_size]);
  return (
    <div class="chart">
      <div class="chart-bar">
        <div class="chart-choices" role="group" aria-label="Distance from the middle price">
          {DISTANCES.map((one) => (
            <button type="button" key={one} aria-pressed={one === distance.value} onClick={() => (distance.value = one)}>
              ±{Number((one * 100).toFixed(1))} %
            </button>
          ))}
        </div>
      </div>
      <DepthFigures pointed={pointed} book={book} decimals={decimals} unit={instrument.base_currency} />
      <div class="chart-host">
        {isEmpty.value && <p class="chart-remark">The book is empty</p>}
        <Plot
          options={options}
          label={`Depth of ${instrument.instrument_name}`}
          onReady={(made) => {
            plot.current = made;
            drawSoon();
          }}
        />
      </div>
    </div>
  );
}

interface FiguresProps {
  pointed: ReadonlySignal<Pointed | null>;
  book: ReadonlySignal<DepthBook | null>;
  decimals: number;
  unit: string;
}

function DepthFigures({ pointed, book, decimals, unit }: FiguresProps) {
  const at = pointed.value;
  const middle = middleOf(book.value ?? EMPTY);
  return (
    <dl class="chart-figures">
      <div>
        <dt>{at ? "Price" : "Middle"}</dt>
        <dd>{shown(at ? at.price : middle, decimals)}</dd>
      </div>
      {at && (
        <div>
          <dt>from the middle</dt>
          <dd>{percent(at.distance)}</dd>
        </div>
      )}
      {at && (
        <div>
          <dt>{at.distance < 0 ? "bids down to it" : "asks up to it"}</dt>
          <dd class={at.distance < 0 ? "up" : "down"}>
            {compact(amountTo(book.value ?? EMPTY, at.price))} {unit}
          </dd>
        </div>
      )}
    </dl>
  );
}

function depthOptions(
  colours: Colours,
  decimals: number,
  point: (self: uPlot) => void,
  click: (self: uPlot) => void,
): Omit<uPlot.Options, "width" | "height"> {
  const stepped = (align: 1 | -1) => uPlot.paths.stepped!({ align });
  const side = (colour: string, align: 1 | -1): uPlot.Series => ({
    stroke: colour, fill: faded(colour, 0.2), width: 1.5, paths: stepped(align), points: { show: false },
  });
  return {
    scales: { x: { time: false, auto: false }, y: { range: (_, __, highest) => [0, (highest || 1) * 1.05] } },
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
    series: [{}, side(colours.up, -1), side(colours.down, 1)],
    axes: [
      axis(colours, { values: (_, ticks) => ticks.map((price) => shown(price, decimals)), space: 80 }),
      axis(colours, { values: (_, ticks) => ticks.map((amount) => compact(amount)), size: 56, side: 1 }),
    ],
    hooks: {
      setCursor: [point],
      ready: [(self) => self.over.addEventListener("click", () => click(self))],
    },
  };
}
